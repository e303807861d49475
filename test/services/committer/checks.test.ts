import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ColumnDefinition } from "../../../lib/columns.ts";
import { checkSchema, type Check } from "../../../lib/contract/contract.ts";
import type { RowBatch } from "../../../lib/events/generated.ts";
import { openWarehouse } from "../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { combinedQuery, measureOf, type CheckContext, type Measure } from "../../../services/committer/checks.ts";
import { messagesOf } from "../../support/row-messages.ts";

const NOW_MS = Date.UTC(2024, 5, 15, 12);
const DAY = 19_889; // 2024-06-15, in days since 1970
const cents = (n: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(n));
  return bytes;
};

const COLUMNS = {
  id: "VARCHAR",
  amount: "DECIMAL(12,2)",
  n: "INTEGER",
  ratio: "DOUBLE",
  ok: "BOOLEAN",
  day: "DATE",
  at: "TIMESTAMP",
  'we"ird': "VARCHAR",
} as const;

const micros = (ms: number): number => ms * 1000;
const ROWS = [
  ["a", cents(100), 1, 0.5, true, DAY, micros(NOW_MS), "x'y"],
  ["a", cents(-5), 2, 1.5, false, DAY + 1, micros(NOW_MS + 3_600_000), "z"],
  ["b", cents(0), 3, null, null, DAY - 1, null, null],
  ["b", null, null, -1, true, null, micros(NOW_MS + 86_400_000), "x'y"],
  [null, cents(10_000_001), 5, 2, true, DAY - 9, micros(NOW_MS - 1), "X"],
];

describe("checks on DuckDB", () => {
  let warehouse: Warehouse;
  const context: CheckContext = {
    table: "t",
    columns: Object.entries(COLUMNS).map(([name, type]) => ({ name, type })),
    dialect: "duckdb",
    nowMs: NOW_MS,
  };

  before(async () => {
    warehouse = await openWarehouse("duckdb::memory:");
    await fill(warehouse, "t", COLUMNS, ROWS);
    await fill(warehouse, "parents", { key: "VARCHAR" }, [["a"], [null]]);
  });
  after(() => warehouse.close());

  const ask = async (measures: readonly Measure[]): Promise<number[]> => {
    const { rows } = await warehouse.query(combinedQuery("t", measures), { rowsMax: 1, timeoutMs: 10_000 });
    return rows[0]!.map(Number);
  };

  const cases: [object, number][] = [
    [{ type: "uniqueness", column: "id" }, 2],
    [{ type: "uniqueness", column: "n" }, 0],
    [{ type: "not_null", column: "id" }, 1],
    [{ type: "not_null", column: "_source_file" }, 0],
    [{ type: "accepted_values", column: 'we"ird', accepted: ["x'y", "Z"] }, 2],
    [{ type: "accepted_values", column: "n", accepted: [1, 2, "3"] }, 1],
    [{ type: "accepted_values", column: "amount", accepted: [1, -0.05, "0.00"] }, 1],
    [{ type: "accepted_values", column: "ok", accepted: [true] }, 1],
    [{ type: "accepted_values", column: "day", accepted: ["2024-06-15"] }, 3],
    [{ type: "positive", column: "amount" }, 2],
    [{ type: "positive", column: "ratio" }, 1],
    [{ type: "range", column: "amount", min_value: 0.01, max_value: 100_000 }, 3],
    [{ type: "range", column: "amount", min_value: "-0.051", max_value: 100_000.01 }, 0],
    [{ type: "range", column: "n", min_value: 1.5 }, 1],
    [{ type: "range", column: "ratio", max_value: 1.5 }, 1],
    [{ type: "range", column: "day", min_value: "2024-06-14", max_value: "2024-06-15" }, 2],
    [{ type: "range", column: "day" }, 0],
    [{ type: "row_count_range", min_count: 1, max_count: 5 }, 0],
    [{ type: "row_count_range", min_count: 6 }, 1],
    [{ type: "row_count_range", max_count: 4 }, 1],
    [{ type: "no_future_dates", column: "day" }, 1],
    [{ type: "no_future_dates", column: "at" }, 1],
    [{ type: "regex", column: "id", pattern: "^[a']$" }, 2],
    [{ type: "regex", column: "n", pattern: "^[0-9]+$" }, 0],
    [{ type: "freshness", column: "at", max_age: "1h" }, 0],
    [{ type: "freshness", column: "day", max_age: "1h" }, 0],
    [{ type: "freshness", max_age: "1h" }, 1],
    [{ type: "referential", column: "id", references: { table: "parents", column: "key" } }, 2],
    [{ type: "custom_sql", sql: "SELECT * FROM t WHERE n > 1 -- all but one" }, 3],
    [{ type: "custom_sql", sql: " SELECT id FROM t; " }, 5],
  ];

  for (const [given, expected] of cases) {
    test(`${JSON.stringify(given)} → ${expected}`, async () => {
      const measure = measureOf(check(given), context);
      assert.deepEqual(await ask([measure]), [5, expected]);
    });
  }

  test("all checks of the table together take one statement and give the same", async () => {
    const chosen = cases.filter(([given]) => !/referential|custom_sql/.test(JSON.stringify(given)));
    const measures = chosen.map(([given]) => measureOf(check(given), context));
    assert.deepEqual(await ask(measures), [5, ...chosen.map(([, expected]) => expected)]);
  });

  const broken: [object, RegExp][] = [
    [{ type: "positive", column: "gone" }, /table t has no column 'gone'/],
    [{ type: "positive", column: "id" }, /positive needs a number; 'id' is VARCHAR/],
    [{ type: "no_future_dates", column: "n" }, /needs a date or timestamp/],
    [{ type: "range", column: "n", min_value: "one" }, /'one' is no number/],
    [{ type: "range", column: "day", min_value: "June" }, /no DATE/],
    [{ type: "freshness", max_age: "soon" }, /'soon' is no duration/],
  ];
  for (const [given, message] of broken) {
    test(`${JSON.stringify(given)} cannot be asked`, () => {
      const measure = measureOf(check(given), context);
      assert.equal(measure.by, "broken");
      assert.match(measure.by === "broken" ? measure.message : "", message);
    });
  }
});

test("Trino gets its own spelling where the two differ", () => {
  const context: CheckContext = {
    table: "t",
    columns: [
      { name: "id", type: "VARCHAR" },
      { name: "at", type: "TIMESTAMP WITH TIME ZONE" },
    ],
    dialect: "trino",
    nowMs: NOW_MS,
  };
  const sqlOf = (given: object): string => {
    const measure = measureOf(check(given), context);
    return measure.by === "broken" ? measure.message : measure.sql;
  };
  assert.equal(
    sqlOf({ type: "regex", column: "id", pattern: "^a'b" }),
    `count(CASE WHEN NOT regexp_like("id", '^a''b') THEN 1 END)`,
  );
  assert.equal(
    sqlOf({ type: "no_future_dates", column: "at" }),
    `count(CASE WHEN "at" >= TIMESTAMP '2024-06-16 00:00:00 UTC' THEN 1 END)`,
  );
});

const check = (given: object): Check => checkSchema.parse({ name: "the check", ...given });

async function fill(warehouse: Warehouse, table: string, columns: Record<string, string>, rows: unknown[][]) {
  const file = { table, sourceFile: "f", sourceOffset: 1, columns: columns as typeof COLUMNS, rows };
  const definitions = Object.entries(file.columns).map(([name, type]): ColumnDefinition => ({
    name,
    type,
    header: name,
  }));
  const layout = { table, mode: "replace", key: [], deleteMissing: false, partitioning: [] } as const;
  await warehouse.ensureTable(layout, definitions);
  const stage = warehouse.stage(table, "run");
  for (const { body } of messagesOf(file)) {
    if ("tributary.RowBatch" in body) await stage.append(body["tributary.RowBatch"] satisfies RowBatch);
  }
  const version = { fileId: "id", sourceFile: "f", sourceOffset: 1, columns: definitions, stage };
  await warehouse.commit({ layout, files: [version] });
}
