/** The checks benchmark, tiny: the one statement reads less than the single ones, whatever the machine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ofDuckDb } from "../../bench/checks.ts";

test("checks as one statement and one by one", async () => {
  const found = (await ofDuckDb(2_000, 1)) as Record<string, number>;
  assert.equal(found["checks"], 8);
  assert.ok(found["oneStatementRowsRead"]! < found["checkByCheckRowsRead"]! / 3, JSON.stringify(found));
});
