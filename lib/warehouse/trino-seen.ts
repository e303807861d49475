import { TributaryError } from "../errors.ts";
import type { TrinoClient } from "./trino-client.ts";
import { tableId } from "./trino-names.ts";

/** A snapshot's id; null of a table that has none. */
export type SnapshotId = string | null;

/**
 * As which snapshot its writer last saw each table. A commit is made on the condition that the table still is so. A writer that has lost
 * its table without knowing (it slept, it was cut off) is thereby told by the first commit of its successor; and as long as nothing comes between,
 * nobody has to be asked.
 */
export class SeenTables {
  readonly #client: TrinoClient;
  readonly #seen = new Map<string, SnapshotId>();

  constructor(client: TrinoClient) {
    this.#client = client;
  }

  /** Undefined: it must look first. */
  get(table: string): SnapshotId | undefined {
    return this.#seen.get(table);
  }

  /** This writer itself has made the table so. */
  note(table: string, snapshot: SnapshotId): void {
    this.#seen.set(table, snapshot);
  }

  /** Something went wrong, or others may have written: look again before the next commit. */
  forget(table: string): void {
    this.#seen.delete(table);
  }

  /** Looks at the table. Whoever owns it *afterwards* was the last to write what was seen, so ownership is to be confirmed then, not before. */
  async look(table: string, confirmOwner: () => Promise<void>): Promise<SnapshotId> {
    const { rows } = await this.#client.run(`SELECT ${snapshotNow(table)}`);
    await confirmOwner();
    const snapshot = snapshotIn(rows[0]?.[0]);
    this.#seen.set(table, snapshot);
    return snapshot;
  }

  /** @throws WAREHOUSE_CONFLICT if the table is not as seen any more. */
  async assertAsSeen(table: string, seen: SnapshotId): Promise<void> {
    const { rows } = await this.#client.run(`SELECT ${snapshotNow(table)}`);
    if (snapshotIn(rows[0]?.[0]) !== seen) throw writtenByOthers(table);
  }
}

export const snapshotIn = (value: unknown): SnapshotId =>
  typeof value === "string" || typeof value === "number" ? String(value) : null;

/** The table's snapshot, as an expression. Within one statement it belongs to what the statement reads of the table. */
export const snapshotNow = (table: string): string =>
  `(SELECT max(snapshot_id) FROM ${tableId(table, "$refs")} WHERE name = 'main')`;

/** The rows of `select` while the table is as seen; none otherwise. */
export function whileAsSeen(select: string, table: string, seen: SnapshotId): string {
  const id = seen === null ? "CAST(NULL AS BIGINT)" : `BIGINT '${seen}'`;
  return `SELECT * FROM (${select}) WHERE ${snapshotNow(table)} IS NOT DISTINCT FROM ${id}`;
}

export function writtenByOthers(table: string): TributaryError {
  return new TributaryError("WAREHOUSE_CONFLICT", `table '${table}' has been written by somebody else meanwhile`);
}
