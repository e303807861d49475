import { messageOf, isRetryable, TributaryError } from "../../../errors.ts";
import { runRepeatable } from "../client/repeat.ts";
import type { CommitContext } from "../commit/context.ts";
import type { TrinoClient } from "../client/client.ts";
import { tableSql } from "../names.ts";
import { MAINTENANCE_TIMEOUT_MS, optimizeSlice, partitionsSelect } from "./optimize.ts";
import { followingOptimize, viewOf } from "../published.ts";
import { publishedName } from "../../published-view.ts";
import type { MaintenanceOperation, MaintenanceOptions, MaintenanceResult, TableHealth } from "../../warehouse.ts";

/** Minimum age of an orphan file. A younger file may belong to a statement that still runs. */
const ORPHAN_AGE_MS_MIN = 60 * 60 * 1000;

/**
 * Minimum age at which a snapshot expires because there are too many. Queries may still read a younger
 * snapshot.
 */
const SNAPSHOT_AGE_MS_MIN = 60 * 60 * 1000;

const SNAPSHOTS_ANY = Number.MAX_SAFE_INTEGER;

/**
 * Iceberg allows a snapshot's time to be up to one minute before its predecessor's time. This margin is
 * twice that.
 */
const CLOCK_MARGIN_MS = 2 * 60 * 1000;

/** Implements Warehouse.health. */
export async function healthOf({ client, tables }: CommitContext, table: string): Promise<TableHealth> {
  const description = await tables.inspect(table);
  if (!description) throw new TributaryError("NOT_FOUND", `there is no table '${table}'`);
  const [files, snapshots] = await Promise.all([
    client.run(
      `SELECT sum(data_files), sum(data_bytes), sum(delete_files), sum(small_files), sum(greatest(small_files - 1, 0))
       FROM (${partitionsSelect(table, description.partitioning, "1")})`,
    ),
    client.run(
      `SELECT count(*), CAST(to_unixtime(min(committed_at)) * 1000 AS BIGINT) FROM ${tableSql(table, "$snapshots")}`,
    ),
  ]);
  const [dataFiles, dataBytes, deleteFiles, smallFiles, mergeableFiles] = (files.rows[0] ?? []).map((n) =>
    Number(n ?? 0),
  );
  const [count, oldest] = snapshots.rows[0] ?? [];
  return {
    dataFiles: dataFiles!,
    dataBytes: dataBytes!,
    deleteFiles: deleteFiles!,
    smallFiles: smallFiles!,
    mergeableFiles: mergeableFiles!,
    snapshots: Number(count ?? 0),
    oldestSnapshotAtMs: oldest == null ? null : Number(oldest),
  };
}

/** Implements Warehouse.maintain. A file younger than an hour is never an orphan, whatever the retention. */
export async function maintainTable(
  context: CommitContext,
  catalog: string,
  table: string,
  operation: MaintenanceOperation,
  options: MaintenanceOptions,
): Promise<MaintenanceResult> {
  if (operation === "optimize") {
    const description = await context.tables.inspect(table);
    if (!description) throw new TributaryError("NOT_FOUND", `there is no table '${table}'`);
    return followingOptimize(context.client, table, () => optimizeSlice(context, description, options));
  }
  const { ageMs, why } =
    operation === "expire_snapshots"
      ? expiryAge(table, await snapshotAges(context.client, table, options.snapshotsMax ?? SNAPSHOTS_ANY), options)
      : { ageMs: Math.max(options.retentionMs, ORPHAN_AGE_MS_MIN), why: "" };
  const details = `older than ${spanText(ageMs)}${why}`;
  const { signal } = options;
  try {
    // The catalog has its own minimum ages, seven days by default. The session property replaces them with
    // the requested age.
    await runRepeatable(
      context,
      `ALTER TABLE ${tableSql(table)} EXECUTE ${operation}(retention_threshold => '${ageMs}ms')`,
      {
        timeoutMs: MAINTENANCE_TIMEOUT_MS,
        session: { [`${catalog}.${operation}_min_retention`]: `${ageMs}ms` },
        ...(signal ? { signal } : {}),
      },
    );
  } catch (thrown) {
    if (signal?.aborted) return { status: "given up", details };
    if (isRetryable(thrown)) throw thrown;
    return { status: "failed", details: messageOf(thrown) };
  }
  return { status: "completed", details };
}

/** The input that decides which snapshots expire. Ages are in milliseconds by Trino's clock. */
export interface SnapshotAges {
  count: number;
  /** Age of the oldest snapshot within the limit on the number of snapshots. */
  oldestKept: number;
  /**
   * Age of the snapshot that `<table>_trusted` reads. It is undefined if the view reads none, or if it reads
   * the newest snapshot, which stays in any case.
   */
  trusted: number | undefined;
}

async function snapshotAges(client: TrinoClient, table: string, snapshotsMax: number): Promise<SnapshotAges> {
  const trusted = (await viewOf(client, table))?.snapshot;
  const { rows } = await client.run(
    `SELECT count(*), max(age) FILTER (WHERE nth <= ${snapshotsMax}), max(age) FILTER (WHERE nth > 1 AND snapshot_id = ${trusted ?? -1})
     FROM (SELECT snapshot_id, date_diff('millisecond', committed_at, current_timestamp) AS age,
       row_number() OVER (ORDER BY committed_at DESC) AS nth FROM ${tableSql(table, "$snapshots")})`,
  );
  const [count, oldestKept, ageOfTrusted] = rows[0] ?? [];
  return {
    count: Number(count ?? 0),
    oldestKept: Number(oldestKept ?? 0),
    trusted: ageOfTrusted == null ? undefined : Number(ageOfTrusted),
  };
}

/**
 * Returns the age from which snapshots expire. This age is the retention in most cases. It is lower if there
 * are more snapshots than the limit, and higher if `<table>_trusted` reads an older snapshot. The test needs
 * the export.
 */
export function expiryAge(
  table: string,
  { count, oldestKept, trusted }: SnapshotAges,
  { retentionMs, snapshotsMax = SNAPSHOTS_ANY }: MaintenanceOptions,
): { ageMs: number; why: string } {
  const early = Math.max(oldestKept, SNAPSHOT_AGE_MS_MIN);
  const tooMany = count > snapshotsMax && early < retentionMs;
  const ageMs = tooMany ? early : retentionMs;
  const needed = trusted === undefined ? 0 : trusted + CLOCK_MARGIN_MS;
  if (needed > ageMs) return { ageMs: needed, why: `: ${publishedName(table)} stands on one` };
  return { ageMs, why: tooMany ? `: more than ${snapshotsMax} were there` : "" };
}

const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** Formats a duration: 604800000 → 7 d; 5400000 → 1.5 h. */
function spanText(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? ["ms", 1];
  return `${Number((ms / size).toFixed(1))} ${unit}`;
}
