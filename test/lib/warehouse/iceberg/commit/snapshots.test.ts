import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, filesIn } from "../../../../../lib/warehouse/iceberg/commit/snapshots.ts";

const snapshot = (summary: Record<string, string>) => ({ summary: new Map(Object.entries(summary)) });

test("an update is one deleted row and one added row; rows of a DELETE are known", () => {
  const chain = [snapshot({ "added-position-deletes": "5", "added-records": "3" }), snapshot({ "added-records": "7" })];
  assert.deepEqual(changesOf(chain, 2), { rowsInserted: 7, rowsUpdated: 3, rowsDeleted: 2 });
  assert.deepEqual(changesOf([snapshot({ "deleted-records": "4" })], 4), {
    rowsInserted: 0,
    rowsUpdated: 0,
    rowsDeleted: 4,
  });
});

test("file counts are those of the summary, or none", () => {
  const summary = { "total-data-files": "3", "total-delete-files": "1" };
  assert.deepEqual(filesIn(snapshot(summary)), { files: { dataFiles: 3, deleteFiles: 1 } });
  assert.deepEqual(filesIn(snapshot({ "total-data-files": "3" })), {});
});
