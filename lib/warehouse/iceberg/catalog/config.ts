import type { z } from "zod";
import { CatalogError } from "./errors.ts";
import type { configSchema } from "./schemas.ts";

/** What a catalog says of itself at `GET /v1/config`. */
export interface CatalogConfig {
  /** Part of every path, "" without one; as the catalog encodes it. */
  prefix: string;
  /** Another address of the catalog, for all other requests. */
  uri: string | undefined;
  /** Between the levels of a namespace in a path. */
  namespaceSeparator: string;
  /** As the specification writes them: `GET /v1/{prefix}/namespaces`. */
  endpoints: ReadonlySet<string>;
  /** False: the catalog lists no endpoints. All are tried then; one that is missing is answered with 404. */
  listsEndpoints: boolean;
  /** How long the catalog remembers the header Idempotency-Key, as an ISO 8601 duration; undefined: never. */
  idempotencyKeyLifetime: string | undefined;
}

const NAMESPACE = "/v1/{prefix}/namespaces/{namespace}";

/** The endpoints that Tributary can use, in the words of the specification. */
export const ENDPOINTS = {
  listNamespaces: "GET /v1/{prefix}/namespaces",
  createNamespace: "POST /v1/{prefix}/namespaces",
  loadNamespace: `GET ${NAMESPACE}`,
  dropNamespace: `DELETE ${NAMESPACE}`,
  listTables: `GET ${NAMESPACE}/tables`,
  createTable: `POST ${NAMESPACE}/tables`,
  loadTable: `GET ${NAMESPACE}/tables/{table}`,
  commitTable: `POST ${NAMESPACE}/tables/{table}`,
  dropTable: `DELETE ${NAMESPACE}/tables/{table}`,
  registerTable: `POST ${NAMESPACE}/register`,
  renameTable: "POST /v1/{prefix}/tables/rename",
  commitTransaction: "POST /v1/{prefix}/transactions/commit",
  listViews: `GET ${NAMESPACE}/views`,
  createView: `POST ${NAMESPACE}/views`,
  loadView: `GET ${NAMESPACE}/views/{view}`,
  replaceView: `POST ${NAMESPACE}/views/{view}`,
  dropView: `DELETE ${NAMESPACE}/views/{view}`,
} as const;

export type Endpoint = keyof typeof ENDPOINTS;

/** A prefix is a path: no query, no step upwards. */
const PREFIX = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.~%:@+=,/-]*$/;

/** @throws CatalogError CATALOG_FAILED for a prefix that is no path */
export function configOf(read: z.output<typeof configSchema>, given: { prefix?: string | undefined }): CatalogConfig {
  const { defaults, overrides, endpoints } = read;
  const prefix = (overrides.get("prefix") ?? given.prefix ?? defaults.get("prefix") ?? "").replace(/^\/+|\/+$/g, "");
  if (!PREFIX.test(prefix)) {
    throw new CatalogError("CATALOG_FAILED", `the catalog's prefix '${prefix.slice(0, 200)}' is not a path`, {
      outcome: "none",
    });
  }
  return {
    prefix,
    uri: overrides.get("uri"),
    namespaceSeparator: decoded(overrides.get("namespace-separator") ?? defaults.get("namespace-separator") ?? "%1F"),
    endpoints: new Set(endpoints ?? Object.values(ENDPOINTS)),
    listsEndpoints: Boolean(endpoints),
    idempotencyKeyLifetime: read["idempotency-key-lifetime"] ?? undefined,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
