import { messageOf, isRetryable, TributaryError } from "../errors.ts";
import { runRepeatable, type CommitTools } from "./trino-commit.ts";
import type { TrinoClient } from "./trino-client.ts";
import { isTooManyPartitions } from "./trino-errors.ts";
import { tableId } from "./trino-names.ts";
import { isMissing } from "./trino-tables.ts";
import type { MaintenanceOperation, MaintenanceResult, TableHealth } from "./warehouse.ts";

/** Trino's own threshold for `optimize`. */
const SMALL_FILE_BYTES = 100 * 1024 * 1024;

/** A file younger than this may belong to a statement that still runs: it is no orphan. */
const ORPHAN_AGE_MS_MIN = 60 * 60 * 1000;

/** Maintenance may rewrite a whole table. */
const MAINTENANCE_TIMEOUT_MS = 60 * 60 * 1000;

/** What Warehouse.health says. */
export async function healthOf(client: TrinoClient, table: string): Promise<TableHealth> {
  try {
    const [files, snapshots] = await Promise.all([
      client.select(
        `SELECT count_if(content = 0) AS data_files, sum(file_size_in_bytes) FILTER (WHERE content = 0) AS data_bytes,
           sum(record_count) FILTER (WHERE content = 0) AS records, count_if(content <> 0) AS delete_files,
           count_if(content = 0 AND file_size_in_bytes < ${SMALL_FILE_BYTES}) AS small_files
         FROM ${tableId(table, "$files")}`,
      ),
      client.select(
        `SELECT count(*) AS snapshots, CAST(to_unixtime(min(committed_at)) * 1000 AS BIGINT) AS oldest
         FROM ${tableId(table, "$snapshots")}`,
      ),
    ]);
    const [file = {}, snapshot = {}] = [files[0], snapshots[0]];
    const count = (value: unknown): number => Number(value ?? 0);
    return {
      rowCount: count(file["delete_files"]) === 0 ? count(file["records"]) : await rowsOf(client, table),
      dataFiles: count(file["data_files"]),
      dataBytes: count(file["data_bytes"]),
      deleteFiles: count(file["delete_files"]),
      snapshots: count(snapshot["snapshots"]),
      smallFiles: count(file["small_files"]),
      oldestSnapshotAtMs: snapshot["oldest"] == null ? null : count(snapshot["oldest"]),
    };
  } catch (thrown) {
    if (isMissing(thrown)) throw new TributaryError("NOT_FOUND", `there is no table '${table}'`, { cause: thrown });
    throw thrown;
  }
}

async function rowsOf(client: TrinoClient, table: string): Promise<number> {
  const { rows } = await client.run(`SELECT count(*) FROM ${tableId(table)}`);
  return Number(rows[0]?.[0] ?? 0);
}

/** What Warehouse.maintain says. Younger than an hour no file counts as an orphan, whatever the retention. */
export async function maintainTable(
  tools: Pick<CommitTools, "client" | "clock">,
  catalog: string,
  table: string,
  operation: MaintenanceOperation,
  retentionMs: number,
): Promise<MaintenanceResult> {
  const before = await healthOf(tools.client, table);
  const { procedure, minimum } = procedureOf(operation, retentionMs);
  try {
    await runRepeatable(tools, `ALTER TABLE ${tableId(table)} EXECUTE ${procedure}`, {
      timeoutMs: MAINTENANCE_TIMEOUT_MS,
      ...(minimum === undefined ? {} : { session: { [`${catalog}.${operation}_min_retention`]: minimum } }),
    });
  } catch (thrown) {
    if (isRetryable(thrown)) throw thrown;
    const remedy = isTooManyPartitions(thrown)
      ? "; raise iceberg.max-partitions-per-writer in Trino's catalog file"
      : "";
    return { status: "failed", details: messageOf(thrown) + remedy, before, after: before };
  }
  const after = await healthOf(tools.client, table);
  return { status: "completed", details: summaryOf(operation, before, after), before, after };
}

function procedureOf(operation: MaintenanceOperation, retentionMs: number): { procedure: string; minimum?: string } {
  if (operation === "optimize") return { procedure: "optimize" };
  const ageMs = operation === "remove_orphan_files" ? Math.max(retentionMs, ORPHAN_AGE_MS_MIN) : retentionMs;
  // The catalog has minimums of its own, seven days by default; the retention asked for counts instead.
  return { procedure: `${operation}(retention_threshold => '${ageMs}ms')`, minimum: `${ageMs}ms` };
}

function summaryOf(operation: MaintenanceOperation, before: TableHealth, after: TableHealth): string {
  switch (operation) {
    case "optimize":
      return `data files ${before.dataFiles} → ${after.dataFiles}, delete files ${before.deleteFiles} → ${after.deleteFiles}`;
    case "expire_snapshots":
      return `snapshots ${before.snapshots} → ${after.snapshots}`;
    case "remove_orphan_files":
      return "files that no snapshot knows are removed";
  }
}
