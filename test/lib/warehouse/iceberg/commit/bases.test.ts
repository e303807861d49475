import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableMetadata } from "../../../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { Bases, stateOf, type BaseState } from "../../../../../lib/warehouse/iceberg/commit/bases.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

type Read = Pick<TableMetadata, "uuid" | "currentSnapshotId" | "snapshots">;

const table = (...summaries: Record<string, string>[]): Read => ({
  uuid: "u",
  currentSnapshotId: summaries.length === 0 ? undefined : BigInt(summaries.length),
  snapshots: summaries.map((summary, index) => ({
    id: BigInt(index + 1),
    parentId: index === 0 ? undefined : BigInt(index),
    summary: new Map(Object.entries(summary)),
  })) as unknown as Read["snapshots"],
});

const ours = { operation: "append", "tributary.watermark": "7", "tributary.unique-key": "k" };
const compacted = { operation: "replace" };

test("a table's newest snapshot says how far its rows go; a compaction changes none", () => {
  assert.deepEqual(stateOf(table()), { uuid: "u", snapshotId: undefined, watermark: -1, uniqueKey: "any", rows: 0 });
  assert.deepEqual(stateOf(table(ours)), { uuid: "u", snapshotId: 1n, watermark: 7, uniqueKey: "k", rows: undefined });
  const after = stateOf(table(ours, compacted, compacted));
  assert.deepEqual([after.snapshotId, after.watermark, after.uniqueKey], [3n, 7, "k"]);
  const alone = stateOf(table({ ...ours, operation: "replace" }, compacted));
  assert.deepEqual([alone.watermark, alone.uniqueKey], [7, "k"], "what was compacted has expired");
});

test("after a snapshot of somebody else nothing is known of the rows", () => {
  for (const foreign of [
    table(ours, { operation: "overwrite" }),
    table(ours, { operation: "append" }, compacted),
    table(compacted),
  ]) {
    const { watermark, uniqueKey } = stateOf(foreign);
    assert.deepEqual([watermark, uniqueKey], [undefined, undefined]);
  }
});

const STATE: BaseState = { uuid: "u", snapshotId: 1n, watermark: 7, uniqueKey: undefined };

test("what is on record is known until the base is forgotten, and then as far as it was tried", () => {
  const bases = new Bases(new FakeClock());
  bases.setRecorded("t", 4, 2);
  assert.equal(bases.recorded("t"), undefined, "without a base somebody else may have recorded files");
  bases.set("t", STATE);
  assert.equal(bases.recorded("t"), 4);
  bases.tries("t", [6, 5]);
  assert.deepEqual([bases.recorded("t"), bases.recordedAfter("t")], [6, 2]);
  bases.forget("t");
  assert.equal(bases.recordedAfter("t"), -1);
  bases.set("t", STATE);
  assert.equal(bases.recorded("t"), undefined);
  bases.setRecorded("t", 4, 3);
  assert.equal(bases.recorded("t"), 6, "the failed write may still be applied");
});

test("a writer that has not asked for a while asks whether it still has the table", async () => {
  const clock = new FakeClock();
  const bases = new Bases(clock);
  const tables = { load: async () => ({ ...table(ours), formatVersion: 2 }) } as never;
  let asked = 0;
  const confirm = async (): Promise<void> => void (asked += 1);
  const current = () => bases.current(tables, "t", confirm);
  assert.equal((await current())?.watermark, 7);
  clock.advance(9_000);
  await current();
  assert.equal(asked, 1);
  clock.advance(2_000);
  await current();
  assert.equal(asked, 2);
  clock.advance(60_000);
  await assert.rejects(
    bases.current(tables, "t", () => Promise.reject(new Error("lost"))),
    /lost/,
  );
});
