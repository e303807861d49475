import type { MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import type { TableMetadata } from "../catalog/schemas.ts";
import type { IcebergContext } from "../commit/context.ts";
import { catalogCall } from "../errors.ts";
import { lookUp } from "../published.ts";

const HOUR_MS = 3_600_000;

/**
 * Implements `expire_snapshots` with the catalog's own request. The snapshot that `<table>_trusted` reads
 * stays, as do those of branches and tags. The files that only expired snapshots had are orphans afterwards.
 */
export async function expireSnapshots(
  context: IcebergContext,
  table: string,
  options: Pick<MaintenanceOptions, "retentionMs" | "snapshotsMax">,
): Promise<MaintenanceResult> {
  const { tables, catalog, clock } = context;
  const metadata = await tables.load(table);
  if (!metadata) return { status: "not_applicable", details: "the table does not exist" };
  const view = await lookUp(context, table);
  const read = typeof view === "object" ? view.snapshotId : undefined;
  const expired = expiredIn(metadata, { ...options, nowMs: clock.nowMs(), keep: read });
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
  return { status: "completed", details: `${expired.length} snapshots` };
}

/** The snapshots that go, oldest first. */
export function expiredIn(
  { snapshots, refs, currentSnapshotId }: Pick<TableMetadata, "snapshots" | "refs" | "currentSnapshotId">,
  options: { retentionMs: number; snapshotsMax?: number; nowMs: number; keep: bigint | undefined },
): bigint[] {
  const { retentionMs, snapshotsMax = Infinity, nowMs, keep } = options;
  const needed = new Set([...refs.values()].map(({ snapshotId }) => snapshotId));
  for (const id of [currentSnapshotId, keep]) if (id !== undefined) needed.add(id);
  const others = snapshots.filter(({ id }) => !needed.has(id)).toSorted((a, b) => a.timestampMs - b.timestampMs);
  const surplus = Math.max(0, snapshots.length - snapshotsMax);
  return others
    .filter(({ timestampMs }, index) => {
      const ageMs = nowMs - timestampMs;
      return ageMs > retentionMs || (index < surplus && ageMs > HOUR_MS);
    })
    .map(({ id }) => id);
}
