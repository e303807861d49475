import { trino } from "../dialect.ts";
import type { CommitReceipt } from "../../warehouse.ts";
import type { StatementResult, TrinoClient } from "../client/client.ts";
import { tableSql } from "../names.ts";
import { ownOf } from "../../../own.ts";

/** A snapshot's id. It is null for a table without snapshots. */
export type SnapshotId = string | null;

/** State of a table after a commit. */
export interface CommittedSnapshot {
  snapshot: string;
  /** Rows in the table now, if known. */
  rows: number | undefined;
}

/** Result of a commit. */
export interface CommittedBatch {
  receipt: CommitReceipt;
  /**
   * State that the commit made from the base snapshot. It is undefined if the commit changed nothing, or if
   * another process wrote in between.
   */
  made?: CommittedSnapshot | undefined;
}

export const snapshotIn = (value: unknown): SnapshotId =>
  typeof value === "string" || typeof value === "number" ? String(value) : null;

/**
 * Returns an expression for the table's current snapshot. Within one statement, it is the snapshot that the
 * statement reads.
 */
export const currentSnapshotOf = (table: string): string =>
  `(SELECT max(snapshot_id) FROM ${tableSql(table, "$refs")} WHERE name = 'main')`;

/**
 * Returns a SELECT of the rows of `select` if the table is at the snapshot `seen`, and of no rows otherwise.
 */
export function guardedBySnapshot(select: string, table: string, seen: SnapshotId): string {
  const id = seen === null ? "CAST(NULL AS BIGINT)" : `BIGINT '${seen}'`;
  return `SELECT * FROM (${select}) WHERE ${currentSnapshotOf(table)} IS NOT DISTINCT FROM ${id}`;
}

/** Returns the table's current snapshot, or null if it has none. */
export async function currentSnapshot(client: Pick<TrinoClient, "run">, table: string): Promise<SnapshotId> {
  const { rows } = await client.run(`SELECT ${currentSnapshotOf(table)}`);
  return snapshotIn(rows[0]?.[0]);
}

/** Returns the snapshot that a MERGE made, and its changes. */
export async function snapshotOf(
  client: Pick<TrinoClient, "run">,
  table: string,
  {
    queryId,
    updateCount,
    baseSnapshot,
    strategy,
  }: Pick<StatementResult, "queryId" | "updateCount"> & { baseSnapshot: SnapshotId; strategy: string },
): Promise<CommittedBatch> {
  const { rows } = await client.run(
    `SELECT snapshot_id, parent_id, CAST(summary AS JSON) FROM ${tableSql(table, "$snapshots")}
     WHERE element_at(summary, 'trino_query_id') = ${trino.stringLiteral(queryId)}`,
  );
  const [id, parent, json] = rows[0] ?? [];
  const snapshotId = snapshotIn(id);
  if (snapshotId === null)
    return { receipt: { strategy, snapshotId, rowsInserted: updateCount, rowsUpdated: 0, rowsDeleted: 0 } };
  const summary = summaryIn(json);
  return {
    receipt: { strategy, snapshotId, ...filesIn(summary), ...changesOf(updateCount, summary) },
    // A commit of other files by another process is no conflict, but it may come in between.
    made: snapshotIn(parent) === baseSnapshot ? { snapshot: snapshotId, rows: rowsIn(summary) } : undefined,
  };
}

/** The summary of a snapshot. It holds numbers as text, by name. */
export type SnapshotSummary = Readonly<Record<string, string>>;

export const summaryIn = (json: unknown): SnapshotSummary =>
  (typeof json === "string" ? JSON.parse(json) : {}) as SnapshotSummary;

/**
 * Returns how many rows a MERGE inserted, updated and deleted. It combines the update count of the MERGE
 * with the rows that its snapshot added and deleted.
 */
export function changesOf(
  updateCount: number,
  summary: SnapshotSummary,
): { rowsInserted: number; rowsUpdated: number; rowsDeleted: number } {
  const count = (key: string): number => Number(ownOf(summary, key) ?? 0);
  // Trino writes an update as one deleted row and one added row.
  const added = count("added-records");
  const deleted = count("added-position-deletes") + count("deleted-records") - count("removed-position-deletes");
  const rowsDeleted = Math.max(0, updateCount - added);
  const rowsUpdated = Math.min(added, Math.max(0, deleted - rowsDeleted));
  return { rowsInserted: added - rowsUpdated, rowsUpdated, rowsDeleted };
}

/** Returns the table's file counts after the snapshot of this summary, if the summary has them. */
export function filesIn(summary: SnapshotSummary): Pick<CommitReceipt, "files"> {
  const dataFiles = Number(summary["total-data-files"]);
  const deleteFiles = Number(summary["total-delete-files"]);
  return Number.isNaN(dataFiles + deleteFiles) ? {} : { files: { dataFiles, deleteFiles } };
}

/**
 * Returns the number of rows in the table's data files after the snapshot of this summary. Deleted rows
 * count too. The result is undefined if the summary has no such number.
 */
export function rowsIn(summary: SnapshotSummary): number | undefined {
  const rows = Number(summary["total-records"]);
  return Number.isNaN(rows) ? undefined : rows;
}
