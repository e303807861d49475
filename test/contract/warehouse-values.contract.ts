import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ColumnType } from "../../lib/columns.ts";
import { columns, rowBatches, type Cell } from "../support/rows.ts";
import { assertCounts, TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const EDGES: Readonly<Record<string, { type: ColumnType; cells: readonly Cell[] }>> = {
  boolean: { type: "BOOLEAN", cells: [true, false, null] },
  integer: { type: "INTEGER", cells: [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), null] },
  bigint: {
    type: "BIGINT",
    cells: [0, -1, 2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), null],
  },
  double: {
    type: "DOUBLE",
    cells: [0, 0.1, -1.5, 1e308, -1e308, 5e-324, 2 ** 53, 123456789.123, null],
  },
  "decimal of 64 bits": { type: "DECIMAL(12,2)", cells: ["0.00", "9999999999.99", "-9999999999.99", "-0.01", null] },
  "decimal of 18 digits": { type: "DECIMAL(18,0)", cells: ["999999999999999999", "-999999999999999999", "0"] },
  "decimal of 128 bits": {
    type: "DECIMAL(38,10)",
    cells: [
      "9999999999999999999999999999.9999999999",
      "-9999999999999999999999999999.9999999999",
      "0.0000000001",
      null,
    ],
  },
  date: {
    type: "DATE",
    cells: ["0001-01-01", "1582-10-04", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31", null],
  },
  timestamp: {
    type: "TIMESTAMP",
    cells: [
      "0001-01-01T00:00:00",
      "1969-12-31T23:59:59.999999",
      "1970-01-01T00:00:00.000001",
      "2024-03-31T02:30:00",
      "2024-01-31T12:00:00.123456",
      "9999-12-31T23:59:59.999999",
      null,
    ],
  },
  "timestamp with time zone": {
    type: "TIMESTAMP WITH TIME ZONE",
    cells: [
      "0001-01-01T00:00:00Z",
      "1969-12-31T23:59:59.999999Z",
      "2024-01-31T12:00:00.123456Z",
      "9999-12-31T23:59:59.999999Z",
      null,
    ],
  },
  varchar: {
    type: "VARCHAR",
    cells: [
      "",
      null,
      "NULL",
      " ",
      "exactly12byt",
      "thirteen byte",
      "it's",
      '"double"',
      "back\\slash \\0 \\u0000 \\n",
      "line\r\nbreak\ttab",
      "🎉👩‍👩‍👧 日本語 ñ",
      "' OR 1=1; DROP TABLE x; --",
      "$1 ? :name {} %s",
      "\u0001\u001f\u007f\u0085\u2028\ufeff",
      "nul\0inside\0",
      "\0",
    ],
  },
};

/** What a query gives back for a cell. */
const seen = (cell: Cell): unknown =>
  typeof cell === "bigint" && !Number.isSafeInteger(Number(cell))
    ? String(cell)
    : typeof cell === "bigint"
      ? Number(cell)
      : cell;

/** Every type at its edges, in and out again, exactly. */
export function valueContract(opened: Opened): void {
  describe("values", () => {
    for (const [name, { type, cells }] of Object.entries(EDGES)) {
      test(`${name}: every edge comes back exactly, and equals itself`, async () => {
        const table = new TestTable(opened.warehouse, columns({ v: type, w: type }));
        const rows = cells.map((v, index) => ({ v, w: cells[cells.length - 1 - index] ?? null }));
        await table.ingest({ sourceFile: "f", sourceOffset: 1, rows });
        assert.deepEqual(
          await table.rows(["v"]),
          cells.map((cell) => [seen(cell)]),
        );
        assertCounts(await table.ingest({ sourceFile: "f", sourceOffset: 2, rows }), 0, 0, 0);
      });
    }

    test("a column that widens within a file", async () => {
      const table = new TestTable(opened.warehouse, columns({ n: "BIGINT", d: "DECIMAL(20,2)" }));
      const [version] = await table.files({
        sourceFile: "f",
        sourceOffset: 1,
        columns: columns({ n: "INTEGER", d: "DECIMAL(5,2)" }),
        rows: [{ n: 1, d: "123.45" }],
      });
      const wider = [{ n: 2n ** 40n, d: "123456789012345678.90", _source_row: 2 }];
      const rest = rowBatches(table.columns, wider, { sourceFile: "f", sourceOffset: 1 });
      for (const batch of rest) await version?.stage?.append(batch);
      await table.commitVersions([{ ...version!, columns: table.columns }]);
      assert.deepEqual(await table.rows(), [
        [1, "123.45"],
        [2 ** 40, "123456789012345678.90"],
      ]);
    });

    test("strings of a megabyte, and many rows of different lengths", async () => {
      const table = new TestTable(opened.warehouse, columns({ id: "INTEGER", text: "VARCHAR" }));
      const texts = [
        "x".repeat(1_000_000),
        "é".repeat(500_000),
        "",
        ...Array.from({ length: 5000 }, (_, i) => "ab".repeat(i % 40)),
      ];
      const rows = texts.map((text, id) => ({ id, text }));
      await table.ingest({ sourceFile: "f", sourceOffset: 1, rows, rowsPerBatch: 700 });
      const found = await table.query("SELECT text FROM $t ORDER BY id");
      assert.equal(found.length, texts.length);
      for (const [index, [text]] of found.entries()) assert.ok(text === texts[index], `row ${index} differs`);
    });

    test("a file beyond what a stage holds in memory", async () => {
      const table = new TestTable(
        opened.warehouse,
        columns({ id: "INTEGER", text: "VARCHAR", stamp: "TIMESTAMP", ok: "BOOLEAN" }),
      );
      const rows = Array.from({ length: 60_000 }, (_, id) => ({
        id,
        text: id % 7 === 0 ? null : `some longer text of row ${id}, so that megabytes come together: ${"-".repeat(60)}`,
        stamp: "2024-01-31T12:00:00.123456",
        ok: id % 3 === 0 ? null : id % 3 === 1,
      }));
      const [version] = await table.files({ sourceFile: "f", sourceOffset: 1, rows });
      assert.ok(version!.stage!.sizeBytes > 4 * 1024 * 1024);
      assertCounts(await table.commitVersions([version!]), rows.length, 0, 0);
      assertCounts(await table.commitVersions([version!]), 0, 0, 0);
      await version!.stage!.discard();
      const [summary] = await table.query(
        `SELECT count(*), count(text), count(ok), sum(CASE WHEN ok THEN 1 ELSE 0 END), count(DISTINCT text), min(stamp) = max(stamp) FROM $t`,
      );
      const texts = rows.filter((row) => row.text !== null).length;
      assert.deepEqual(summary, [60_000, texts, 40_000, 20_000, texts, true]);
    });
  });
}
