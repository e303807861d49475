/** The benchmark of upserts into tables of growing size, tiny: it throws if a row is not updated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { upsertCosts } from "../../bench/upsert-scaling.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";

test("what upserts cost by the size of the table", async (t) => {
  const warehouse = await openWarehouse("duckdb::memory:");
  t.after(() => warehouse.close());
  const subject = { name: "duckdb", warehouse, pids: [process.pid] };
  const costs = await upsertCosts(subject, { sizes: [1_000, 2_000], changed: 10, commits: 3 });
  const kinds = costs.map(({ keys, rowsBefore, isCompacted }) => [keys, rowsBefore, isCompacted]);
  const expected = ["newest", "growing", "random"].flatMap((keys) =>
    [1_000, 2_000].flatMap((rows) => [false, true].map((isCompacted) => [keys, rows, isCompacted])),
  );
  assert.deepEqual(kinds, expected);
  for (const { p50Ms, ratio } of costs) assert.ok(p50Ms > 0 && ratio > 0);
});
