import assert from "node:assert/strict";
import { test } from "node:test";
import type { Snapshot, TableMetadata } from "../../../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { changesOf, filesIn, snapshotsOf } from "../../../../../lib/warehouse/iceberg/commit/snapshots.ts";

const snapshot = (id: bigint, parentId: bigint | undefined, summary: Record<string, string> = {}): Snapshot =>
  ({ id, parentId, summary: new Map(Object.entries(summary)) }) as unknown as Snapshot;

const tableWith = (snapshots: Snapshot[]): TableMetadata => ({ snapshots }) as unknown as TableMetadata;

const mark = { "tributary.transaction": "x" };

test("the snapshots of a transaction reach from its last one to its base", () => {
  const all = [snapshot(1n, undefined), snapshot(2n, 1n), snapshot(3n, 2n, mark), snapshot(4n, 3n)];
  const idsOf = (transaction: string, base: bigint | undefined): bigint[] =>
    snapshotsOf(tableWith(all), transaction, base).map(({ id }) => id);
  assert.deepEqual(idsOf("x", 1n), [2n, 3n]);
  assert.deepEqual(idsOf("x", undefined), [1n, 2n, 3n], "the table had no snapshot");
  assert.deepEqual(idsOf("other", 1n), [], "the table has not the transaction");
  const loop = [snapshot(1n, 2n), snapshot(2n, 1n, mark)];
  assert.ok(snapshotsOf(tableWith(loop), "x", 9n).length <= 3, "a history that ends nowhere ends all the same");
});

test("an update is one deleted row and one added row; rows of a DELETE are known", () => {
  const chain = [
    snapshot(1n, undefined, { "added-position-deletes": "5", "added-records": "3" }),
    snapshot(2n, 1n, { "added-records": "7" }),
  ];
  assert.deepEqual(changesOf(chain, 2), { rowsInserted: 7, rowsUpdated: 3, rowsDeleted: 2 });
  assert.deepEqual(changesOf([snapshot(1n, undefined, { "deleted-records": "4" })], 4), {
    rowsInserted: 0,
    rowsUpdated: 0,
    rowsDeleted: 4,
  });
});

test("file counts are those of the summary, or none", () => {
  const summary = { "total-data-files": "3", "total-delete-files": "1" };
  assert.deepEqual(filesIn(snapshot(1n, undefined, summary)), { files: { dataFiles: 3, deleteFiles: 1 } });
  assert.deepEqual(filesIn(snapshot(1n, undefined, { "total-data-files": "3" })), {});
});
