/** What DuckDB has written to the real catalog that the environment names, as Trino reads it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import { columns } from "../../../support/rows.ts";
import { icebergGiven } from "../../../support/rest-catalog/given.ts";
import { LAYOUTS, READ_ALL, TestTable } from "../../../support/test-table.ts";
import { openTestTrino, trinoGiven } from "../../../support/trino-server.ts";

const NAME = "iceberg: Trino reads the same rows";
const given = trinoGiven(NAME) ? icebergGiven(NAME) : undefined;
if (given) {
  const trino = await openTestTrino();
  after(async () => {
    await trino.close();
    await given.drop();
  });

  const COLUMNS = columns({ id: "BIGINT", city: "VARCHAR", day: "DATE", amount: "DECIMAL(10,2)", ok: "BOOLEAN" });
  const SELECT = "SELECT id, city, CAST(day AS VARCHAR), CAST(amount AS VARCHAR), ok FROM";
  const row = (id: number, city: string | null) => ({ id, city, day: "2024-02-29", amount: "12.50", ok: id % 2 === 0 });

  for (const [mode, layout] of Object.entries(LAYOUTS)) {
    for (const partitioning of [[], ["month(day)"]]) {
      test(`${mode}${partitioning.length > 0 ? ", partitioned" : ""}: now, then, by a condition, after compaction`, async (t) => {
        const warehouse = await openWarehouse(given.url, { iceberg: given.options });
        t.after(() => warehouse.close());
        const table = new TestTable(warehouse, COLUMNS, { ...layout, partitioning });
        const inTrino = async (relation: string): Promise<string[]> =>
          (await trino.client.run(`${SELECT} rest."${given.namespace}".${relation}`)).rows.map(text).toSorted();
        const own = async (relation: string): Promise<string[]> =>
          (await warehouse.query(`${SELECT} ${relation}`, READ_ALL)).rows.map(text).toSorted();
        const text = (one: unknown): string => JSON.stringify(one);

        await table.ingest({
          sourceFile: "a",
          sourceOffset: 1,
          rows: [row(1, "Zürich"), row(2, "日本語日本語日本語"), row(3, null)],
        });
        const [version] = (await warehouse.version(table.name)).split(" ").slice(-1);
        const then = await own(`"${table.name}"`);
        assert.equal(await warehouse.publish(table.name, await warehouse.version(table.name), 1), true);
        await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [row(2, "Oslo"), row(4, "")] });
        await table.ingest({ sourceFile: "a", sourceOffset: 3, rows: [row(1, "Bern"), row(5, "😀")] });
        const now = await own(`"${table.name}"`);
        assert.deepEqual(await inTrino(`"${table.name}"`), now);
        assert.deepEqual(await inTrino(`"${table.name}" FOR VERSION AS OF ${version}`), then);
        assert.deepEqual(await own(`"${table.name}_trusted"`), then);
        assert.deepEqual(await inTrino(`"${table.name}_trusted"`), then, "the view in Trino");
        assert.deepEqual(
          await inTrino(`"${table.name}" WHERE city >= 'O'`),
          await own(`"${table.name}" WHERE city >= 'O'`),
        );
        const { status } = await warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
        assert.equal(status, "completed");
        assert.deepEqual(await inTrino(`"${table.name}"`), now, "after compaction");
      });
    }
  }

  test("the view of trusted rows that Trino has replaced is read here, and is still ours", async (t) => {
    const warehouse = await openWarehouse(given.url, { iceberg: given.options });
    t.after(() => warehouse.close());
    const table = new TestTable(warehouse, COLUMNS, LAYOUTS["replace"]);
    await warehouse.ensureTable(table.layout, COLUMNS);
    await warehouse.hold(table.name, null);
    const view = `rest."${given.namespace}"."${table.name}_trusted"`;
    assert.deepEqual((await trino.client.run(`SELECT * FROM ${view}`)).rows, []);
    await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row(1, "a")] });
    const version = (await warehouse.version(table.name)).split(" ").at(-1);
    await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [row(2, "b")] });
    await trino.client.run(
      `CREATE OR REPLACE VIEW ${view} COMMENT 'as of 2024-02-29T00:00:00.000Z' AS
       SELECT *, CAST(NULL AS BIGINT) AS later FROM rest."${given.namespace}"."${table.name}" FOR VERSION AS OF ${version}`,
    );
    const published = { asOfMs: Date.UTC(2024, 1, 29), heldBackSinceMs: null };
    assert.deepEqual(await warehouse.published(table.name), published);
    assert.deepEqual(await table.query(`SELECT id, later FROM "${table.name}_trusted"`), [[1, null]]);
    await warehouse.hold(table.name, 5);
    assert.deepEqual(await warehouse.published(table.name), { ...published, heldBackSinceMs: 5 });
    assert.deepEqual((await trino.client.run(`SELECT id FROM ${view}`)).rows, [[1]]);
  });

  test("what Trino changes is read here, and the next commit goes on from there", async (t) => {
    const warehouse = await openWarehouse(given.url, { iceberg: given.options });
    t.after(() => warehouse.close());
    const table = new TestTable(warehouse, COLUMNS, LAYOUTS["upsert"]);
    await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row(1, "a"), row(2, "b"), row(3, "c")] });
    const inRest = `rest."${given.namespace}"."${table.name}"`;
    await trino.client.run(`DELETE FROM ${inRest} WHERE id = 1`);
    await trino.client.run(`ALTER TABLE ${inRest} EXECUTE optimize`);
    await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [row(3, "d"), row(4, "e")] });
    assert.deepEqual(await table.query("SELECT id, city FROM $t ORDER BY id"), [[2, "b"], [3, "d"], [4, "e"]]); // prettier-ignore
  });
}
