/**
 * What DuckDB's Iceberg writer guards against, on the real catalog that the environment names: with Trino it
 * is written all the same, without Trino it is an error that says what to do. Trino reads every table after.
 */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { TributaryError } from "../../../../lib/errors.ts";
import type { Fallback } from "../../../../lib/warehouse/gate-events.ts";
import { openWarehouse, type WarehouseOptions } from "../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../lib/warehouse/warehouse.ts";
import { openAutoWarehouse } from "../../../support/auto-warehouse.ts";
import { icebergGiven } from "../../../support/rest-catalog/given.ts";
import { columns, type Row } from "../../../support/rows.ts";
import { LAYOUTS, READ_ALL, TestTable } from "../../../support/test-table.ts";
import { openTestTrino, trinoGiven } from "../../../support/trino-server.ts";

const NAME = "auto: guards";
const given = trinoGiven(NAME) ? icebergGiven(NAME) : undefined;
if (given) {
  const trino = await openTestTrino();
  after(async () => {
    await trino.close();
    await given.drop();
  });

  const COLUMNS = columns({ id: "BIGINT", city: "VARCHAR" });
  const row = (id: number, city: string): Row => ({ id, city });

  async function opened(t: TestContext, options: WarehouseOptions = {}) {
    const fallbacks: Fallback[] = [];
    const onFallback = (fallback: Fallback): void => void fallbacks.push(fallback);
    const warehouse = await openAutoWarehouse(given!, trino, { onFallback, ...options });
    t.after(() => warehouse.close());
    return { warehouse, guards: () => fallbacks.splice(0).map(({ guard }) => guard), fallbacks };
  }

  /** A table as another engine may have made it. */
  async function foreign(warehouse: Warehouse, layout: object, properties: string): Promise<TestTable> {
    const table = new TestTable(warehouse, COLUMNS, layout);
    await trino.client.run(
      `CREATE TABLE rest."${given!.namespace}"."${table.name}" (id BIGINT, city VARCHAR, "_source_file" VARCHAR,
       "_source_offset" BIGINT, "_source_row" BIGINT, "_ingested_at" TIMESTAMP(6)) WITH (${properties})`,
    );
    return table;
  }

  /** Gives a table a sort order; "" takes it away. */
  const sort = (table: TestTable, columns: string) =>
    trino.client.run(
      `ALTER TABLE rest."${given.namespace}"."${table.name}" SET PROPERTIES sorted_by = ARRAY[${columns}]`,
    );

  const SELECT = "SELECT id, city FROM";
  const inTrino = async (table: TestTable): Promise<unknown[][]> =>
    (await trino.client.run(`${SELECT} rest."${given.namespace}"."${table.name}" ORDER BY id`)).rows;
  async function inDuckDb(t: TestContext, table: TestTable): Promise<unknown[][]> {
    const warehouse = await openWarehouse(given!.url, { iceberg: given!.options });
    t.after(() => warehouse.close());
    return (await warehouse.query(`${SELECT} "${table.name}" ORDER BY id`, READ_ALL)).rows;
  }

  const TABLES = [
    { guard: "format_version", properties: "format_version = 1", remedy: /SET PROPERTIES format_version = 2/ },
    {
      guard: "sort_order",
      properties: "sorted_by = ARRAY['id']",
      remedy: /WRITE UNORDERED.*TRIBUTARY_COMMIT_ENGINE=auto/,
    },
  ];

  describe("auto: Trino writes what DuckDB's writer cannot", () => {
    for (const { guard, properties, remedy } of TABLES) {
      for (const mode of guard === "sort_order" ? ["upsert", "append"] : []) {
        test(`${guard}, ${mode}: rows and columns, again and again`, async (t) => {
          const { warehouse, guards } = await opened(t);
          const table = await foreign(warehouse, LAYOUTS[mode]!, properties);
          const ab = [row(1, "a"), row(2, "b")];
          const first = await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: ab });
          assert.deepEqual([first.rowsInserted, first.strategy], [2, "trino inline"]);
          assert.deepEqual(guards(), [guard]);
          const wider = columns({ id: "BIGINT", city: "VARCHAR", note: "VARCHAR" });
          const more = { sourceFile: "b", sourceOffset: 2, columns: wider, rows: [{ ...row(3, "c"), note: "new" }] };
          await table.ingest(more);
          assert.deepEqual(guards(), [guard, guard], "the column and the rows");
          assert.deepEqual(await table.query("SELECT id, note FROM $t ORDER BY id"), [[1, null], [2, null], [3, "new"]]); // prettier-ignore
          const expected = [[1, "a"], [2, "b"], [3, "c"]]; // prettier-ignore
          assert.deepEqual(await inTrino(table), expected);
          assert.deepEqual(await inDuckDb(t, table), expected);
          assert.equal(await warehouse.watermark(table.name), 2);
          const again = await table.commit(more);
          assert.equal(again.rowsInserted + again.rowsUpdated + again.rowsDeleted, 0, "the same version again");
        });
      }

      const engine = guard === "sort_order" ? "iceberg" : "auto";
      test(`${guard}, ${engine}: an error says what to do, and nothing is written`, async (t) => {
        const { warehouse } = await opened(t, { engine });
        const table = await foreign(warehouse, LAYOUTS["upsert"]!, properties);
        await assert.rejects(table.commit({ sourceFile: "a", sourceOffset: 1, rows: [row(1, "a")] }), (thrown) => {
          assert.equal((thrown as TributaryError).code, "WAREHOUSE_REFUSED");
          assert.match((thrown as Error).message, remedy);
          return true;
        });
        assert.deepEqual(await inTrino(table), []);
        if (guard !== "format_version") return;
        const name = `rest."${given.namespace}"."${table.name}"`;
        await trino.client.run(`ALTER TABLE ${name} SET PROPERTIES format_version = 2`);
        await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row(1, "a")] });
        assert.deepEqual(await inTrino(table), [[1, "a"]], "after what the error says");
      });
    }

    test("an empty text as a partition: the store refuses it from both, and says what to do", async (t) => {
      const { warehouse, guards } = await opened(t);
      const table = new TestTable(warehouse, COLUMNS, { ...LAYOUTS["upsert"], partitioning: ["city"] });
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row(1, "x"), row(2, "y")] });
      assert.deepEqual(guards(), []);
      await assert.rejects(table.commit({ sourceFile: "b", sourceOffset: 2, rows: [row(1, ""), row(3, "z")] }), {
        code: "WAREHOUSE_FAILED",
        message: /partitioned by 'city', and a row has empty text/,
      });
      assert.deepEqual(guards(), ["partition_text"]);
      assert.deepEqual(await inTrino(table), [[1, "x"], [2, "y"]], "nothing was written"); // prettier-ignore
      const receipt = await table.ingest({ sourceFile: "c", sourceOffset: 3, rows: [row(2, "q")] });
      assert.deepEqual([receipt.strategy, receipt.rowsUpdated, guards()], ["iceberg", 1, []]);
      assert.deepEqual(await inDuckDb(t, table), [[1, "x"], [2, "q"]]); // prettier-ignore
      const plain = trino.url.replace(/.*\/([^/]+)\/([^/]+)$/, '"$1"."$2".t');
      await trino.client.run(`CREATE SCHEMA IF NOT EXISTS ${plain.replace(/\.t$/, "")}`);
      await trino.client.run(`CREATE TABLE ${plain} (city VARCHAR) WITH (partitioning = ARRAY['city'])`);
      await trino.client.run(`INSERT INTO ${plain} VALUES ('')`);
      assert.deepEqual((await trino.client.run(`SELECT city FROM ${plain}`)).rows, [[""]], "in a plain bucket");
    });

    test("a stage on disk goes to Trino with its types", async (t) => {
      const iceberg = { stageBytesHeldMax: 1_000 };
      const { warehouse, guards } = await opened(t, { iceberg });
      const wide = columns({
        id: "BIGINT",
        city: "VARCHAR",
        day: "DATE",
        at: "TIMESTAMP",
        amount: "DECIMAL(12,2)",
        ok: "BOOLEAN",
        ratio: "DOUBLE",
      });
      const table = new TestTable(warehouse, wide, LAYOUTS["upsert"]);
      await warehouse.ensureTable(table.layout, wide);
      await sort(table, "'id'");
      const rows = Array.from({ length: 3_000 }, (_, n) => ({
        id: n,
        city: n % 2 === 0 ? "" : "Zürich 😀",
        day: "2024-02-29",
        at: "2024-02-29T12:00:00.123456",
        amount: `${n}.25`,
        ok: n % 3 === 0,
        ratio: n / 7,
      }));
      const receipt = await table.ingest({ sourceFile: "a", sourceOffset: 1, rows });
      assert.deepEqual([guards(), receipt.rowsInserted], [["sort_order"], 3_000]);
      const text = "CAST(id AS VARCHAR), city, CAST(day AS VARCHAR), CAST(amount AS VARCHAR), ok";
      assert.deepEqual(await table.query(`SELECT ${text} FROM $t WHERE id IN (0, 2999) ORDER BY id`), [
        ["0", "", "2024-02-29", "0.25", true],
        ["2999", "Zürich 😀", "2024-02-29", "2999.25", false],
      ]);
      assert.deepEqual(await table.query("SELECT at, ratio FROM $t WHERE id = 7"), [["2024-02-29T12:00:00.123456", 1]]);
    });

    test("a commit by Trino fences off a writer that has lost the table, and the reverse", async (t) => {
      const lost = () => Promise.reject(new TributaryError("ASSIGNMENT_LOST", "the table is another's"));
      const { warehouse: zombie } = await opened(t);
      const { warehouse: owner, guards } = await opened(t);
      const old = new TestTable(zombie, COLUMNS, LAYOUTS["upsert"]);
      const now = Object.assign(new TestTable(owner, COLUMNS), { layout: old.layout });
      const late = async (): Promise<void> => {
        const files = await old.files({ sourceFile: "f", sourceOffset: 2, rows: [row(1, "late")] });
        const sent = zombie.commit({ layout: old.layout, files }, { confirmOwner: lost });
        await assert.rejects(sent, { code: "ASSIGNMENT_LOST" });
      };
      await old.commit({ sourceFile: "f", sourceOffset: 1, rows: [row(1, "old")] });
      await sort(now, "'id'");
      await now.commit({ sourceFile: "f", sourceOffset: 3, rows: [row(1, "by Trino")] });
      assert.deepEqual(guards(), ["sort_order"]);
      await late();
      await sort(now, "");
      await late();
      await now.commit({ sourceFile: "f", sourceOffset: 4, rows: [row(1, "by DuckDB")] });
      assert.deepEqual(guards(), []);
      await sort(now, "'id'");
      await late();
      assert.deepEqual(await inTrino(now), [[1, "by DuckDB"]]);
    });

    test("a compaction that DuckDB's writer refuses is Trino's, and no conflict for the next commit", async (t) => {
      const { warehouse, guards } = await opened(t);
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["upsert"]);
      for (const n of [1, 2, 3]) await table.ingest({ sourceFile: `f${n}`, sourceOffset: n, rows: [row(n, "x")] });
      await sort(table, "'id'");
      const { status } = await warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      assert.equal(status, "completed");
      assert.equal((await warehouse.health(table.name)).dataFiles, 1);
      await sort(table, "");
      await table.ingest({ sourceFile: "f4", sourceOffset: 4, rows: [row(1, "4")] });
      assert.deepEqual(await inTrino(table), [[1, "4"], [2, "x"], [3, "x"]]); // prettier-ignore
      assert.deepEqual(guards(), []);
    });

    test("maintenance is no conflict for the next commit, and the trusted rows stay", async (t) => {
      const { warehouse, guards } = await opened(t);
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["upsert"]);
      for (const n of [1, 2, 3])
        await table.ingest({ sourceFile: `f${n}`, sourceOffset: n, rows: [row(1, `${n}`), row(n + 1, "x")] });
      assert.equal(await warehouse.publish(table.name, await warehouse.version(table.name), 1), true);
      for (const operation of ["optimize", "expire_snapshots", "remove_orphan_files"] as const) {
        const { status } = await warehouse.maintain(table.name, operation, { retentionMs: 0 });
        assert.equal(status, "completed", operation);
      }
      assert.equal((await warehouse.health(table.name)).dataFiles, 1);
      await table.ingest({ sourceFile: "f4", sourceOffset: 4, rows: [row(1, "4")] });
      const trusted = "SELECT id, city FROM $t_trusted ORDER BY id".replace("$t_trusted", `"${table.name}_trusted"`);
      const before = [[1, "3"], [2, "x"], [3, "x"], [4, "x"]]; // prettier-ignore
      assert.deepEqual(await table.query(trusted), before);
      assert.deepEqual(await inTrino(table), [[1, "4"], ...before.slice(1)]);
      assert.deepEqual(guards(), []);
      assert.deepEqual(await warehouse.published(table.name), { asOfMs: 1, heldBackSinceMs: null });
    });
  });

  test("auto: Trino's catalog must be the REST catalog", async () => {
    const iceberg = given.options;
    await assert.rejects(openWarehouse(trino.url, { iceberg, trino: { staging: trino.staging } }), {
      code: "CONFIG_INVALID",
      message: /names no Trino catalog of the Iceberg REST catalog/,
    });
  });
}
