import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSchema, type Check } from "../../../../lib/contract/checks.ts";
import { measurementOf } from "../../../../services/committer/commands/checks.ts";

/** What the checks count is tested on real warehouses by test/contract/warehouse-checks.contract.ts. */

const check = (given: object): Check => checkSchema.parse({ name: "the check", ...given });

test("checks of the table alone are measured together; others, and users' SQL, alone", () => {
  const by = (given: object): string => measurementOf(check(given)).by;
  assert.equal(by({ type: "not_null", column: "id" }), "together");
  assert.equal(by({ type: "uniqueness", column: "id" }), "together");
  assert.equal(by({ type: "referential", column: "id", references: { table: "p", column: "id" } }), "alone");
  assert.equal(by({ type: "custom_sql", sql: "SELECT 1" }), "alone");
});

test("the limits of a contract's checks reach the warehouse; freshness is that of the ingestion by default", () => {
  const measured = (given: object): unknown => {
    const measurement = measurementOf(check(given));
    return measurement.by === "broken" ? measurement.problem : measurement.measured;
  };
  assert.deepEqual(measured({ type: "range", column: "n", min_value: 1, max_value: "2" }), {
    type: "range",
    column: "n",
    min: 1,
    max: "2",
  });
  assert.deepEqual(measured({ type: "row_count_range", min_count: 3 }), {
    type: "row_count_range",
    min: 3,
    max: undefined,
  });
  assert.deepEqual(measured({ type: "freshness", max_age: "1h" }), {
    type: "freshness",
    column: "_ingested_at",
    maxAgeMs: 3_600_000,
  });
});
