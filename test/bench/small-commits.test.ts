/** The benchmark of small commits, tiny: every file of it is in its table. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { commitCosts } from "../../bench/small-commits.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import { READ_ALL } from "../support/test-table.ts";

test("what small commits cost", async (t) => {
  const warehouse = await openWarehouse("duckdb::memory:");
  t.after(() => warehouse.close());
  const subjects = [{ name: "duckdb", warehouse, pids: [process.pid] }];
  const costs = await commitCosts(subjects, { files: 2, rowsBefore: 1_000 });
  assert.deepEqual(
    costs.map(({ mode, cpuMsPerFile, p50Ms }) => [mode, cpuMsPerFile > 0, p50Ms > 0]),
    [
      ["append", true, true],
      ["upsert", true, true],
    ],
  );
  const counts = await Promise.all(
    (await warehouse.tables())
      .filter((name) => name.startsWith("commits_"))
      .map(async (name) => (await warehouse.query(`SELECT count(*) FROM ${name}`, READ_ALL)).rows[0]![0]),
  );
  // Five files to warm up and two that are measured; half of an upsert's rows are new.
  assert.deepEqual(counts.toSorted(), [7 * 100, 1_000 + 7 * 50].toSorted());
});
