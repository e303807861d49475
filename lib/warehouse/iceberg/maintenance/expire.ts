import { isInternalTable } from "../../internal-tables.ts";
import type { MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import type { TableMetadata } from "../catalog/schemas.ts";
import type { IcebergContext } from "../commit/context.ts";
import { catalogCall } from "../errors.ts";
import { lookUp } from "../published.ts";

const HOUR_MS = 3_600_000;
/**
 * No younger snapshot expires early. A reader that polls for new snapshots finds where it was. Other
 * committers write the internal tables, while one that was stopped looks there for its last commit when it is
 * back.
 */
const AGE_MS_MIN = { own: 120_000, internal: HOUR_MS };

/**
 * Implements `expire_snapshots` with the catalog's own request. The snapshot that `<table>_trusted` reads
 * stays, as do those of branches and tags. The files that only expired snapshots had are orphans afterwards.
 */
export async function expireSnapshots(
  context: IcebergContext,
  table: string,
  options: Pick<MaintenanceOptions, "retentionMs" | "snapshotsMax">,
): Promise<MaintenanceResult> {
  const { tables, catalog, clock, appender } = context;
  const metadata = await tables.load(table);
  if (!metadata) return { status: "not_applicable", details: "the table does not exist" };
  const view = await lookUp(context, table);
  const read = typeof view === "object" ? view.snapshotId : undefined;
  const ageMsMin = isInternalTable(table) ? AGE_MS_MIN.internal : AGE_MS_MIN.own;
  const expired = expiredIn(metadata, { ...options, ageMsMin, nowMs: clock.nowMs(), keep: read });
  if (expired.length === 0) return { status: "completed", details: "no snapshot is old enough" };
  await catalogCall(() =>
    catalog.commitTable({
      identifier: tables.idOf(table),
      requirements: [
        { type: "assert-table-uuid", uuid: metadata.uuid },
        { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": metadata.currentSnapshotId ?? null },
      ],
      updates: [{ action: "remove-snapshots", "snapshot-ids": expired }],
    }),
  );
  // It counts the snapshots.
  appender.forget(tables.idOf(table));
  return { status: "completed", details: `${expired.length} snapshots` };
}

export interface ExpiryOptions extends Pick<MaintenanceOptions, "retentionMs" | "snapshotsMax"> {
  /** No younger snapshot expires before `retentionMs`. */
  ageMsMin: number;
  nowMs: number;
  /** The snapshot that `<table>_trusted` reads. */
  keep: bigint | undefined;
}

/**
 * The snapshots that go, oldest first: those older than the retention, and all but the last one of each hour
 * of those that exceed `snapshotsMax`. Each load of a table carries all of its snapshots, which scans wait
 * for.
 */
export function expiredIn(
  { snapshots, refs, currentSnapshotId }: Pick<TableMetadata, "snapshots" | "refs" | "currentSnapshotId">,
  options: ExpiryOptions,
): bigint[] {
  const { retentionMs, snapshotsMax = Infinity, ageMsMin, nowMs, keep } = options;
  const needed = new Set([...refs.values()].map(({ snapshotId }) => snapshotId));
  for (const id of [currentSnapshotId, keep]) if (id !== undefined) needed.add(id);
  const oldestFirst = snapshots.toSorted((a, b) => a.timestampMs - b.timestampMs);
  const surplus = Math.max(0, snapshots.length - snapshotsMax);
  const hourOf = ({ timestampMs }: { timestampMs: number }): number => Math.floor(timestampMs / HOUR_MS);
  return oldestFirst
    .filter((snapshot, index) => {
      if (needed.has(snapshot.id)) return false;
      const ageMs = nowMs - snapshot.timestampMs;
      const next = oldestFirst[index + 1];
      const isLastOfHour = next === undefined || hourOf(next) > hourOf(snapshot);
      return ageMs > retentionMs || (index < surplus && ageMs > ageMsMin && !isLastOfHour);
    })
    .map(({ id }) => id);
}
