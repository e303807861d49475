/** Upserts that rewrite their whole table, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { CommitOptions, CommitReceipt, Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { lossyProxy, type Loss } from "../../../../support/lossy-proxy.ts";
import { icebergGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, type Row } from "../../../../support/rows.ts";
import { TestTable, type Sent } from "../../../../support/test-table.ts";

const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR", day: "DATE" });
const LAYOUT = { mode: "upsert", key: ["id"], partitioning: ["day"] } as const;

const rowsFrom = (first: number, count: number, name: string): Row[] =>
  Array.from({ length: count }, (_, k) => ({ id: first + k, name, day: `2026-01-0${((first + k) % 3) + 1}` }));

/** Requests of a rewrite. */
const STEPS = {
  /** Makes the scratch table: the rows are not read yet. */
  made: (path: string) => path.endsWith("/tables"),
  /** Gives the table its files. */
  committed: (path: string, table: string) => path.endsWith(`/tables/${table}`),
};
type Step = keyof typeof STEPS;

const given = icebergGiven("iceberg: an upsert of most of a table");
if (given)
  describe("iceberg: an upsert of most of a table", () => {
    after(() => given.drop());

    async function opened(t: TestContext, uri?: string): Promise<Warehouse> {
      const options = { ...given!.options, rewriteRowsMin: 10, mergeRowsMax: 8 };
      const warehouse = await openWarehouse(given!.urlAt(uri), { iceberg: options });
      t.after(() => warehouse.close());
      return warehouse;
    }

    /** The same table, written through another warehouse. */
    const through = (warehouse: Warehouse, { layout }: TestTable): TestTable =>
      Object.assign(new TestTable(warehouse, COLUMNS), { layout });

    async function commit(table: TestTable, options: CommitOptions, sent: Sent): Promise<CommitReceipt> {
      const files = await table.files(sent);
      try {
        return await table.warehouse.commit({ layout: table.layout, files }, options);
      } finally {
        for (const { stage } of files) await stage?.discard();
      }
    }

    /**
     * A table with 20 rows, and the table through another warehouse. Its next request of a kind has a loss,
     * which is made when the request is sent.
     */
    async function behindProxy(t: TestContext, step: Step, loss: (other: TestTable) => Loss) {
      const other = new TestTable(await opened(t), COLUMNS, LAYOUT);
      let [isDue, times] = [false, 0];
      const lossOf = (method: string, path: string): Loss | undefined => {
        if (!isDue || method !== "POST" || !STEPS[step](path, other.name)) return undefined;
        isDue = false;
        times += 1;
        return loss(other);
      };
      const proxy = await lossyProxy(given!.uri, lossOf);
      t.after(() => proxy.close());
      const table = through(await opened(t, proxy.url), other);
      await table.ingest({ sourceFile: "a.csv", sourceOffset: 1, rows: rowsFrom(0, 20, "a") });
      isDue = true;
      return { table, other, times: () => times };
    }

    /** A row by an engine that knows no fence of Tributary. */
    async function insertedByEngine(table: string): Promise<void> {
      const engine = await given!.otherDuckdb();
      const own = `ice.${given!.namespace}.${table}`;
      await engine.run(`INSERT INTO ${own} (id, name, day) VALUES (100, 'engine', DATE '2026-01-01')`);
      engine.close();
    }

    test("it rewrites the table, without position deletes", async (t) => {
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

    for (const step of ["made", "committed"] as const) {
      test(`a rival's commit before the rewrite is ${step}: nothing is lost, and the rewrite is repeated`, async (t) => {
        const { table, times } = await behindProxy(t, step, (rival) => ({
          until: commit(rival, {}, { sourceFile: "r.csv", sourceOffset: 2, rows: rowsFrom(18, 4, "rival") }),
        }));
        let asked = 0;
        const confirmOwner = async (): Promise<void> => void (asked += 1);
        const sent = { sourceFile: "b.csv", sourceOffset: 3, rows: rowsFrom(0, 19, "b") };
        const receipt = await commit(table, { confirmOwner }, sent);
        assert.equal(times(), 1);
        assert.deepEqual([receipt.rowsInserted, receipt.rowsUpdated], [0, 19]);
        assert.ok(asked >= 2, "who was overtaken asks whether it still owns the table");
        assert.deepEqual(await table.query("SELECT name, count(*), count(DISTINCT id) FROM $t GROUP BY 1 ORDER BY 1"), [
          ["b", 19, 19],
          ["rival", 3, 3],
        ]);
      });

      test(`who has lost the table before its rewrite is ${step} changes nothing`, async (t) => {
        const { table, other, times } = await behindProxy(t, step, (owner) => ({
          until: commit(owner, {}, { sourceFile: "r.csv", sourceOffset: 3, rows: rowsFrom(0, 22, "owner") }),
        }));
        const confirmOwner = (): Promise<void> =>
          times() === 0 ? Promise.resolve() : Promise.reject(new Error("the table is another's"));
        const sent = { sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(0, 20, "stale") };
        await assert.rejects(commit(table, { confirmOwner }, sent), /another's/);
        assert.deepEqual(await other.query("SELECT name, count(*) FROM $t GROUP BY 1"), [["owner", 22]]);
      });
    }

    test("another engine's commit before that of the rewrite stays", async (t) => {
      const { table, times } = await behindProxy(t, "committed", ({ name }) => ({ until: insertedByEngine(name) }));
      await commit(table, {}, { sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(0, 20, "b") });
      assert.equal(times(), 1);
      assert.deepEqual(await table.query("SELECT name, count(*) FROM $t GROUP BY 1 ORDER BY 1"), [
        ["b", 20],
        ["engine", 1],
      ]);
    });

    test("a lost answer to the commit of a rewrite is no second commit", async (t) => {
      const { table, times } = await behindProxy(t, "committed", () => "after");
      const receipt = await commit(table, {}, { sourceFile: "b.csv", sourceOffset: 2, rows: rowsFrom(0, 20, "b") });
      assert.deepEqual([times(), receipt.strategy, receipt.rowsUpdated], [1, "iceberg rewrite", 20]);
      assert.deepEqual(await table.query("SELECT name, count(*) FROM $t GROUP BY 1"), [["b", 20]]);
    });

    test("a writer that has lost its table cannot rewrite it", async (t) => {
      const zombie = new TestTable(await opened(t), COLUMNS, LAYOUT);
      const owner = through(await opened(t), zombie);
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
