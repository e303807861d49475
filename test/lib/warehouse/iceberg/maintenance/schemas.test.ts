/**
 * Tables whose columns others have changed since the newest snapshot, on the real catalog that the environment
 * names: what writes the rows again must take them for the same columns as readers do.
 */
import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns } from "../../../../support/rows.ts";
import { TestTable } from "../../../../support/test-table.ts";

const NAME = "iceberg: rows are written again under a newer schema";
const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR", city: "VARCHAR" });
/** By the id of the column: its next name. */
const CHANGES: Readonly<Record<string, ReadonlyMap<number, string>>> = {
  "two columns have swapped their names": new Map([
    [2, "city"],
    [3, "name"],
  ]),
  "a column has another name": new Map([[2, "person"]]),
  // No value of the dropped column is one of the new column.
  "a column was dropped, and another got its name": new Map([[2, ""]]),
  "a column was added": new Map([[9, "more"]]),
};

const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());

  async function opened(t: TestContext, rewriteRowsMin: number): Promise<TestTable> {
    const warehouse = await openWarehouse(given!.url, { iceberg: { ...given!.options, rewriteRowsMin } });
    t.after(() => warehouse.close());
    return new TestTable(warehouse, COLUMNS, { mode: "upsert", key: ["id"] });
  }

  async function changeColumns(table: string, names: ReadonlyMap<number, string>): Promise<void> {
    const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
    const identifier = { namespace: [given!.namespace], name: table };
    const { metadata } = await catalog.loadTable(identifier);
    const nextId = metadata.lastColumnId + 1;
    const fields = metadata.fields.map(({ id, name, type }) => {
      const next = names.get(id) ?? name;
      return { id: next === "" ? nextId : id, name: next === "" ? name : next, type: String(type), required: false };
    });
    for (const [id, name] of names)
      if (!metadata.fields.some((one) => one.id === id)) fields.push({ id: nextId, name, type: "string", required: false }); // prettier-ignore
    const schema = { type: "struct", "schema-id": metadata.schemaId + 1, fields } as const;
    await catalog.commitTable({
      identifier,
      requirements: [{ type: "assert-table-uuid", uuid: metadata.uuid }],
      updates: [
        { action: "add-schema", schema, "last-column-id": nextId },
        { action: "set-current-schema", "schema-id": -1 },
      ],
    });
    catalog.close();
  }

  const rowsOf = async (t: TestContext, table: string): Promise<unknown[][]> => {
    const duckdb = await given.otherDuckdb("READ_ONLY");
    t.after(() => duckdb.close());
    return duckdb.rows(`SELECT * EXCLUDE (_source_file) FROM ice.${given.namespace}."${table}" ORDER BY id`);
  };

  for (const [what, names] of Object.entries(CHANGES)) {
    test(`${what}: a compaction changes no value`, async (t) => {
      const table = await opened(t, Infinity);
      for (const id of [1, 2, 3])
        await table.ingest({ sourceFile: `f${id}`, sourceOffset: id, rows: [{ id, name: `n${id}`, city: `c${id}` }] });
      await changeColumns(table.name, names);
      const before = await rowsOf(t, table.name);
      const { status, details } = await table.warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      assert.deepEqual([status, details], ["completed", "3 files rewritten"]);
      assert.deepEqual(await rowsOf(t, table.name), before);
    });
  }

  test("an upsert that rewrites its table may bring a new column", async (t) => {
    const table = await opened(t, 10);
    const rows = Array.from({ length: 20 }, (_, id) => ({ id, name: `n${id}`, city: `c${id}` }));
    await table.ingest({ sourceFile: "a", sourceOffset: 1, rows });
    const wider = [...COLUMNS, ...columns({ more: "DOUBLE" })];
    const next = rows.slice(5).map((row) => ({ ...row, more: 1.5 }));
    const receipt = await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: next, columns: wider });
    assert.deepEqual([receipt.strategy, receipt.rowsUpdated], ["iceberg rewrite", 15]);
    const found = await table.query("SELECT name, more, count(*) FROM $t WHERE id IN (0, 19) GROUP BY ALL ORDER BY 1");
    assert.deepEqual(found, [["n0", null, 1], ["n19", 1.5, 1]]); // prettier-ignore
  });
}
