/** The benchmarks, tiny: they run, and what they count adds up (each throws if a row is missing). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bigFile, manyFiles, smallFileLatency } from "../../bench/embedded.ts";

test("big file", async () => {
  const result = await bigFile({ rows: 2_000, rounds: 1, table: "sales" });
  assert.ok(result.ratio > 0);
});

test("small files, one after the other", async () => {
  const result = await smallFileLatency({ files: 2 });
  assert.ok(result.medianMs > 0);
});

test("many files over many tables", async () => {
  const result = await manyFiles({ files: 12, tables: 4, rowsPerFile: 5 });
  assert.equal(result.lost, 0);
});
