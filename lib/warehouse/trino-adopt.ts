import { createHash } from "node:crypto";
import { hasCode, isRetryable } from "../errors.ts";
import { retry } from "../retry.ts";
import { stringLiteral, type SqlColumn } from "./sql.ts";
import type { CommitTools } from "./trino-commit.ts";
import type { TrinoClient } from "./trino-client.ts";
import { isFileThereAlready, STATEMENT_RETRY } from "./trino-errors.ts";
import { tableId } from "./trino-names.ts";
import { broughtColumns } from "./trino-source.ts";
import { addFiles } from "./trino-stage-tables.ts";
import { TrinoStage } from "./trino-stage.ts";
import type { CommitReceipt, FileVersion, TableLayout } from "./warehouse.ts";

/** Files that are part of a table. They outlive every commit: only the table's own maintenance may remove them. */
const ADOPTED_PREFIX = "adopted/";

/**
 * Takes a file's rows into its table by making their Parquet file one of the table's data files: no row is read again, so it costs the
 * same however big the table. Exact where nothing of the file can be there to replace or to meet, so for the first version of a file only,
 * and one file a commit. Undefined where it cannot be done; then nothing has happened.
 *
 * The data file's key is made of its rows' bytes, so whoever tries again, here or elsewhere, names the same file, and Trino refuses what
 * the table has already.
 */
export async function adoptFile(
  tools: CommitTools,
  layout: TableLayout,
  partitioning: readonly string[],
  target: readonly SqlColumn[],
  files: readonly FileVersion[],
  signal: AbortSignal | undefined,
): Promise<CommitReceipt | undefined> {
  const [file] = files;
  const stage = file?.stage;
  if (!file || files.length > 1 || !(stage instanceof TrinoStage) || stage.rowCount < tools.adoptRowsMin)
    return undefined;
  if (layout.mode === "upsert" || layout.partitioning.length > 0 || partitioning.length > 0) return undefined;
  if (await hasRowsOf(tools, layout, file)) return undefined;
  const [rows, ...others] = await stage.rows.spool();
  if (!rows || others.length > 0) return undefined;

  const { blobs, location } = tools.staging.area;
  const brought = broughtColumns(target, rows.columns);
  const shape = createHash("sha256").update(rows.fingerprint()).update(JSON.stringify(brought)).digest("hex");
  const folder = `${ADOPTED_PREFIX}${layout.table}/${shape}`;
  await rows.store(blobs, `${folder}/rows.parquet`, brought);

  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !hasCode(thrown, "WAREHOUSE_TIMEOUT");
  const policy = { ...STATEMENT_RETRY, retryable, ...(signal ? { signal } : {}) };
  return retry(tools.clock, policy, async (attempt) => {
    try {
      await addFiles(tools.client, tableId(layout.table), `${location}/${folder}/`);
    } catch (thrown) {
      if (!isFileThereAlready(thrown)) throw thrown;
      // Of an attempt before, whose answer was lost: here, or in a process that died.
      if (attempt === 1) return { strategy: "none", snapshotId: null, rowsInserted: 0, rowsUpdated: 0, rowsDeleted: 0 };
    }
    const snapshotId = await newestSnapshot(tools.client, layout.table);
    return { strategy: "adopted", snapshotId, rowsInserted: stage.rowCount, rowsUpdated: 0, rowsDeleted: 0 };
  });
}

/** The snapshot a table shows. (The one add_files makes does not tell its query, as a MERGE's does.) */
async function newestSnapshot(client: TrinoClient, table: string): Promise<string | null> {
  const { rows } = await client.run(`SELECT snapshot_id FROM ${tableId(table, "$refs")} WHERE name = 'main'`);
  return rows[0] ? String(rows[0][0]) : null;
}

async function hasRowsOf(tools: CommitTools, layout: TableLayout, file: FileVersion): Promise<boolean> {
  const version = layout.mode === "append" ? ` AND "_source_offset" = ${file.sourceOffset}` : "";
  const { rows } = await tools.client.run(
    `SELECT 1 FROM ${tableId(layout.table)}
     WHERE "_source_file" = ${stringLiteral("trino", file.sourceFile)}${version} LIMIT 1`,
  );
  return rows.length > 0;
}

/** Removes files that were stored to be adopted by the table and never were. Younger than `ageMs` they may be on their way. */
export async function removeAdoptedOrphans(tools: CommitTools, table: string, ageMs: number): Promise<void> {
  const { blobs, location } = tools.staging.area;
  const before = tools.clock.nowMs() - ageMs;
  const old: string[] = [];
  for await (const { key, modifiedAtMs } of blobs.list(`${ADOPTED_PREFIX}${table}/`))
    if (modifiedAtMs < before) old.push(key);
  if (old.length === 0) return;
  const { rows } = await tools.client.run(
    `SELECT DISTINCT data_file.file_path FROM ${tableId(table, "$all_entries")}
     WHERE data_file.file_path LIKE ${stringLiteral("trino", `${location}/${ADOPTED_PREFIX}%`)}`,
  );
  const known = new Set(rows.map(([path]) => String(path)));
  for (const key of old) if (!known.has(`${location}/${key}`)) await blobs.delete(key);
}
