import { exactText, idOf, isObject, objectsIn, parseExact, type JsonObject } from "./exact-json.ts";
import type { Requirement } from "./requirements.ts";
import { snapshotOf, type SnapshotState } from "./table-state.ts";

/** Names a table. */
export interface TableName {
  readonly namespace: readonly string[];
  readonly name: string;
}

/** A text that names one table: parts of a namespace may hold any character. */
export const tableKey = ({ namespace, name }: TableName): string => JSON.stringify([...namespace, name]);

/**
 * By what a table shows that the catalog has applied a change: a snapshot's id or, of a new table, its uuid.
 * Both are random and made by the writer or for it, so nobody else's change has them.
 */
export type Evidence = { readonly snapshotId: string } | { readonly tableUuid: string };

/** The change of one table in a commit. */
export interface TableChange {
  readonly key: string;
  /** Where the table is loaded from. */
  readonly loadPath: string;
  /** The change as it is sent: each time the same text. */
  readonly text: string;
  readonly requirements: readonly Requirement[];
  /** undefined: the change adds no snapshot, so no data file depends on it. */
  readonly evidence: Evidence | undefined;
  /** The snapshots that the change adds, oldest first. */
  readonly snapshots: readonly SnapshotState[];
}

export interface CommitRequest {
  readonly path: string;
  /** True: `transactions/commit`; false: the change of one table at its own path. */
  readonly isTransaction: boolean;
  readonly changes: readonly TableChange[];
}

/** Tables that one commit may change. */
const CHANGES_MAX = 500;

const TRANSACTION = /^(.*)\/transactions\/commit$/;
const TABLE = /^(.*)\/namespaces\/([^/]+)\/tables\/([^/]+)$/;

/** Where a request goes, without its query and with single slashes: how catalogs read it. */
const normal = (path: string): string =>
  path
    .replace(/[?#].*$/s, "")
    .replace(/\/{2,}/g, "/")
    .replace(/\/$/, "");

/** True if the request commits to tables. Everything else is forwarded as it is. */
export function isCommit(method: string, path: string): boolean {
  if (method !== "POST") return false;
  const at = normal(path);
  return TRANSACTION.test(at) || TABLE.test(at);
}

/** The body of a request for these changes, which are some or all of the request's. */
export const bodyOf = ({ isTransaction }: CommitRequest, changes: readonly TableChange[]): string =>
  isTransaction ? `{"table-changes":[${changes.map(({ text }) => text).join(",")}]}` : changes[0]!.text;

/** Properties of a snapshot. */
export type Summary = Readonly<Record<string, string>>;

/** What a table must be for a commit to be applied. */
export interface Base {
  /** undefined: it has no snapshot. */
  readonly snapshotId: string | undefined;
  /** Absent: it may be a table that was created again. */
  readonly uuid?: string;
}

/** What a commit must be like. */
export interface Announced {
  readonly summary: Summary;
  readonly base: Base | undefined;
}

/**
 * What the new snapshot of a table must be like. undefined: no transaction is open for the table. `keys`
 * are all tables to which the commit adds a snapshot.
 */
export type AnnouncedOf = (key: string, keys: readonly string[]) => Announced | undefined;

/**
 * Changes that go along with a commit to these tables, as `transactions/commit` has them: its writer does not
 * know of them.
 */
export type JoinedOf = (keys: readonly string[]) => readonly string[];

/** Why the gate does not send a commit. `isConflict`: the table has changed. */
export interface Fault {
  readonly fault: string;
  readonly isConflict: boolean;
  /** The tables that the commit names, as far as they are known. */
  readonly keys: readonly string[];
}

const fault = (text: string, isConflict = false): Fault => ({ fault: text, isConflict, keys: [] });

/**
 * Reads a commit and completes each change: the new snapshot that readers will see gets the properties that
 * `announcedOf` gives for its table, and a change of a branch that names no expected snapshot gets one, its
 * snapshot's parent. DuckDB leaves it out where one transaction also makes a table (duckdb-iceberg v1.5,
 * IcebergTransaction::GetTransactionRequest). Returns a fault instead of a commit that cannot be made safe.
 */
export function readCommit(
  path: string,
  body: string,
  announcedOf: AnnouncedOf,
  joinedOf: JoinedOf = () => [],
): CommitRequest | Fault {
  let read: unknown;
  try {
    read = parseExact(body);
  } catch {
    return fault("the body is not JSON");
  }
  if (!isObject(read)) return fault("the body is not a JSON object");
  const at = normal(path);
  const own = changesIn(at, read);
  if (own.length === 0 || own.length > CHANGES_MAX) return fault(`a commit changes 1 to ${CHANGES_MAX} tables`);
  const prefix = (TRANSACTION.exec(at) ?? TABLE.exec(at))?.[1] ?? "";
  const joined = joinedOf(changedIn(own)).map((text) => placedIn(prefix, parseExact(text) as JsonObject));
  const placed = joined.length > 0 ? [...own.map(named), ...joined] : own;
  const keys = changedIn(placed);
  const allKeys = placed.flatMap(({ place }) => (place ? [place.key] : []));
  const changes: TableChange[] = [];
  for (const { change, place } of placed) {
    if (place === undefined) return fault("a change names no table");
    const completed = complete(change, place, () => announcedOf(place.key, keys));
    if ("fault" in completed) return { ...completed, fault: `table ${place.key}: ${completed.fault}`, keys: allKeys };
    changes.push(completed);
  }
  if (new Set(changes.map(({ key }) => key)).size < changes.length) return fault("two changes name the same table");
  if (new Set(changes.map(({ evidence }) => evidence === undefined)).size > 1)
    return fault("change schemas or properties in a transaction of their own: some changes here add no snapshot");
  if (joined.length > 0) return { path: `${prefix}/transactions/commit`, isTransaction: true, changes };
  return { path, isTransaction: TRANSACTION.test(at), changes };
}

interface Placed {
  change: JsonObject;
  /** undefined: the change names no table. */
  place: Place | undefined;
}

/** The changes in the body of a request. */
function changesIn(at: string, body: JsonObject): Placed[] {
  const prefix = TRANSACTION.exec(at)?.[1];
  if (prefix === undefined) return [{ change: body, place: placeAt(at) }];
  return objectsIn(body["table-changes"]).map((change) => placedIn(prefix, change));
}

/** With the name that a transaction needs, and that is not needed at a table's own path. */
function named({ change, place }: Placed): Placed {
  if (!place) return { change, place };
  const parts = JSON.parse(place.key) as string[];
  return { change: { identifier: { namespace: parts.slice(0, -1), name: parts.at(-1) }, ...change }, place };
}

const placedIn = (prefix: string, change: JsonObject): Placed => ({
  change,
  place: placeIn(prefix, change["identifier"]),
});

/** The tables to which changes add a snapshot. */
const changedIn = (placed: readonly Placed[]): string[] =>
  placed.filter(({ change }) => addedBy(change).length > 0).map(({ place }) => place?.key ?? "");

const addedBy = (change: JsonObject): unknown[] =>
  objectsIn(change["updates"])
    .filter(({ action }) => action === "add-snapshot")
    .map(({ snapshot }) => snapshot);

interface Place {
  key: string;
  loadPath: string;
}

function placeIn(prefix: string, identifier: unknown): Place | undefined {
  if (!isObject(identifier) || typeof identifier["name"] !== "string") return undefined;
  const { namespace, name } = identifier;
  if (!Array.isArray(namespace) || !namespace.every((part) => typeof part === "string")) return undefined;
  const parts = namespace.map(encodeURIComponent).join("%1F");
  return {
    key: tableKey({ namespace, name }),
    loadPath: `${prefix}/namespaces/${parts}/tables/${encodeURIComponent(name)}`,
  };
}

function placeAt(path: string): Place | undefined {
  const [, , parts, name] = TABLE.exec(path) ?? [];
  if (parts === undefined || name === undefined) return undefined;
  try {
    const namespace = decodeURIComponent(parts).split("\u001f");
    return { key: tableKey({ namespace, name: decodeURIComponent(name) }), loadPath: path };
  } catch {
    return undefined;
  }
}

function complete(change: JsonObject, place: Place, announcedOf: () => Announced | undefined): TableChange | Fault {
  const updates = objectsIn(change["updates"]);
  const requirements = objectsIn(change["requirements"]);
  const added = addedBy(change);
  const assigned = updates.find(({ action }) => action === "assign-uuid");
  const isNew = requirements.some(({ type }) => type === "assert-create");
  const uuid = assigned?.["uuid"];
  if (added.length === 0) {
    const evidence = isNew && typeof uuid === "string" ? { tableUuid: uuid } : undefined;
    const text = exactText(change);
    return { ...place, text, requirements: requirements.map(requirementOf), evidence, snapshots: [] };
  }
  const moved = updates.filter(({ action }) => action === "set-snapshot-ref");
  const newest = idOf(moved.at(-1)?.["snapshot-id"]);
  const target = added.find((snapshot) => isObject(snapshot) && idOf(snapshot["snapshot-id"]) === newest);
  const first = added[0];
  if (newest === undefined || !isObject(target) || !isObject(first))
    return fault("no branch is set to the new snapshot");
  const announced = announcedOf();
  if (!announced) return fault("no transaction is open for it: begin one at the gate before COMMIT");
  const parent = idOf(first["parent-snapshot-id"]);
  if (announced.base && announced.base.snapshotId !== parent)
    return fault(`the table has changed: its snapshot is ${parent}, not ${announced.base.snapshotId}`, true);
  const uuids = new Set(requirements.filter(({ type }) => type === UUID).map(({ uuid }) => uuid));
  const expected = announced.base?.uuid;
  if (expected !== undefined && [...uuids].some((asserted) => asserted !== expected))
    return fault("the table was dropped and created again", true);
  const guards = moved
    .map((update) => update["ref-name"])
    .filter((ref) => !isNew && !requirements.some(({ type, ref: asserted }) => type === REF && asserted === ref))
    .map((ref) => ({ type: REF, ref, "snapshot-id": first["parent-snapshot-id"] ?? null }));
  const sameTable = expected === undefined || uuids.size > 0 ? [] : [{ type: UUID, uuid: expected }];
  const guarded = [...requirements, ...sameTable, ...guards];
  const marked = {
    ...target,
    summary: { ...(isObject(target["summary"]) ? target["summary"] : {}), ...announced.summary },
  };
  const completed = {
    ...change,
    requirements: guarded,
    updates: updates.map((update) => (update["snapshot"] === target ? { ...update, snapshot: marked } : update)),
  };
  return {
    ...place,
    text: exactText(completed),
    requirements: guarded.map(requirementOf),
    evidence: { snapshotId: newest },
    snapshots: objectsIn(added)
      .map((snapshot) => (snapshot === target ? marked : snapshot))
      .flatMap((snapshot) => snapshotOf(snapshot) ?? []),
  };
}

const REF = "assert-ref-snapshot-id";
const UUID = "assert-table-uuid";

/** By requirement: its field, and the field of the metadata that must have the same value. */
const NUMBERS: readonly (readonly [type: string, named: string, field: string])[] = [
  ["assert-current-schema-id", "current-schema-id", "current-schema-id"],
  ["assert-default-spec-id", "default-spec-id", "default-spec-id"],
  ["assert-default-sort-order-id", "default-sort-order-id", "default-sort-order-id"],
  ["assert-last-assigned-field-id", "last-assigned-field-id", "last-column-id"],
  ["assert-last-assigned-partition-id", "last-assigned-partition-id", "last-partition-id"],
];

function requirementOf(given: JsonObject): Requirement {
  const { type } = given;
  if (type === "assert-create") return { type };
  if (type === UUID && typeof given["uuid"] === "string") return { type: UUID, uuid: given["uuid"] };
  if (type === REF && typeof given["ref"] === "string")
    return { type: REF, ref: given["ref"], snapshotId: idOf(given["snapshot-id"]) };
  for (const [known, named, field] of NUMBERS) {
    const value = new Map(Object.entries(given)).get(named);
    if (type === known && typeof value === "number") return { type: "assert-number", field, value };
  }
  return { type: "other" };
}
