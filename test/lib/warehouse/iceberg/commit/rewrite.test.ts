/** Upserts that write their whole table anew, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { icebergGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, type Row } from "../../../../support/rows.ts";
import { TestTable } from "../../../../support/test-table.ts";

const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR", day: "DATE" });
const LAYOUT = { mode: "upsert", key: ["id"], partitioning: ["day"] } as const;

const rowsFrom = (first: number, count: number, name: string): Row[] =>
  Array.from({ length: count }, (_, k) => ({ id: first + k, name, day: `2026-01-0${((first + k) % 3) + 1}` }));

const given = icebergGiven("iceberg: an upsert of most of a table");
if (given)
  describe("iceberg: an upsert of most of a table", () => {
    after(() => given.drop());

    async function opened(t: TestContext): Promise<Warehouse> {
      const options = { ...given!.options, rewriteRowsMin: 10, mergeRowsMax: 8 };
      const warehouse = await openWarehouse(given!.url, { iceberg: options });
      t.after(() => warehouse.close());
      return warehouse;
    }

    test("it writes the table anew, without position deletes", async (t) => {
      const table = new TestTable(await opened(t), COLUMNS, LAYOUT);
      await table.ingest({ sourceFile: "a.csv", sourceOffset: 1, rows: rowsFrom(0, 20, "a") });
      const receipt = await table.ingest({ sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(5, 20, "b") });
      const { strategy, rowsInserted, rowsUpdated, rowsDeleted, files } = receipt;
      assert.deepEqual([strategy, rowsInserted, rowsUpdated, rowsDeleted], ["iceberg rewrite", 5, 15, 0]);
      assert.equal(files?.deleteFiles, 0);
      const names = "SELECT name, _source_offset, count(*), count(DISTINCT id) FROM $t GROUP BY 1, 2 ORDER BY 1";
      assert.deepEqual(await table.query(names), [
        ["a", 1, 5, 5],
        ["b", 2, 20, 20],
      ]);
      // The next one changes a few rows: it is a MERGE on the snapshot of the rewrite.
      const next = await table.ingest({ sourceFile: "c.csv", sourceOffset: 3, rows: rowsFrom(0, 2, "c") });
      assert.deepEqual([next.strategy, next.rowsInserted, next.rowsUpdated], ["iceberg", 0, 2]);
      // A repetition may have rows that the table has, so it is merged.
      const again = await table.commit({ sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(5, 20, "b") });
      assert.deepEqual([again.rowsInserted, again.rowsUpdated], [0, 0]);
      assert.deepEqual(await table.query("SELECT count(*), count(DISTINCT id) FROM $t"), [[25, 25]]);
    });

    test("a writer that has lost its table cannot rewrite it", async (t) => {
      const zombie = new TestTable(await opened(t), COLUMNS, LAYOUT);
      const owner = Object.assign(new TestTable(await opened(t), COLUMNS), { layout: zombie.layout });
      await zombie.ingest({ sourceFile: "a.csv", sourceOffset: 1, rows: rowsFrom(0, 20, "a") });
      const stale = await zombie.files({ sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(0, 20, "stale") });
      await owner.ingest({ sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(0, 20, "b") });
      await owner.ingest({ sourceFile: "c.csv", sourceOffset: 3, rows: rowsFrom(0, 20, "c") });
      const lost = { confirmOwner: () => Promise.reject(new Error("the table is another's")) };
      const commit = zombie.warehouse.commit({ layout: zombie.layout, files: stale }, lost);
      await assert.rejects(commit, /another's/);
      for (const { stage } of stale) await stage?.discard();
      assert.deepEqual(await owner.query("SELECT name, count(*) FROM $t GROUP BY 1"), [["c", 20]]);
    });
  });
