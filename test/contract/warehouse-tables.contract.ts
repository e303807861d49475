import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AUDIT_COLUMNS, type ColumnType } from "../../lib/columns.ts";
import { columns } from "../support/rows.ts";
import { TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

/** describe, tables, ensureTable, health, maintain. */
export function tableContract(opened: Opened): void {
  describe("tables", () => {
    const types = {
      flag: "BOOLEAN",
      small: "INTEGER",
      big: "BIGINT",
      real: "DOUBLE",
      money: "DECIMAL(12,2)",
      day: "DATE",
      at: "TIMESTAMP",
      instant: "TIMESTAMP WITH TIME ZONE",
      text: "VARCHAR",
    } as const;

    test("a table that does not exist is undefined", async () => {
      assert.equal(await opened.warehouse.describe("no_such_table"), undefined);
    });

    test("rows for a table that does not exist are refused, never taken for committed; deletions are nothing", async () => {
      const table = new TestTable(opened.warehouse, columns({ id: "INTEGER" }));
      const { layout } = table;
      const lost = await table.files({ sourceFile: "f", sourceOffset: 1, rows: [{ id: 1 }] });
      await assert.rejects(opened.warehouse.commit({ layout, files: lost }), { code: "WAREHOUSE_FAILED" });
      const files = [{ fileId: "g@2", sourceFile: "g", sourceOffset: 2, columns: [] }];
      const { strategy } = await opened.warehouse.commit({ layout, files });
      assert.equal(strategy, "none");
    });

    test("ensureTable makes a table with every type, its headers kept, audit columns last", async () => {
      const table = new TestTable(opened.warehouse, columns(types));
      const made = await opened.warehouse.ensureTable(table.layout, table.columns);
      assert.deepEqual(made.columns, table.columns);
      assert.deepEqual((await opened.warehouse.describe(table.name))?.columns, table.columns);
      const { columns: seen } = await opened.warehouse.query(`SELECT * FROM ${table.name}`, {
        rowsMax: 1,
        timeoutMs: 60_000,
      });
      const names = [...Object.keys(types), ...AUDIT_COLUMNS.map((column) => column.name)];
      assert.deepEqual(
        seen.map((column) => column.name),
        names,
      );
      assert.ok((await opened.warehouse.tables()).includes(table.name));
    });

    test("ensureTable twice changes nothing, and a narrower file fits as it is", async () => {
      const table = new TestTable(opened.warehouse, columns({ id: "BIGINT", money: "DECIMAL(12,2)" }));
      await opened.warehouse.ensureTable(table.layout, table.columns);
      await opened.warehouse.ensureTable(table.layout, table.columns);
      const narrow = columns({ money: "DECIMAL(5,2)", id: "INTEGER" });
      assert.deepEqual((await opened.warehouse.ensureTable(table.layout, narrow)).columns, table.columns);
      assert.deepEqual((await opened.warehouse.describe(table.name))?.columns, table.columns);
      await table.commit({ sourceFile: "f", sourceOffset: 1, columns: narrow, rows: [{ id: 1, money: "999.99" }] });
      assert.deepEqual(await table.rows(), [[1, "999.99"]]);
    });

    test("a table grows and widens under its rows", async () => {
      const table = new TestTable(opened.warehouse, columns({ id: "INTEGER", money: "DECIMAL(5,2)" }));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, money: "1.50" }] });
      const wider = columns({ id: "BIGINT", extra: "VARCHAR", money: "DECIMAL(20,2)", day: "DATE" });
      const rows = [{ id: 2n ** 40n, extra: "x", money: "123456789012345678.99", day: "2024-02-29" }];
      await table.ingest({ sourceFile: "b", sourceOffset: 2, columns: wider, rows });
      const described = await opened.warehouse.describe(table.name);
      assert.deepEqual(
        described?.columns,
        columns({ id: "BIGINT", money: "DECIMAL(20,2)", extra: "VARCHAR", day: "DATE" }),
      );
      assert.deepEqual(await table.rows(["id", "money", "extra", "day"]), [
        [1, "1.50", null, null],
        [2 ** 40, "123456789012345678.99", "x", "2024-02-29"],
      ]);
      assert.deepEqual(await table.origins(), [
        ["a", 1, 1],
        ["b", 2, 1],
      ]);
    });

    for (const [from, to] of [
      ["INTEGER", "VARCHAR"],
      ["VARCHAR", "INTEGER"],
      ["DECIMAL(10,2)", "DECIMAL(10,3)"],
      ["BIGINT", "DOUBLE"],
      ["DATE", "TIMESTAMP"],
      ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"],
    ] as [ColumnType, ColumnType][]) {
      test(`${from} never becomes ${to}`, async () => {
        const table = new TestTable(opened.warehouse, columns({ id: "INTEGER", it: from }));
        await opened.warehouse.ensureTable(table.layout, table.columns);
        await assert.rejects(opened.warehouse.ensureTable(table.layout, columns({ it: to })), (error: Error) => {
          assert.equal((error as Error & { code?: string }).code, "SCHEMA_CONFLICT");
          for (const word of ["'it'", from, to])
            assert.ok(error.message.includes(word), `${error.message}: no ${word}`);
          return true;
        });
        assert.deepEqual((await opened.warehouse.describe(table.name))?.columns, table.columns);
      });
    }

    test("a partitioned table holds its rows; a partition column or key that does not exist is refused", async () => {
      const definitions = columns({ id: "INTEGER", day: "DATE" });
      const table = new TestTable(opened.warehouse, definitions, { partitioning: ["month(day)"] });
      await table.ingest({
        sourceFile: "a",
        sourceOffset: 1,
        rows: [
          { id: 1, day: "2024-01-31" },
          { id: 2, day: null },
        ],
      });
      assert.deepEqual(await table.rows(), [
        [1, "2024-01-31"],
        [2, null],
      ]);
      for (const layout of [{ partitioning: ["month(gone)"] }, { partitioning: ["gone"] }, { key: ["gone"] }]) {
        const bad = new TestTable(opened.warehouse, definitions, { mode: "upsert", key: ["id"], ...layout });
        await assert.rejects(opened.warehouse.ensureTable(bad.layout, definitions), { code: "CONTRACT_INVALID" });
        assert.equal(await opened.warehouse.describe(bad.name), undefined);
      }
    });

    test("hostile column names are only names", async () => {
      const names = [
        "order",
        "select",
        'quo"te',
        "a'b",
        "semi;colon--",
        "имя",
        "日本",
        "with space",
        "1st",
        "back\\slash",
        "%s",
        "t",
        "s",
      ];
      const table = new TestTable(
        opened.warehouse,
        columns(Object.fromEntries(names.map((name) => [name, "VARCHAR"]))),
        {
          mode: "upsert",
          key: ["order", 'quo"te'],
        },
      );
      const row = Object.fromEntries(names.map((name) => [name, `value of ${name}`]));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row] });
      await table.ingest({ sourceFile: "a", sourceOffset: 2, rows: [{ ...row, имя: "other" }] });
      assert.deepEqual(await table.rows(), [names.map((name) => (name === "имя" ? "other" : `value of ${name}`))]);
      assert.deepEqual((await opened.warehouse.describe(table.name))?.columns, table.columns);
    });

    test("headers come back whatever they hold", async () => {
      const headers = ['It\'s "quoted"', "", "naïve — 日本 🎉", "back\\slash; DROP TABLE x --", "tab\tand\nline"];
      const definitions = headers.map((header, index) => ({ name: `c${index}`, type: "INTEGER" as const, header }));
      const table = new TestTable(opened.warehouse, definitions);
      await opened.warehouse.ensureTable(table.layout, definitions);
      assert.deepEqual(
        (await opened.warehouse.describe(table.name))?.columns.map((column) => column.header),
        headers,
      );
    });

    test("five hundred columns", async () => {
      const definitions = columns(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`c${i}`, "INTEGER"])));
      const table = new TestTable(opened.warehouse, definitions);
      const row = Object.fromEntries(definitions.map((column, index) => [column.name, index]));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row] });
      await table.ingest({ sourceFile: "a", sourceOffset: 2, rows: [row, { ...row, c499: -1 }] });
      assert.deepEqual(await table.rows(["c0", "c498", "c499"]), [
        [0, 498, 499],
        [0, 498, -1],
      ]);
    });

    test("maintenance leaves the rows alone", async () => {
      const table = new TestTable(opened.warehouse, columns({ id: "INTEGER" }));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }, { id: 2 }] });
      await table.ingest({ sourceFile: "a", sourceOffset: 2, rows: [{ id: 1 }, { id: 3 }, { id: 4 }] });
      for (const operation of ["optimize", "expire_snapshots", "remove_orphan_files"] as const) {
        const result = await opened.warehouse.maintain(table.name, operation, { retentionMs: 7 * 86_400_000 });
        assert.ok(["completed", "not_applicable"].includes(result.status), `${operation}: ${result.details}`);
        assert.deepEqual(await table.rows(), [[1], [3], [4]]);
      }
      assert.equal((await opened.warehouse.health(table.name)).dataFiles, 1);
    });
  });
}
