import { TributaryError } from "../../errors.ts";
import { SCHEMA } from "../sql/sql.ts";
import type { GivenCatalog } from "./catalog/options.ts";

/** Where the tables of a warehouse are. */
export interface IcebergTarget {
  /** Of the REST catalog, without `/v1`. */
  uri: string;
  warehouse: string;
  prefix: string | undefined;
  namespace: string[];
}

/**
 * Reads `iceberg:https://host/path?warehouse=…&namespace=…&prefix=…`. What the URL does not name is taken
 * from the settings: `iceberg:` alone is the catalog of the settings. @throws CONFIG_INVALID
 */
export function targetOf(url: string, given: Pick<GivenCatalog, "uri" | "warehouse" | "prefix"> = {}): IcebergTarget {
  const [, place = "", query = ""] = /^iceberg:([^?]*)\??(.*)$/.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  const named = (name: string): string | undefined => parameters.get(name) || undefined;
  const uri = place === "" ? given.uri : place;
  const warehouse = named("warehouse") ?? given.warehouse;
  if (uri === undefined || !isUri(uri) || warehouse === undefined) {
    const form = "use iceberg:https://host[:port][/path]?warehouse=<name>[&namespace=<name>][&prefix=<path>]";
    const settings = "iceberg: with TRIBUTARY_REST_CATALOG_URI and TRIBUTARY_REST_CATALOG_WAREHOUSE";
    throw new TributaryError(
      "CONFIG_INVALID",
      `'${url}' names no warehouse of an Iceberg REST catalog: ${form}, or ${settings}`,
    );
  }
  const prefix = named("prefix") ?? given.prefix;
  return { uri: uri.replace(/\/+$/, ""), warehouse, prefix, namespace: [named("namespace") ?? SCHEMA] };
}

const isUri = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
