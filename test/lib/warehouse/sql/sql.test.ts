import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { duckdb } from "../../../../lib/warehouse/duckdb-engine/dialect.ts";
import { trino } from "../../../../lib/warehouse/trino/dialect.ts";
import type { ColumnType } from "../../../../lib/columns.ts";
import { INTERNAL_TABLES, ledgerRow, rejectRow } from "../../../../lib/warehouse/internal-tables.ts";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import { doubleLiteral, type LiteralValue } from "../../../../lib/warehouse/sql/dialect.ts";
import { dateText, decimalText, timestampText } from "../../../../lib/rows/value-text.ts";
import {
  allEqual,
  anyDistinct,
  column,
  columnList,
  identifier,
  tableName,
  withAuditColumns,
} from "../../../../lib/warehouse/sql/sql.ts";
import type { Warehouse } from "../../../../lib/warehouse/warehouse.ts";
import { columns, fileVersion, microsOf, outcomeOf } from "../../../support/rows.ts";

describe("identifiers", () => {
  test("are always quoted, quotes doubled", () => {
    assert.equal(identifier("order"), '"order"');
    assert.equal(identifier('a"; DROP TABLE x; --'), '"a""; DROP TABLE x; --"');
    assert.equal(tableName("sales"), '"lakehouse"."sales"');
    assert.equal(column("a", "t"), 't."a"');
    assert.equal(columnList(["a", 'b"']), '"a", "b"""');
    assert.equal(columnList(["a", "b"], "t"), 't."a", t."b"');
  });

  test("what no warehouse can name is refused", () => {
    for (const name of ["", "\0", "a\0b"]) assert.throws(() => identifier(name), /no identifier/);
  });

  test("no name ends its own quotes", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "binary" }), (name) => {
        fc.pre(!name.includes("\0"));
        const inside = identifier(name).slice(1, -1);
        assert.equal(inside.replaceAll('""', "").includes('"'), false);
        assert.equal(inside.replaceAll('""', '"'), name);
      }),
    );
  });
});

describe("pieces of statements", () => {
  test("conditions over columns", () => {
    assert.equal(anyDistinct(["a", "b"], "t", "s"), '(t."a" IS DISTINCT FROM s."a" OR t."b" IS DISTINCT FROM s."b")');
    assert.equal(anyDistinct([], "t", "s"), "FALSE");
    assert.equal(allEqual(["a", "b"], "t", "s"), 't."a" = s."a" AND t."b" = s."b"');
    assert.equal(allEqual([], "t", "s"), "TRUE");
  });

  test("types in each dialect's spelling", () => {
    assert.equal(duckdb.typeName("TIMESTAMP"), "TIMESTAMP");
    assert.equal(trino.typeName("TIMESTAMP"), "TIMESTAMP(6)");
    assert.equal(duckdb.typeName("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP WITH TIME ZONE");
    assert.equal(trino.typeName("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP(6) WITH TIME ZONE");
    assert.equal(trino.typeName("DECIMAL(38,10)"), "DECIMAL(38,10)");
    assert.equal(
      trino.columnDefinitions(withAuditColumns(columns({ id: "BIGINT" }))),
      '"id" BIGINT, "_source_file" VARCHAR, "_source_offset" BIGINT, "_source_row" BIGINT, "_ingested_at" TIMESTAMP(6)',
    );
  });

  test("the rows of our own tables name only columns those tables have", async () => {
    const version = await fileVersion({} as Warehouse, "t", {
      sourceFile: "f",
      sourceOffset: 1,
      columns: [],
      rows: null,
    });
    const { outcome } = outcomeOf(version);
    const ledger = ledgerRow("t", { outcome }, 0);
    assert.deepEqual(
      Object.keys(ledger).toSorted(),
      INTERNAL_TABLES._ingest_files.map((one) => one.name as string).toSorted(),
    );
    const reject = { row: 1, line: 2, column: null, reason: "r", message: "m", raw: "x" };
    assert.deepEqual(
      Object.keys(rejectRow("t", outcome, reject, 0)).toSorted(),
      INTERNAL_TABLES._rejected_rows.map((one) => one.name as string).toSorted(),
    );
  });

  test("values in the table's order; missing ones NULL, unknown ones an error", () => {
    const two = [
      { name: "a", type: "VARCHAR" },
      { name: "b", type: "BIGINT" },
    ] as const;
    assert.equal(
      duckdb.values(two, [{ b: 1, a: "x" }, { a: "y" }]),
      "('x', CAST('1' AS BIGINT)), ('y', CAST(NULL AS BIGINT))",
    );
    assert.throws(() => duckdb.values(two, [{ c: 1 }]), /no such column: c/);
  });
});

describe("texts of values", () => {
  test("dates and timestamps", () => {
    assert.equal(dateText(-719162), "0001-01-01");
    assert.equal(dateText(2932896), "9999-12-31");
    assert.equal(timestampText(0n), "1970-01-01T00:00:00");
    assert.equal(timestampText(-1n), "1969-12-31T23:59:59.999999");
    assert.equal(timestampText(1_000_010n), "1970-01-01T00:00:01.000010");
    fc.assert(
      fc.property(fc.bigInt({ min: -62135596800000000n, max: 253402300799999999n }), (micros) => {
        assert.equal(microsOf(timestampText(micros)), micros);
      }),
    );
  });

  test("decimals", () => {
    assert.equal(decimalText(-5n, 2), "-0.05");
    assert.equal(decimalText(0n, 0), "0");
    assert.equal(decimalText(12345n, 2), "123.45");
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }),
        fc.integer({ min: 0, max: 38 }),
        (value, scale) => {
          const text = decimalText(value, scale);
          assert.match(text, scale === 0 ? /^-?\d+$/ : new RegExp(`^-?\\d+\\.\\d{${scale}}$`));
          assert.equal(BigInt(text.replace(".", "")), value);
        },
      ),
    );
  });
});

describe("literals", () => {
  let warehouse: Warehouse;
  before(async () => {
    warehouse = await openWarehouse("duckdb::memory:");
  });
  after(() => warehouse.close());

  /** What DuckDB reads a literal as. */
  const read = async (...literals: string[]): Promise<unknown[]> =>
    (await warehouse.query(`SELECT ${literals.join(", ")}`, { rowsMax: 1, timeoutMs: 60_000 })).rows[0]!;

  test("any string is that string", async () => {
    const hostile = [
      "",
      "'",
      "''",
      "\\",
      "\\'",
      "a\0b",
      "\0",
      "'; DROP TABLE x; --",
      "$1",
      "?",
      ":a",
      "/*",
      "--",
      "🎉",
      "\n",
    ];
    assert.deepEqual(await read(...hostile.map((text) => duckdb.stringLiteral(text))), hostile);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 20 }), async (texts) => {
        assert.deepEqual(await read(...texts.map((text) => duckdb.stringLiteral(text))), texts);
      }),
    );
  });

  test("Trino's strings escape NUL and nothing else", () => {
    assert.equal(trino.stringLiteral("it's \\ here"), "'it''s \\ here'");
    assert.equal(trino.stringLiteral("a\0'\\"), "U&'a\\0000''\\\\'");
  });

  test("any double is that double", async () => {
    for (const [value, seen] of [
      [Number.NaN, "NaN"],
      [Number.POSITIVE_INFINITY, "Infinity"],
      [-0, -0],
      [5e-324, 5e-324],
    ] as const) {
      assert.deepEqual(await read(doubleLiteral(value)), [seen]);
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }),
        async (values) => {
          assert.deepEqual(await read(...values.map(doubleLiteral)), values);
        },
      ),
    );
  });

  test("each column type's values, however given", async () => {
    const instant = new Date("2024-01-31T12:00:00.123Z");
    const cases: [ColumnType, LiteralValue, unknown][] = [
      ["BOOLEAN", true, true],
      ["BOOLEAN", false, false],
      ["INTEGER", -(2 ** 31), -(2 ** 31)],
      ["BIGINT", 2n ** 63n - 1n, "9223372036854775807"],
      ["BIGINT", "-9223372036854775808", "-9223372036854775808"],
      ["DOUBLE", "1.5", 1.5],
      ["DECIMAL(38,10)", "-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"],
      ["DECIMAL(12,2)", 1250n, "12.50"],
      ["DATE", "0001-01-01", "0001-01-01"],
      ["DATE", 19753, "2024-01-31"],
      ["DATE", instant, "2024-01-31"],
      ["TIMESTAMP", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"],
      ["TIMESTAMP", 1n, "1970-01-01T00:00:00.000001"],
      ["TIMESTAMP", instant, "2024-01-31T12:00:00.123000"],
      ["TIMESTAMP WITH TIME ZONE", "2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"],
      ["TIMESTAMP WITH TIME ZONE", instant, "2024-01-31T12:00:00.123000Z"],
      ["VARCHAR", "it's", "it's"],
    ];
    for (const [type, value, seen] of cases) {
      assert.deepEqual(await read(duckdb.literal(type, value), duckdb.literal(type, null)), [seen, null], type);
    }
    assert.equal(trino.literal("TIMESTAMP", instant), "TIMESTAMP '2024-01-31 12:00:00.123000'");
    assert.equal(trino.literal("TIMESTAMP WITH TIME ZONE", instant), "TIMESTAMP '2024-01-31 12:00:00.123000 UTC'");
    assert.equal(trino.literal("TIMESTAMP", null), "CAST(NULL AS TIMESTAMP(6))");
  });

  test("what is no value of the type is refused, not passed on", () => {
    const bad: [ColumnType, LiteralValue][] = [
      ["INTEGER", "1; DROP TABLE x"],
      ["BIGINT", 1.5],
      ["DECIMAL(5,2)", "1e5"],
      ["DATE", "2024-01-31' OR '1'='1"],
      ["DATE", "yesterday"],
      ["TIMESTAMP", "2024-01-31 12:00:00' --"],
      ["TIMESTAMP WITH TIME ZONE", "now"],
    ];
    for (const [type, value] of bad)
      assert.throws(() => duckdb.literal(type, value), /is not a valid/, `${type} ${String(value)}`);
  });
});
