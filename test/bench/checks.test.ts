/** The checks benchmark, tiny: the one statement reads less than the single ones, whatever the machine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ofDuckDb } from "../../bench/checks.ts";

test("checks as one statement and one by one", async () => {
  const { checks, oneStatement, checkByCheck } = await ofDuckDb(2_000, 1);
  assert.equal(checks, 8);
  assert.ok(oneStatement.rowsRead < checkByCheck.rowsRead / 3, JSON.stringify({ oneStatement, checkByCheck }));
});
