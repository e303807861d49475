import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { duckdb } from "../../../../lib/warehouse/duckdb-engine/dialect.ts";
import { checkSql, measure, measureStatement, type CheckContext } from "../../../../lib/warehouse/reads/checks.ts";
import type { TableCheck } from "../../../../lib/warehouse/reads/port.ts";
import type { Dialect } from "../../../../lib/warehouse/sql/dialect.ts";
import { trino } from "../../../../lib/warehouse/trino/dialect.ts";

/** What the checks count is tested on real warehouses by test/contract/warehouse-checks.contract.ts. */

const NOW_MS = Date.UTC(2024, 5, 15, 12);
const CONTEXT: CheckContext = {
  table: "t",
  columns: [
    { name: "id", type: "VARCHAR" },
    { name: "n", type: "INTEGER" },
    { name: "day", type: "DATE" },
    { name: "at", type: "TIMESTAMP WITH TIME ZONE" },
  ],
  dialect: trino,
  nowMs: NOW_MS,
};

const BROKEN: [TableCheck, RegExp][] = [
  [{ type: "positive", column: "gone" }, /table t has no column 'gone'/],
  [{ type: "positive", column: "id" }, /positive needs a number; 'id' is VARCHAR/],
  [{ type: "no_future_dates", column: "n" }, /needs a date or timestamp/],
  [{ type: "range", column: "n", min: "one", max: undefined }, /'one' is not a number/],
  [{ type: "range", column: "day", min: "June", max: undefined }, /"June" is not a valid DATE/],
];

test("a check that cannot be asked of the table has a problem instead of SQL", () => {
  for (const [check, message] of BROKEN) {
    const part = checkSql(check, CONTEXT);
    assert.equal(part.by, "none");
    assert.match(part.by === "none" ? part.problem : "", message);
  }
});

describe("each dialect has its own spelling", () => {
  const sqlOf = (check: TableCheck, dialect: Dialect): string => {
    const part = checkSql(check, { ...CONTEXT, dialect });
    return part.by === "none" ? part.problem : part.sql;
  };
  const cases: [TableCheck, string, string][] = [
    [
      { type: "regex", column: "id", pattern: "^a'b" },
      `count(CASE WHEN NOT regexp_like("id", '^a''b') THEN 1 END)`,
      `count(CASE WHEN NOT regexp_matches("id", '^a''b') THEN 1 END)`,
    ],
    [
      { type: "no_future_dates", column: "at" },
      `count(CASE WHEN "at" >= TIMESTAMP '2024-06-16 00:00:00 UTC' THEN 1 END)`,
      `count(CASE WHEN "at" >= TIMESTAMPTZ '2024-06-16 00:00:00+00' THEN 1 END)`,
    ],
  ];
  for (const [check, onTrino, onDuckDb] of cases) {
    test(JSON.stringify(check), () => {
      assert.equal(sqlOf(check, trino), onTrino);
      assert.equal(sqlOf(check, duckdb), onDuckDb);
    });
  }
});

test("checks of rows share the scan that counts them; only uniqueness reads its column once more", () => {
  const checks: TableCheck[] = [
    { type: "not_null", column: "id" },
    { type: "range", column: "n", min: 1, max: undefined },
    { type: "row_count_range", min: 1, max: undefined },
    { type: "uniqueness", column: "id" },
  ];
  const sql = measureStatement(
    "t",
    checks.map((check) => checkSql(check, CONTEXT)),
  );
  assert.equal(sql.match(/FROM "lakehouse"\."t"/g)?.length, 2);
});

describe("measure", () => {
  /** A warehouse that answers every query with these numbers. */
  const reader = (...numbers: number[]) => {
    const queries: string[] = [];
    const query = async (sql: string) => {
      queries.push(sql);
      return { columns: [], rows: [numbers], truncated: false };
    };
    return { queries, dialect: duckdb, query, describe: async () => undefined };
  };
  const limits = { nowMs: NOW_MS, timeoutMs: 1_000 };

  test("one statement for all checks; each has its own number or problem", async () => {
    const warehouse = reader(7, 1, 2);
    const [broken] = BROKEN[0]!;
    const checks: TableCheck[] = [{ type: "not_null", column: "id" }, broken, { type: "custom_sql", sql: "SELECT 1" }];
    assert.deepEqual(await measure(warehouse, CONTEXT, checks, limits), {
      rowCount: 7,
      failing: [1, { problem: "table t has no column 'gone'" }, 2],
    });
    assert.equal(warehouse.queries.length, 1);
    assert.deepEqual(await measure(warehouse, CONTEXT, [], limits), { rowCount: 7, failing: [] });
  });

  test("checks that cannot be asked cost no statement", async () => {
    const warehouse = reader(7);
    const checks = BROKEN.map(([check]) => check);
    const { rowCount, failing } = await measure(warehouse, CONTEXT, checks, limits);
    assert.equal(rowCount, undefined);
    assert.equal(failing.length, BROKEN.length);
    assert.deepEqual(warehouse.queries, []);
  });
});
