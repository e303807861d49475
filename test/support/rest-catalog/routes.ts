import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  Answer,
  applied,
  checkRequirements,
  newTable,
  tableAnswer,
  type FakeChange,
  type FakeTable,
} from "./tables.ts";

type Json = Record<string, unknown>;

export interface CatalogState {
  /** By namespace and name, each part as in `keyOf`. */
  tables: Map<string, FakeTable>;
  namespaces: Map<string, Json>;
  views: Map<string, string>;
}

export interface StateOptions {
  /**
   * A commit that finds the table changed since it read it is acknowledged without its changes, as
   * Iceberg's reference server did in 253 of 581 cases.
   */
  losesCommits?: boolean;
  /** A commit is applied whatever its requirements say. */
  ignoresRequirements?: boolean;
  /** Only the newest snapshot is served. */
  newestOnly?: boolean;
  /** Keeps only the operation of a snapshot's summary. */
  dropsSummaries?: boolean;
  /** A transaction commits its tables one after the other. */
  notAtomic?: boolean;
  /** Names of tables that it accepts. Default: all. */
  names?: RegExp;
  /** Stores names in lower case. */
  lowersNames?: boolean;
  /** A registered table is there without its snapshots, as in SeaweedFS 4.48. */
  forgetsRegistered?: boolean;
  /** Items of a page. Default: all. */
  pageSize?: number;
  /** Time between reading a table and writing it, so that commits race. Default 0. */
  commitMs?: number;
}

export interface Route {
  method: string;
  /** Below the prefix, decoded. */
  path: readonly string[];
  query: URLSearchParams;
  body: Json;
}

const SEPARATOR = "\u001f";
export const keyOf = (namespace: readonly string[], name: string): string => [...namespace, name].join(SEPARATOR);

/** The body of the answer; undefined: 204. @throws Answer */
export async function answerTo(state: CatalogState, options: StateOptions, route: Route): Promise<Json | undefined> {
  const { method, path, body } = route;
  const [first, namespace = "", kind, name] = path;
  const [, second] = path;
  if (first === "transactions" && second === "commit") return transaction(state, options, body);
  if (first === "tables" && second === "rename") return rename(state, body);
  if (first !== "namespaces") throw new Answer(404, "NotFound", "Path not found");
  if (path.length <= 2) return namespaces(state, options, route);
  if (!state.namespaces.has(namespace)) throw new Answer(404, "NoSuchNamespaceException", namespace);
  if (kind === "register") return register(state, options, namespace, body);
  if (kind === "views") return views(state, { method, namespace, name, body });
  if (kind !== "tables") throw new Answer(404, "NotFound", "Path not found");
  return tables(state, options, { ...route, namespace, name });
}

function namespaces(
  state: CatalogState,
  options: StateOptions,
  { method, path, query, body }: Route,
): Json | undefined {
  const [, name] = path;
  if (name === undefined && method === "POST") {
    const key = (body.namespace as string[]).join(SEPARATOR);
    if (state.namespaces.has(key)) throw new Answer(409, "AlreadyExistsException", "the namespace exists");
    state.namespaces.set(key, (body.properties as Json | undefined) ?? {});
    return { namespace: body.namespace, properties: body.properties };
  }
  if (name === undefined) {
    const parent = query.get("parent");
    const depth = parent === null ? 1 : parent.split(SEPARATOR).length + 1;
    const found = [...state.namespaces.keys()].filter(
      (key) => key.split(SEPARATOR).length === depth && (parent === null || key.startsWith(parent + SEPARATOR)),
    );
    return page(
      "namespaces",
      found.map((key) => key.split(SEPARATOR)),
      query,
      options,
    );
  }
  const properties = state.namespaces.get(name);
  if (!properties) throw new Answer(404, "NoSuchNamespaceException", name);
  if (method === "GET") return { namespace: name.split(SEPARATOR), properties };
  if (method !== "DELETE") throw new Answer(405, "MethodNotAllowed", method);
  const inside = [...state.tables.keys(), ...state.views.keys()].some((key) => key.startsWith(name + SEPARATOR));
  if (inside) throw new Answer(409, "NamespaceNotEmptyException", "the namespace is not empty");
  state.namespaces.delete(name);
  return undefined;
}

function page(field: string, all: readonly unknown[], query: URLSearchParams, { pageSize }: StateOptions): Json {
  const start = Number(query.get("pageToken") ?? 0);
  const end = start + (pageSize ?? all.length);
  return { [field]: all.slice(start, end), ...(end < all.length ? { "next-page-token": String(end) } : {}) };
}

interface TableRoute extends Route {
  namespace: string;
  name: string | undefined;
}

async function tables(state: CatalogState, options: StateOptions, route: TableRoute): Promise<Json | undefined> {
  const { method, namespace, name, query, body } = route;
  if (name === undefined && method === "GET") {
    const inside = [...state.tables.keys()].filter((key) => key.startsWith(namespace + SEPARATOR));
    const identifiers = inside.map((key) => ({
      namespace: namespace.split(SEPARATOR),
      name: key.slice(namespace.length + 1),
    }));
    return page("identifiers", identifiers, query, options);
  }
  if (name === undefined) return create(state, options, namespace, body);
  const key = namespace + SEPARATOR + (options.lowersNames ? name.toLowerCase() : name);
  if (method === "POST") {
    await commit(state, options, [{ key, change: body as unknown as FakeChange }]);
    return tableAnswer(state.tables.get(key)!, options);
  }
  const table = state.tables.get(key);
  if (!table) throw new Answer(404, "NoSuchTableException", `Table does not exist: ${name}`);
  if (method === "GET") return tableAnswer(table, options);
  state.tables.delete(key);
  return undefined;
}

function create(state: CatalogState, options: StateOptions, namespace: string, body: Json): Json {
  const name = options.lowersNames ? String(body.name).toLowerCase() : String(body.name);
  if (options.names && !options.names.test(name)) throw new Answer(400, "BadRequestException", "invalid table name");
  const key = namespace + SEPARATOR + name;
  if (state.tables.has(key)) throw new Answer(409, "AlreadyExistsException", "the table exists");
  const table = newTable(`s3://fake/${randomUUID()}`, body);
  state.tables.set(key, table);
  return tableAnswer(table, options);
}

function register(state: CatalogState, options: StateOptions, namespace: string, body: Json): Json {
  const key = namespace + SEPARATOR + String(body.name);
  if (state.tables.has(key)) throw new Answer(409, "AlreadyExistsException", "the table exists");
  const location = String(body["metadata-location"]);
  const table = [...state.tables.values()].find((one) => location.startsWith(`${String(one.metadata.location)}/`));
  if (!table) throw new Answer(400, "BadRequestException", `no metadata file ${location}`);
  const forgotten = {
    ...table,
    metadata: { ...table.metadata, "current-snapshot-id": -1, snapshots: [], refs: new Map() },
  };
  state.tables.set(key, options.forgetsRegistered ? forgotten : table);
  return tableAnswer(table);
}

function rename(state: CatalogState, body: Json): undefined {
  const [from, to] = [body.source, body.destination].map((given) => {
    const { namespace, name } = given as { namespace: string[]; name: string };
    return keyOf(namespace, name);
  }) as [string, string];
  const table = state.tables.get(from);
  if (!table) throw new Answer(404, "NoSuchTableException", "Table does not exist");
  if (state.tables.has(to)) throw new Answer(409, "AlreadyExistsException", "the table exists");
  state.tables.delete(from);
  state.tables.set(to, table);
}

interface ViewRoute {
  method: string;
  namespace: string;
  name: string | undefined;
  body: Json;
}

function views(state: CatalogState, { method, namespace, name, body }: ViewRoute): Json | undefined {
  if (name === undefined && method === "POST") {
    const key = namespace + SEPARATOR + String(body.name);
    if (state.views.has(key)) throw new Answer(409, "AlreadyExistsException", "the view exists");
    state.views.set(key, randomUUID());
    return { "metadata-location": "s3://fake/view", metadata: { "view-uuid": state.views.get(key) } };
  }
  const key = `${namespace}${SEPARATOR}${name}`;
  const uuid = state.views.get(key);
  if (uuid === undefined) throw new Answer(404, "NoSuchViewException", `View does not exist: ${name}`);
  if (method === "GET") return { "metadata-location": "s3://fake/view", metadata: { "view-uuid": uuid } };
  state.views.delete(key);
  return undefined;
}

async function transaction(state: CatalogState, options: StateOptions, body: Json): Promise<undefined> {
  const changes = (body["table-changes"] as (FakeChange & { identifier: { namespace: string[]; name: string } })[]).map(
    (change) => ({ key: keyOf(change.identifier.namespace, change.identifier.name), change }),
  );
  for (const part of options.notAtomic ? changes.map((change) => [change]) : [changes]) {
    await commit(state, options, part);
  }
}

/** Compare and swap over all tables at once. */
async function commit(
  state: CatalogState,
  options: StateOptions,
  changes: readonly { key: string; change: FakeChange }[],
): Promise<void> {
  const prepared = changes.map(({ key, change }) => {
    const table = state.tables.get(key);
    if (!table) throw new Answer(404, "NoSuchTableException", "Table does not exist");
    if (!options.ignoresRequirements) checkRequirements(table, change.requirements);
    const updates = options.dropsSummaries ? change.updates.map(withoutSummary) : change.updates;
    return { key, base: table, next: applied(table, updates) };
  });
  if (options.commitMs) await delay(options.commitMs);
  const changed = prepared.filter(({ key, base }) => state.tables.get(key) !== base);
  if (changed.length > 0) {
    if (options.losesCommits) return;
    throw new Answer(409, "CommitFailedException", "Version token mismatch");
  }
  for (const { key, next } of prepared) state.tables.set(key, next);
}

function withoutSummary(update: Json): Json {
  if (update.action !== "add-snapshot") return update;
  const snapshot = update.snapshot as { summary: Json };
  return { ...update, snapshot: { ...snapshot, summary: { operation: snapshot.summary.operation } } };
}
