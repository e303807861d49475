import assert from "node:assert/strict";
import { test } from "node:test";
import type { BaseState } from "../../../../../lib/warehouse/iceberg/commit/bases.ts";
import { knownOf, stateAfter, summaryOf } from "../../../../../lib/warehouse/iceberg/commit/known.ts";
import type { TableLayout } from "../../../../../lib/warehouse/warehouse.ts";
import { columns } from "../../../../support/rows.ts";

const APPEND: TableLayout = { table: "t", mode: "append", key: [], deleteMissing: false, partitioning: [] };
const UPSERT: TableLayout = { ...APPEND, mode: "upsert", key: ["id"] };
const describedWith = (type: "INTEGER" | "BIGINT") => ({
  table: "t",
  columns: columns({ id: type, name: "VARCHAR" }),
  partitioning: [],
});
const DESCRIPTION = describedWith("INTEGER");
const EMPTY: BaseState = { uuid: "u", snapshotId: undefined, watermark: -1, uniqueKey: "any" };
const at = (sourceOffset: number, versionOffset?: number) => [
  { sourceOffset, ...(versionOffset === undefined ? {} : { versionOffset }) },
];
const known = (layout: TableLayout, files: ReturnType<typeof at>, base: Partial<BaseState>) =>
  knownOf(layout, DESCRIPTION, files, { ...EMPTY, snapshotId: 1n, ...base });

test("rows of versions beyond the watermark are new; those of a repeated version may not be", () => {
  assert.equal(known(APPEND, at(8), { watermark: 7 }).rowsAreNew, true);
  assert.equal(known(APPEND, at(7), { watermark: 7 }).rowsAreNew, false);
  assert.equal(known(APPEND, at(8, 5), { watermark: 7 }).rowsAreNew, false);
  assert.equal(known(APPEND, at(8), { watermark: undefined }).rowsAreNew, false);
  assert.equal(known({ ...APPEND, mode: "replace" }, at(8), { watermark: 7 }).rowsAreNew, false);
});

test("the watermark never falls, and stays unknown once it is", () => {
  assert.equal(stateAfter(APPEND, DESCRIPTION, at(3), { ...EMPTY, watermark: 7 }).watermark, 7);
  assert.equal(stateAfter(APPEND, DESCRIPTION, at(9), { ...EMPTY, watermark: 7 }).watermark, 9);
  assert.equal(stateAfter(APPEND, DESCRIPTION, at(9), { ...EMPTY, watermark: undefined }).watermark, undefined);
});

test("keys are unique in a table that was always written by upserts of that key", () => {
  const first = stateAfter(UPSERT, DESCRIPTION, at(1), EMPTY);
  assert.equal(known(UPSERT, at(2), first).keysAreUnique, true);
  const others = [
    known({ ...UPSERT, key: ["name"] }, at(2), first),
    knownOf(UPSERT, describedWith("BIGINT"), at(2), { ...EMPTY, ...first }),
    known(UPSERT, at(3), stateAfter(APPEND, DESCRIPTION, at(2), { ...EMPTY, ...first })),
    known(UPSERT, at(2), stateAfter(APPEND, DESCRIPTION, at(1), EMPTY)),
    known(UPSERT, at(2), { uniqueKey: undefined }),
  ];
  for (const { keysAreUnique } of others) assert.equal(keysAreUnique, false);
});

test("a table without a snapshot has no rows", () => {
  assert.equal(known(UPSERT, at(1), { snapshotId: undefined }).tableIsEmpty, true);
  assert.equal(known(UPSERT, at(1), { uniqueKey: "any" }).tableIsEmpty, false);
});

test("the summary says what is known", () => {
  assert.deepEqual(summaryOf({ watermark: 3, uniqueKey: "k" }), {
    "tributary.watermark": "3",
    "tributary.unique-key": "k",
  });
  assert.deepEqual(summaryOf({ watermark: undefined, uniqueKey: undefined }), {});
});
