import { trino } from "../dialect.ts";
import type { CommitReceipt } from "../../warehouse.ts";
import type { StatementResult, TrinoClient } from "../client/client.ts";
import { tableId } from "../names.ts";

/** A snapshot's id; null of a table that has none. */
export type SnapshotId = string | null;

/** What a commit has made of its table. */
export interface CommittedSnapshot {
  snapshot: string;
  /** Rows the table holds now, if known. */
  rows: number | undefined;
}

/** What a commit has come to. */
export interface CommittedBatch {
  receipt: CommitReceipt;
  /** What it has made of the table that was seen; undefined if nothing, or if another has written in between. */
  made?: CommittedSnapshot | undefined;
}

export const snapshotIn = (value: unknown): SnapshotId =>
  typeof value === "string" || typeof value === "number" ? String(value) : null;

/** The table's snapshot, as an expression. Within one statement it belongs to what the statement reads of the table. */
export const currentSnapshotOf = (table: string): string =>
  `(SELECT max(snapshot_id) FROM ${tableId(table, "$refs")} WHERE name = 'main')`;

/** The rows of `select` while the table is as seen; none otherwise. */
export function guardedBySnapshot(select: string, table: string, seen: SnapshotId): string {
  const id = seen === null ? "CAST(NULL AS BIGINT)" : `BIGINT '${seen}'`;
  return `SELECT * FROM (${select}) WHERE ${currentSnapshotOf(table)} IS NOT DISTINCT FROM ${id}`;
}

/** The table's snapshot; null if it has none yet. */
export async function currentSnapshot(client: Pick<TrinoClient, "run">, table: string): Promise<SnapshotId> {
  const { rows } = await client.run(`SELECT ${currentSnapshotOf(table)}`);
  return snapshotIn(rows[0]?.[0]);
}

/** The snapshot that a MERGE made, and what it changed. */
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
    `SELECT snapshot_id, parent_id, CAST(summary AS JSON) FROM ${tableId(table, "$snapshots")}
     WHERE element_at(summary, 'trino_query_id') = ${trino.stringLiteral(queryId)}`,
  );
  const [id, parent, json] = rows[0] ?? [];
  const snapshotId = snapshotIn(id);
  if (snapshotId === null)
    return { receipt: { strategy, snapshotId, rowsInserted: updateCount, rowsUpdated: 0, rowsDeleted: 0 } };
  const summary = summaryIn(json);
  return {
    receipt: { strategy, snapshotId, ...filesIn(summary), ...changesOf(updateCount, summary) },
    // Another's commit of other files is no conflict, but it may have come in between.
    made: snapshotIn(parent) === baseSnapshot ? { snapshot: snapshotId, rows: rowsIn(summary) } : undefined,
  };
}

/** A snapshot's summary: numbers as text, by name. */
export type SnapshotSummary = Readonly<Record<string, string>>;

export const summaryIn = (json: unknown): SnapshotSummary =>
  (typeof json === "string" ? JSON.parse(json) : {}) as SnapshotSummary;

/** How many rows a MERGE inserted, updated and deleted: its own count, and what its snapshot added and deleted. */
export function changesOf(
  updateCount: number,
  summary: SnapshotSummary,
): { rowsInserted: number; rowsUpdated: number; rowsDeleted: number } {
  const count = (key: string): number => Number(summary[key] ?? 0);
  // An update is written as a row deleted and a row added.
  const added = count("added-records");
  const deleted = count("added-position-deletes") + count("deleted-records") - count("removed-position-deletes");
  const rowsDeleted = Math.max(0, updateCount - added);
  const rowsUpdated = Math.min(added, Math.max(0, deleted - rowsDeleted));
  return { rowsInserted: added - rowsUpdated, rowsUpdated, rowsDeleted };
}

/** What a table consists of after the snapshot of this summary, if it says so. */
export function filesIn(summary: SnapshotSummary): Pick<CommitReceipt, "files"> {
  const dataFiles = Number(summary["total-data-files"]);
  const deleteFiles = Number(summary["total-delete-files"]);
  return Number.isNaN(dataFiles + deleteFiles) ? {} : { files: { dataFiles, deleteFiles } };
}

/** Rows in the table's data files after the snapshot of this summary, deleted ones too; undefined if it does not say. */
export function rowsIn(summary: SnapshotSummary): number | undefined {
  const rows = Number(summary["total-records"]);
  return Number.isNaN(rows) ? undefined : rows;
}
