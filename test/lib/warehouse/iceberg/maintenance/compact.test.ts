/** Compactions beside writers, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { icebergGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, reject } from "../../../../support/rows.ts";
import { LAYOUTS, TestTable } from "../../../../support/test-table.ts";

const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });
const COMPACTIONS = 10;
const LANES = 3;

const given = icebergGiven("iceberg: compactions beside writers");
if (given) {
  after(() => given.drop());

  async function opened(t: TestContext): Promise<Warehouse> {
    const warehouse = await openWarehouse(given!.url, { iceberg: given!.options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  test("a compaction ends when rows have waited too long, and leaves the table as it was", async (t) => {
    const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
    for (const sourceOffset of [1, 2])
      await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows: [{ id: sourceOffset, name: "x" }] });
    const { warehouse, name } = table;
    const before = await warehouse.version(name);
    const compaction = { retentionMs: 0, signal: AbortSignal.abort() };
    assert.equal((await warehouse.maintain(name, "optimize", compaction)).status, "given up");
    assert.equal(await warehouse.version(name), before);
    assert.equal((await warehouse.maintain(name, "optimize", { retentionMs: 0 })).status, "completed");
    assert.deepEqual(await table.rows(["id"]), [[1], [2]]);
  });

  test("under a steady writer all compactions of the ledger succeed, and no record is lost", async (t) => {
    const warehouse = await opened(t);
    const tables = Array.from({ length: LANES }, () => new TestTable(warehouse, COLUMNS, LAYOUTS["append"]));
    let isWriting = true;
    const lanes = tables.map(async (table) => {
      let sourceOffset = 0;
      while (isWriting) {
        sourceOffset += 1;
        const rows = [{ id: sourceOffset, name: "x" }];
        await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows, rejects: [reject(4)] });
      }
      return sourceOffset;
    });
    const details: string[] = [];
    try {
      for (let n = 0; n < COMPACTIONS; n++) {
        const internal = n % 2 === 0 ? "_ingest_files" : "_rejected_rows";
        const done = await warehouse.maintain(internal, "optimize", { retentionMs: 0 });
        details.push(`${done.status}: ${done.details}`);
      }
    } finally {
      isWriting = false;
    }
    const sent = await Promise.all(lanes);
    assert.deepEqual(details.filter((one) => !one.startsWith("completed: ")), []); // prettier-ignore
    for (const [n, table] of tables.entries()) {
      for (const internal of ["_ingest_files", "_rejected_rows"]) {
        const own = `FROM ${internal} WHERE table_name = '${table.name}'`;
        assert.deepEqual(await table.query(`SELECT count(*), count(DISTINCT source_offset) ${own}`), [[sent[n], sent[n]]]); // prettier-ignore
      }
      assert.deepEqual(await table.query("SELECT count(*), count(DISTINCT id) FROM $t"), [[sent[n], sent[n]]]);
    }
  });
}
