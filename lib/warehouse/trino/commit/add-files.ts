import { folderOf, tableId } from "../../../tables.ts";
import { createHash } from "node:crypto";
import { trino } from "../dialect.ts";
import { type SqlColumn } from "../../sql/sql.ts";
import type { CommitContext } from "./context.ts";
import type { TrinoClient } from "../client/client.ts";
import { isFileThereAlready } from "../client/errors.ts";
import { tableSql } from "../names.ts";
import { concurrentWrite } from "./base-snapshots.ts";
import { broughtColumns } from "./row-selects.ts";
import {
  currentSnapshotOf,
  filesIn,
  rowsIn,
  snapshotIn,
  summaryIn,
  type CommittedBatch,
  type SnapshotId,
  type SnapshotSummary,
} from "./snapshot.ts";
import { addFiles } from "./stage-tables.ts";
import { TrinoStage } from "./stage.ts";
import type { FileVersion, TableLayout } from "../../warehouse.ts";

/**
 * Key prefix of files that are part of a table. They outlive every commit. Only the table's own maintenance
 * may remove them.
 */
const ADOPTED_PREFIX = "adopted/";

/** Input of addFile. */
export interface AddFileRequest {
  layout: TableLayout;
  partitioning: readonly string[];
  target: readonly SqlColumn[];
  files: readonly FileVersion[];
  baseSnapshot: SnapshotId;
  confirmOwner: () => Promise<void>;
}

/**
 * Adds a file's rows to its table with add files: the Parquet file becomes one of the table's data files.
 * Trino does not read the rows again, so the cost does not depend on the size of the table. The result is
 * exact only if the table holds no rows that the file could replace or match. A commit therefore adds only
 * the first version of a file, and only one file. It returns undefined if it cannot add the file. In that
 * case it has not changed the table.
 *
 * The data file's key depends on the bytes of its rows. Every retry, in this process or another, uses the
 * same key, and Trino rejects a file that the table already has.
 */
export async function addFile(context: CommitContext, adoption: AddFileRequest): Promise<CommittedBatch | undefined> {
  const { layout, partitioning, target, files, baseSnapshot: seen } = adoption;
  const [file] = files;
  const stage = file?.stage;
  if (!file || files.length > 1 || !(stage instanceof TrinoStage) || stage.rowCount < context.adoptRowsMin)
    return undefined;
  if (layout.mode === "upsert" || layout.partitioning.length > 0 || partitioning.length > 0) return undefined;
  const [rows, ...others] = await stage.rows.spool();
  if (!rows || others.length > 0) return undefined;

  const { blobs, location } = context.staging.area;
  const brought = broughtColumns(target, rows.columns);
  const shape = createHash("sha256").update(rows.fingerprint()).update(JSON.stringify(brought)).digest("hex");
  const folder = `${ADOPTED_PREFIX}${folderOf(tableId(layout.table))}${shape}`;
  await rows.store(blobs, `${folder}/rows.parquet`, brought);
  if (await hasRowsOf(context.client, layout, file, seen)) return undefined;
  try {
    await addFiles(context.client, tableSql(layout.table), `${location}/${folder}/`);
  } catch (thrown) {
    if (isFileThereAlready(thrown)) return undefined;
    throw thrown;
  }
  const { snapshot, summary } = await confirmAdopted(context, adoption, `${location}/${folder}/rows.parquet`);
  const counts = { rowsInserted: stage.rowCount, rowsUpdated: 0, rowsDeleted: 0 };
  return {
    receipt: { strategy: "adopted", snapshotId: snapshot, ...filesIn(summary), ...counts },
    made: { snapshot, rows: rowsIn(summary) },
  };
}

/**
 * Returns the snapshot that add_files made. Trino cannot guard add_files with a condition, as it can guard a
 * MERGE. If another process wrote to the table just before and the table now has another writer, this
 * function removes the file from the table again.
 */
async function confirmAdopted(
  { client }: CommitContext,
  { layout, baseSnapshot: seen, confirmOwner }: AddFileRequest,
  path: string,
): Promise<{ snapshot: string; summary: SnapshotSummary }> {
  const table = layout.table;
  const { rows } = await client.run(
    `SELECT snapshot_id, parent_id, CAST(summary AS JSON) FROM ${tableSql(table, "$snapshots")}
     WHERE snapshot_id = ${currentSnapshotOf(table)}`,
  );
  const [id, parent, json] = rows[0] ?? [];
  const snapshot = snapshotIn(id);
  if (snapshot !== null && snapshotIn(parent) === seen) return { snapshot, summary: summaryIn(json) };
  try {
    await confirmOwner();
  } catch (thrown) {
    await client.run(`DELETE FROM ${tableSql(table)} WHERE "$path" = ${trino.stringLiteral(path)}`);
    throw thrown;
  }
  throw concurrentWrite(table);
}

/**
 * Returns true if the table has rows of the file. In append mode only rows of the same version count.
 * @throws WAREHOUSE_CONFLICT if the table is not at the base snapshot
 */
async function hasRowsOf(
  client: TrinoClient,
  { table, mode }: TableLayout,
  file: FileVersion,
  seen: SnapshotId,
): Promise<boolean> {
  const offset = (file.stage as TrinoStage | undefined)?.rowsOffset ?? file.sourceOffset;
  const version = mode === "append" ? ` AND "_source_offset" = ${offset}` : "";
  const { rows } = await client.run(
    `SELECT ${currentSnapshotOf(table)}, EXISTS (SELECT 1 FROM ${tableSql(table)}
     WHERE "_source_file" = ${trino.stringLiteral(file.sourceFile)}${version})`,
  );
  const [snapshot, exists] = rows[0] ?? [];
  if (snapshotIn(snapshot) !== seen) throw concurrentWrite(table);
  return exists === true;
}

/**
 * Removes files that a commit stored for add files but never added to the table. It keeps files younger than
 * `ageMs`, because a commit may still add them.
 */
export async function removeAddedOrphans(context: CommitContext, table: string, ageMs: number): Promise<void> {
  const { blobs, location } = context.staging.area;
  const before = context.clock.nowMs() - ageMs;
  const old: string[] = [];
  for await (const { key, modifiedAtMs } of blobs.list(ADOPTED_PREFIX + folderOf(tableId(table))))
    if (modifiedAtMs < before) old.push(key);
  if (old.length === 0) return;
  const { rows } = await context.client.run(
    `SELECT DISTINCT data_file.file_path FROM ${tableSql(table, "$all_entries")}
     WHERE data_file.file_path LIKE ${trino.stringLiteral(`${location}/${ADOPTED_PREFIX}%`)}`,
  );
  const known = new Set(rows.map(([path]) => String(path)));
  for (const key of old) if (!known.has(`${location}/${key}`)) await blobs.delete(key);
}
