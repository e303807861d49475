import type { SnapshotState, TableState } from "./table-state.ts";
import { TABLES_PROPERTY, TRANSACTION_PROPERTY } from "./transactions.ts";

/**
 * What is committed after a stop at any moment. Nothing is kept beside the tables: the summary of each
 * snapshot says what it holds.
 */

/** The newest of the writer's commits in a table. */
export interface Watermark {
  readonly snapshotId: string;
  /** The properties that the transaction gave, with those of the gate. */
  readonly summary: ReadonlyMap<string, string>;
}

/**
 * The newest snapshot of a branch whose summary has this property: that of the branch, else its parent's
 * and so on, since others commit too (maintenance, Trino). It follows the branch, so that a table that was
 * rolled back has the watermark of what it holds. undefined: none, or it has expired. So
 * maintenance must keep the newest snapshot with a watermark.
 */
export function watermarkOf(table: TableState, property: string, branch = "main"): Watermark | undefined {
  for (const { id, summary } of ancestry(table, branch)) if (summary.has(property)) return { snapshotId: id, summary };
  return undefined;
}

/** A transaction that has reached some of its tables only. */
export interface TornTransaction {
  readonly id: string;
  readonly committed: readonly string[];
  readonly missing: readonly string[];
}

/**
 * The transactions of the gate that some of these tables have and others have not. A catalog that commits
 * the tables one after the other leaves one if it, or this process, stops in between. Only the newest
 * transaction of each table is asked for: a process finishes what its predecessor left before it commits. A
 * table whose history does not reach back to the transaction is not counted as missing.
 */
export function tornTransactions(tables: ReadonlyMap<string, TableState>): TornTransaction[] {
  const torn = new Map<string, TornTransaction>();
  for (const table of tables.values()) {
    const newest = [...ancestry(table, "main")].find(({ summary }) => summary.has(TRANSACTION_PROPERTY));
    const id = newest?.summary.get(TRANSACTION_PROPERTY);
    if (!newest || id === undefined || torn.has(id)) continue;
    const parts = keysIn(newest.summary.get(TABLES_PROPERTY));
    const known = parts.filter((key) => tables.has(key));
    const committed = known.filter((key) => hasTransaction(tables.get(key)!, id));
    const missing = known.filter((key) => !committed.includes(key) && reachesBackTo(tables.get(key)!, newest));
    if (missing.length > 0) torn.set(id, { id, committed, missing });
  }
  return [...torn.values()];
}

function* ancestry({ refs, snapshots }: TableState, branch: string): Generator<SnapshotState> {
  let next = refs.get(branch);
  // A damaged table could name its snapshots in a circle.
  for (let steps = 0; next !== undefined && steps <= snapshots.size; steps++) {
    const snapshot = snapshots.get(next);
    if (!snapshot) return;
    yield snapshot;
    next = snapshot.parentId;
  }
}

const hasTransaction = ({ snapshots }: TableState, id: string): boolean =>
  [...snapshots.values()].some(({ summary }) => summary.get(TRANSACTION_PROPERTY) === id);

/** True if a snapshot of the table at the other's time would still be there. */
function reachesBackTo(table: TableState, { timestampMs }: SnapshotState): boolean {
  const history = [...ancestry(table, "main")];
  const oldest = history.at(-1);
  return oldest === undefined || oldest.parentId === undefined || oldest.timestampMs <= timestampMs;
}

function keysIn(text: string | undefined): string[] {
  if (text === undefined) return [];
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read.map((key) => JSON.stringify(key)) : [];
  } catch {
    return [];
  }
}
