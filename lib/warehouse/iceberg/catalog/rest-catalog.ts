import { systemClock, type Clock } from "../../../clock.ts";
import { TributaryError } from "../../../errors.ts";
import { tableBody, viewBody, viewReplacement, type NewTable, type NewView, type TableChange } from "./commit.ts";
import { configOf, ENDPOINTS, type CatalogConfig, type Endpoint } from "./config.ts";
import { CatalogError } from "./errors.ts";
import { jsonText } from "./json.ts";
import { makeLogin, type LoginOptions } from "./login.ts";
import { CatalogRequests, type Call } from "./requests.ts";
import {
  anything,
  configSchema,
  namespaceSchema,
  namespacesPage,
  tableSchema,
  tablesPage,
  viewSchema,
  type LoadedTable,
  type LoadedView,
  type TableIdentifier,
} from "./schemas.ts";
import { httpTransport, type HttpAnswer, type HttpRequest, type Transport } from "./transport.ts";

export interface RestCatalogOptions {
  /** Without `/v1`: `https://host/api/catalog`. */
  uri: string;
  /** The name, ARN or URL by which the catalog knows the warehouse. */
  warehouse?: string | undefined;
  /** Used unless the catalog names one. */
  prefix?: string | undefined;
  /** Default: none. */
  login?: LoginOptions;
  /** PEM certificates that replace Node's built-in ones. */
  ca?: readonly string[] | undefined;
  clock?: Clock;
  /** Of one request. Default 60 s. */
  timeoutMs?: number;
  /** Default: HTTP. */
  transport?: { send: Transport; close: () => void };
}

const REQUEST_MS_MAX = 60_000;
/** Pages of one listing. */
const PAGES_MAX = 10_000;

/**
 * Logs in to an Iceberg REST catalog and reads its configuration.
 * @throws CONFIG_INVALID, CatalogError
 */
export async function openRestCatalog(options: RestCatalogOptions): Promise<RestCatalog> {
  const { warehouse, login = { kind: "none" }, ca, clock = systemClock, timeoutMs = REQUEST_MS_MAX } = options;
  const uri = checkedUri(options.uri);
  const transport = options.transport ?? httpTransport({ ca });
  const { send } = transport;
  const context = { send, clock, timeoutMs, login: makeLogin(login, { uri, send, clock, timeoutMs }) };
  try {
    const read = await new CatalogRequests({ ...context, root: `${uri}/v1` }).call(configSchema, {
      doing: "read the catalog's configuration",
      method: "GET",
      path: ["config"],
      query: warehouse === undefined ? {} : { warehouse },
    });
    const config = configOf(read, options);
    const place = config.uri === undefined ? uri : checkedUri(config.uri);
    const root = [`${place}/v1`, config.prefix].filter(Boolean).join("/");
    return new RestCatalog(new CatalogRequests({ ...context, root }), config, transport.close);
  } catch (error) {
    transport.close();
    throw error;
  }
}

/** @throws CONFIG_INVALID */
function checkedUri(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  if (!isPlain) {
    throw new TributaryError("CONFIG_INVALID", `'${text}' is no URI of a catalog: use https://host[:port][/path]`);
  }
  return text.replace(/\/+$/, "");
}

/**
 * An Iceberg REST catalog: tables by name, and commits to them. Reads are repeated while the catalog is
 * unavailable. A change is sent once: a CatalogError with outcome `unknown` says that it may be applied.
 * Identical commits are safe to repeat if they have a requirement that their own success breaks.
 */
export class RestCatalog {
  readonly config: CatalogConfig;
  readonly close: () => void;
  readonly #requests: CatalogRequests;

  constructor(requests: CatalogRequests, config: CatalogConfig, close: () => void) {
    this.#requests = requests;
    this.config = config;
    this.close = close;
  }

  has(endpoint: Endpoint): boolean {
    return this.config.endpoints.has(ENDPOINTS[endpoint]);
  }

  /** The URL of a resource below `/v1/{prefix}`. */
  urlOf(path: readonly string[]): URL {
    return this.#requests.urlOf(path);
  }

  /** Sends a request of somebody else as it is, logged in: see CatalogRequests.send. */
  send(request: HttpRequest): Promise<HttpAnswer> {
    return this.#requests.send(request);
  }

  /** The namespaces directly below `parent`; without one, those of the first level. */
  async listNamespaces(parent: readonly string[] = []): Promise<string[][]> {
    const query = parent.length === 0 ? {} : { parent: parent.join(this.config.namespaceSeparator) };
    const call = { doing: "list namespaces", method: "GET", path: ["namespaces"], query } as const;
    return this.#pages(async (token) => {
      const page = await this.#requests.call(namespacesPage, { ...call, query: { ...query, ...token } });
      return { items: page.namespaces, next: page["next-page-token"] };
    });
  }

  /** @throws CATALOG_CONFLICT if it exists */
  async createNamespace(namespace: readonly string[], properties: Record<string, string> = {}): Promise<void> {
    await this.#requests.call(anything, {
      doing: `create namespace ${namespace.join(".")}`,
      method: "POST",
      path: ["namespaces"],
      body: { namespace, properties },
    });
  }

  /** The namespace's properties. @throws CATALOG_NOT_FOUND */
  loadNamespace(namespace: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const path = this.#namespacePath(namespace);
    return this.#requests.call(namespaceSchema, { doing: `load ${path.at(-1)}`, method: "GET", path });
  }

  /** @throws CATALOG_CONFLICT if it is not empty, CATALOG_NOT_FOUND */
  async dropNamespace(namespace: readonly string[]): Promise<void> {
    const doing = `drop namespace ${namespace.join(".")}`;
    await this.#requests.call(anything, { doing, method: "DELETE", path: this.#namespacePath(namespace) });
  }

  async listTables(namespace: readonly string[]): Promise<TableIdentifier[]> {
    const path = [...this.#namespacePath(namespace), "tables"];
    const doing = `list the tables of ${namespace.join(".")}`;
    return this.#pages(async (query) => {
      const page = await this.#requests.call(tablesPage, { doing, method: "GET", path, query });
      return { items: page.identifiers, next: page["next-page-token"] };
    });
  }

  /** Creates an empty table. @throws CATALOG_CONFLICT if it exists; SeaweedFS answers with that table */
  createTable(namespace: readonly string[], table: NewTable): Promise<LoadedTable> {
    return this.#requests.call(tableSchema, {
      doing: `create table ${nameOf({ namespace, name: table.name })}`,
      method: "POST",
      path: [...this.#namespacePath(namespace), "tables"],
      body: tableBody(table),
    });
  }

  /** The table with all its snapshots. @throws CATALOG_NOT_FOUND */
  loadTable(table: TableIdentifier, signal?: AbortSignal): Promise<LoadedTable> {
    const doing = `load table ${nameOf(table)}`;
    const query = { snapshots: "all" };
    return this.#requests.call(tableSchema, { doing, method: "GET", path: this.#tablePath(table), query, signal });
  }

  /**
   * Commits the change of one table, once.
   * @throws CATALOG_CONFLICT if a requirement does not hold; CatalogError, see its outcome
   */
  commitTable({ identifier, ...change }: TableChange, signal?: AbortSignal): Promise<LoadedTable> {
    return this.#requests.call(tableSchema, {
      doing: `commit to table ${nameOf(identifier)}`,
      method: "POST",
      path: this.#tablePath(identifier),
      body: { identifier, ...change },
      signal,
    });
  }

  /**
   * Commits the changes of several tables, once. A catalog may apply them one after the other, so that a
   * failure can leave some of them applied.
   * @throws CATALOG_UNSUPPORTED, CATALOG_CONFLICT; CatalogError, see its outcome
   */
  async commitTransaction(changes: readonly TableChange[], signal?: AbortSignal): Promise<void> {
    this.#need("commitTransaction");
    const doing = `commit to tables ${changes.map(({ identifier }) => nameOf(identifier)).join(", ")}`;
    const body = { "table-changes": changes };
    await this.#requests.call(anything, { doing, method: "POST", path: TRANSACTION, body, signal });
  }

  /** Where the changes of some tables are sent, and what. A catalog without transactions takes one table. */
  commitRequest(changes: readonly TableChange[]): { url: URL; body: string } {
    if (this.has("commitTransaction"))
      return { url: this.urlOf(TRANSACTION), body: jsonText({ "table-changes": changes }) };
    const [change] = changes;
    return { url: this.urlOf(this.#tablePath(change!.identifier)), body: jsonText(change) };
  }

  /** @throws CATALOG_UNSUPPORTED, CATALOG_NOT_FOUND, CATALOG_CONFLICT if the new name is taken */
  async renameTable(source: TableIdentifier, destination: TableIdentifier): Promise<void> {
    this.#need("renameTable");
    const doing = `rename table ${nameOf(source)} to ${nameOf(destination)}`;
    const body = { source, destination };
    await this.#requests.call(anything, { doing, method: "POST", path: ["tables", "rename"], body });
  }

  /** Makes a table of a metadata file. @throws CATALOG_UNSUPPORTED, CATALOG_CONFLICT if the table exists */
  registerTable(table: TableIdentifier, metadataLocation: string): Promise<LoadedTable> {
    this.#need("registerTable");
    return this.#requests.call(tableSchema, {
      doing: `register table ${nameOf(table)} from ${metadataLocation}`,
      method: "POST",
      path: [...this.#namespacePath(table.namespace), "register"],
      body: { name: table.name, "metadata-location": metadataLocation },
    });
  }

  /** Drops the table. With `purge` the catalog is asked to delete its files. @throws CATALOG_NOT_FOUND */
  async dropTable(table: TableIdentifier, { purge = false }: { purge?: boolean } = {}): Promise<void> {
    const query = { purgeRequested: String(purge) };
    const doing = `drop table ${nameOf(table)}`;
    await this.#requests.call(anything, { doing, method: "DELETE", path: this.#tablePath(table), query });
  }

  /** @throws CATALOG_UNSUPPORTED, CATALOG_CONFLICT if it exists */
  async createView(namespace: readonly string[], view: NewView): Promise<void> {
    this.#need("createView");
    const doing = `create view ${nameOf({ namespace, name: view.name })}`;
    const path = [...this.#namespacePath(namespace), "views"];
    await this.#requests.call(viewSchema, { doing, method: "POST", path, body: viewBody(view) });
  }

  /** @throws CATALOG_UNSUPPORTED, CATALOG_NOT_FOUND */
  loadView(view: TableIdentifier): Promise<LoadedView> {
    return this.#requests.call(viewSchema, this.#viewCall("loadView", view, "GET"));
  }

  /** @throws CATALOG_UNSUPPORTED */
  async listViews(namespace: readonly string[]): Promise<TableIdentifier[]> {
    this.#need("listViews");
    const path = [...this.#namespacePath(namespace), "views"];
    const doing = `list the views of ${namespace.join(".")}`;
    return this.#pages(async (query) => {
      const page = await this.#requests.call(tablesPage, { doing, method: "GET", path, query });
      return { items: page.identifiers, next: page["next-page-token"] };
    });
  }

  /**
   * Gives the view another statement and sets properties, in one change.
   * @throws CATALOG_UNSUPPORTED, CATALOG_NOT_FOUND, CATALOG_CONFLICT
   */
  async replaceView(namespace: readonly string[], view: NewView, existing: LoadedView): Promise<void> {
    const call = this.#viewCall("replaceView", { namespace, name: view.name }, "POST");
    await this.#requests.call(viewSchema, { ...call, body: viewReplacement(view, existing) });
  }

  /** @throws CATALOG_UNSUPPORTED, CATALOG_NOT_FOUND */
  async dropView(view: TableIdentifier): Promise<void> {
    await this.#requests.call(anything, this.#viewCall("dropView", view, "DELETE"));
  }

  #viewCall(endpoint: Endpoint, view: TableIdentifier, method: Call["method"]): Call {
    this.#need(endpoint);
    const path = [...this.#namespacePath(view.namespace), "views", view.name];
    const doing = { GET: "load", POST: "replace", DELETE: "drop" }[method];
    return { doing: `${doing} view ${nameOf(view)}`, method, path };
  }

  #need(endpoint: Endpoint): void {
    if (this.has(endpoint)) return;
    throw new CatalogError("CATALOG_UNSUPPORTED", `the catalog has no endpoint ${ENDPOINTS[endpoint]}`, {
      outcome: "none",
    });
  }

  #namespacePath(namespace: readonly string[]): string[] {
    return ["namespaces", namespace.join(this.config.namespaceSeparator)];
  }

  #tablePath({ namespace, name }: TableIdentifier): string[] {
    return [...this.#namespacePath(namespace), "tables", name];
  }

  async #pages<T>(
    page: (query: Record<string, string>) => Promise<{ items: T[]; next: string | null | undefined }>,
  ): Promise<T[]> {
    const all: T[] = [];
    let query: Record<string, string> = {};
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const { items, next } = await page(query);
      all.push(...items);
      if (!next || next === query.pageToken) return all;
      query = { pageToken: next };
    }
    throw new CatalogError("CATALOG_FAILED", `a listing has more than ${PAGES_MAX} pages`, { outcome: "none" });
  }
}

const TRANSACTION = ["transactions", "commit"];

/** The name in messages. */
export const nameOf = ({ namespace, name }: TableIdentifier): string => [...namespace, name].join(".");
