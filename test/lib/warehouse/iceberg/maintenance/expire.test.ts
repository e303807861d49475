import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableMetadata } from "../../../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { expiredIn } from "../../../../../lib/warehouse/iceberg/maintenance/expire.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 100 * HOUR_MS;

/** Snapshots by their age in hours: the id is the age. */
const table = (
  agesHours: number[],
  needed: number[],
): Pick<TableMetadata, "snapshots" | "refs" | "currentSnapshotId"> =>
  ({
    snapshots: agesHours.map((age) => ({ id: BigInt(age), timestampMs: NOW_MS - age * HOUR_MS })),
    refs: new Map(needed.map((age) => [`tag-${age}`, { snapshotId: BigInt(age) }])),
    currentSnapshotId: BigInt(Math.min(...agesHours)),
  }) as never;

const expired = (
  agesHours: number[],
  options: { retentionHours: number; snapshotsMax?: number; keep?: number },
  needed: number[] = [],
): number[] =>
  expiredIn(table(agesHours, needed), {
    retentionMs: options.retentionHours * HOUR_MS,
    ...(options.snapshotsMax === undefined ? {} : { snapshotsMax: options.snapshotsMax }),
    nowMs: NOW_MS,
    keep: options.keep === undefined ? undefined : BigInt(options.keep),
  }).map(Number);

test("what is older than the retention goes, oldest first, but not what is read", () => {
  assert.deepEqual(expired([5, 30, 20, 10], { retentionHours: 15 }), [30, 20]);
  assert.deepEqual(expired([50], { retentionHours: 0 }), [], "the current one stays");
  assert.deepEqual(expired([5, 20, 30], { retentionHours: 15, keep: 30 }), [20], "the view of checked rows reads it");
  assert.deepEqual(expired([5, 20, 30], { retentionHours: 15 }, [20]), [30], "a tag");
});

test("above the number to keep, older than an hour is enough", () => {
  assert.deepEqual(
    expired(
      [0.25, 0.5, 2, 3, 4].map((age) => age * 4),
      { retentionHours: 99, snapshotsMax: 3 },
    ),
    [16, 12],
  );
  assert.deepEqual(expired([1, 2, 3, 4], { retentionHours: 99, snapshotsMax: 1 }), [4, 3, 2]);
});
