import { idOf, isObject, objectsIn, parseForReading, type JsonObject } from "./exact-json.ts";

/** What the gate reads of a table, from the catalog's answer to a load. */
export interface TableState {
  readonly uuid: string | undefined;
  /** By name of the branch or tag. */
  readonly refs: ReadonlyMap<string, string>;
  readonly snapshots: ReadonlyMap<string, SnapshotState>;
  /** Numbers that requirements name, by their name in the metadata, such as `current-schema-id`. */
  readonly numbers: ReadonlyMap<string, number>;
}

export interface SnapshotState {
  readonly id: string;
  readonly parentId: string | undefined;
  readonly timestampMs: number;
  readonly summary: ReadonlyMap<string, string>;
}

/** Field of the metadata that a requirement names under the same name or under `…assigned…`. */
const NUMBERS = [
  "current-schema-id",
  "default-spec-id",
  "default-sort-order-id",
  "last-column-id",
  "last-partition-id",
] as const;

/** Reads the body of a load. undefined: it is none, for instance because it is torn. */
export function readTable(body: string): TableState | undefined {
  let read: unknown;
  try {
    read = parseForReading(body);
  } catch {
    return undefined;
  }
  const metadata = isObject(read) ? read["metadata"] : undefined;
  if (!isObject(metadata)) return undefined;
  const snapshots = objectsIn(metadata["snapshots"]).flatMap((snapshot) => {
    const state = snapshotOf(snapshot);
    return state ? [[state.id, state] as const] : [];
  });
  return {
    uuid: typeof metadata["table-uuid"] === "string" ? metadata["table-uuid"] : undefined,
    refs: refsOf(metadata),
    snapshots: new Map(snapshots),
    numbers: new Map(
      NUMBERS.flatMap((name) => {
        const value = metadata[name];
        return typeof value === "number" ? [[name, value] as const] : [];
      }),
    ),
  };
}

export function snapshotOf(snapshot: JsonObject): SnapshotState | undefined {
  const id = idOf(snapshot["snapshot-id"]);
  if (id === undefined) return undefined;
  const summary = isObject(snapshot["summary"]) ? Object.entries(snapshot["summary"]) : [];
  return {
    id,
    parentId: idOf(snapshot["parent-snapshot-id"]),
    timestampMs: Number(snapshot["timestamp-ms"] ?? 0),
    summary: new Map(summary.filter((entry): entry is [string, string] => typeof entry[1] === "string")),
  };
}

/** Catalogs of format version 1 have no refs; some write -1 where there is no snapshot. */
function refsOf(metadata: JsonObject): Map<string, string> {
  const refs = new Map<string, string>();
  const current = idOf(metadata["current-snapshot-id"]);
  if (current !== undefined && !current.startsWith("-")) refs.set("main", current);
  for (const [name, ref] of Object.entries(isObject(metadata["refs"]) ? metadata["refs"] : {})) {
    const id = isObject(ref) ? idOf(ref["snapshot-id"]) : undefined;
    if (id !== undefined) refs.set(name, id);
  }
  return refs;
}

/** The snapshots of a branch, from the newest back, until one has no parent or has expired. */
export function* ancestry({ refs, snapshots }: TableState, branch: string): Generator<SnapshotState> {
  let next = refs.get(branch);
  // A damaged table could name its snapshots in a circle.
  for (let steps = 0; next !== undefined && steps <= snapshots.size; steps++) {
    const snapshot = snapshots.get(next);
    if (!snapshot) return;
    yield snapshot;
    next = snapshot.parentId;
  }
}

/** True if the branch's history shows all that was added to it since this snapshot; undefined: ever. */
export function reachesBackTo(table: TableState, branch: string, snapshotId: string | undefined): boolean {
  const newest = table.refs.get(branch);
  if (newest === undefined || newest === snapshotId) return true;
  let oldest: SnapshotState | undefined;
  for (oldest of ancestry(table, branch)) if (oldest.parentId === snapshotId) return true;
  // A branch that was rolled back, or replaced, begins with a snapshot that has no parent.
  return oldest !== undefined && oldest.parentId === undefined;
}
