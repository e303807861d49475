import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkSchema, type Check } from "../../../../lib/contract/contract.ts";
import { combinedQuery, measureOf, type CheckContext } from "../../../../services/committer/commands/checks.ts";

/** What the checks count is held by test/contract/warehouse-checks.contract.ts, on real warehouses. */

const NOW_MS = Date.UTC(2024, 5, 15, 12);
const CONTEXT: CheckContext = {
  table: "t",
  columns: [
    { name: "id", type: "VARCHAR" },
    { name: "n", type: "INTEGER" },
    { name: "day", type: "DATE" },
    { name: "at", type: "TIMESTAMP WITH TIME ZONE" },
  ],
  dialect: "trino",
  nowMs: NOW_MS,
};

const check = (given: object): Check => checkSchema.parse({ name: "the check", ...given });

test("what cannot be asked is told apart, with its reason", () => {
  const broken: [object, RegExp][] = [
    [{ type: "positive", column: "gone" }, /table t has no column 'gone'/],
    [{ type: "positive", column: "id" }, /positive needs a number; 'id' is VARCHAR/],
    [{ type: "no_future_dates", column: "n" }, /needs a date or timestamp/],
    [{ type: "range", column: "n", min_value: "one" }, /'one' is no number/],
    [{ type: "range", column: "day", min_value: "June" }, /no DATE/],
    [{ type: "sorted", column: "id" }, /unknown check type: sorted/],
  ];
  for (const [given, message] of broken) {
    const measure = measureOf(check(given), CONTEXT);
    assert.equal(measure.by, "broken");
    assert.match(measure.by === "broken" ? measure.message : "", message);
  }
});

describe("each warehouse gets its own spelling where the two differ", () => {
  const sqlOf = (given: object, dialect: "trino" | "duckdb"): string => {
    const measure = measureOf(check(given), { ...CONTEXT, dialect });
    return measure.by === "broken" ? measure.message : measure.sql;
  };
  const cases: [object, string, string][] = [
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
  for (const [given, trino, duckdb] of cases) {
    test(JSON.stringify(given), () => {
      assert.equal(sqlOf(given, "trino"), trino);
      assert.equal(sqlOf(given, "duckdb"), duckdb);
    });
  }
});

test("checks of rows share the scan that counts them; only uniqueness reads its column once more", () => {
  const checks = [
    { type: "not_null", column: "id" },
    { type: "range", column: "n", min_value: 1 },
    { type: "row_count_range", min_count: 1 },
    { type: "uniqueness", column: "id" },
  ];
  const sql = combinedQuery(
    "t",
    checks.map((one) => measureOf(check(one), CONTEXT)),
  );
  assert.equal(sql.match(/FROM "lakehouse"\."t"/g)?.length, 2);
});
