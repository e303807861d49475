import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableMetadata } from "../../../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { expiredIn } from "../../../../../lib/warehouse/iceberg/maintenance/expire.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 100 * HOUR_MS;

const idOf = (ageHours: number): bigint => BigInt(Math.round(1_000 * ageHours));

/** Snapshots by their age in hours: the id is the age in thousandths. */
const table = (
  agesHours: number[],
  needed: number[],
): Pick<TableMetadata, "snapshots" | "refs" | "currentSnapshotId"> =>
  ({
    snapshots: agesHours.map((age) => ({ id: idOf(age), timestampMs: NOW_MS - age * HOUR_MS })),
    refs: new Map(needed.map((age) => [`tag-${age}`, { snapshotId: idOf(age) }])),
    currentSnapshotId: idOf(Math.min(...agesHours)),
  }) as never;

const expired = (
  agesHours: number[],
  options: { retentionHours: number; snapshotsMax?: number; keep?: number },
  needed: number[] = [],
): number[] =>
  expiredIn(table(agesHours, needed), {
    retentionMs: options.retentionHours * HOUR_MS,
    ...(options.snapshotsMax === undefined ? {} : { snapshotsMax: options.snapshotsMax }),
    ageMsMin: 120_000,
    nowMs: NOW_MS,
    keep: options.keep === undefined ? undefined : idOf(options.keep),
  }).map((id) => Number(id) / 1_000);

test("what is older than the retention goes, oldest first, but not what is read", () => {
  assert.deepEqual(expired([5, 30, 20, 10], { retentionHours: 15 }), [30, 20]);
  assert.deepEqual(expired([50], { retentionHours: 0 }), [], "the current one stays");
  assert.deepEqual(expired([5, 20, 30], { retentionHours: 15, keep: 30 }), [20], "the view of checked rows reads it");
  assert.deepEqual(expired([5, 20, 30], { retentionHours: 15 }, [20]), [30], "a tag");
});

test("above the number to keep, the last snapshot of each hour stays, and all of the last two minutes", () => {
  const [hourly, quarters] = [
    [3, 2, 1],
    [3.75, 3.5, 3.25, 2.5, 1.5],
  ];
  assert.deepEqual(expired([...hourly, ...quarters], { retentionHours: 99, snapshotsMax: 1 }), [3.75, 3.5, 3, 2]);
  assert.deepEqual(expired([...hourly, ...quarters], { retentionHours: 99, snapshotsMax: 6 }), [3.75, 3.5]);
  assert.deepEqual(expired([0.1, 0.035, 0.03, 0.01], { retentionHours: 99, snapshotsMax: 1 }), [0.1, 0.035]);
  assert.deepEqual(expired([...hourly, ...quarters], { retentionHours: 2.75, snapshotsMax: 99 }), [3.75, 3.5, 3.25, 3]);
});
