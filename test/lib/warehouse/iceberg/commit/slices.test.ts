import assert from "node:assert/strict";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdb } from "../../../../../lib/warehouse/duckdb-engine/dialect.ts";
import { rowsOf } from "../../../../../lib/warehouse/duckdb-engine/rows.ts";
import { keySlices } from "../../../../../lib/warehouse/iceberg/commit/slices.ts";
import type { MergeInput } from "../../../../../lib/warehouse/commit/merge.ts";

const ROWS = `SELECT * FROM (VALUES (1.0, 'a', 1), (1.00, 'a', 2), (NULL, 'b', 3), (NULL, 'b', 4), (2.0, 'c', 5), (3.0, NULL, 6),
  (3.0, NULL, 7), (4.0, 'd', 8)) v (id, code, row_number)`;

const input = (over: Partial<MergeInput["layout"]> = {}): MergeInput => ({
  dialect: duckdb,
  target: "t",
  layout: { table: "t", mode: "upsert", key: ["id", "code"], partitioning: [], deleteMissing: false, ...over },
  columns: [
    { name: "id", header: "id", type: "DOUBLE" },
    { name: "code", header: "code", type: "VARCHAR" },
  ],
  files: [],
  rows: ROWS,
});

test("each row is in one slice, and all rows of a key are in the same", async () => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const slices = keySlices(input(), { rows: 8, rowsMax: 2 });
  assert.equal(slices.length, 4);
  const found: unknown[] = [];
  const sliceOf = new Map<string, number>();
  for (const [index, { rows }] of slices.entries()) {
    for (const [id, code, row] of await rowsOf(connection, `SELECT * FROM (${rows})`)) {
      found.push(row);
      const key = `${String(id)} ${String(code)}`;
      assert.equal(sliceOf.get(key) ?? index, index, key);
      sliceOf.set(key, index);
    }
  }
  assert.deepEqual(
    found.map(Number).toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.ok(new Set(sliceOf.values()).size > 1);
  connection.closeSync();
  instance.closeSync();
});

test("a small batch stays whole, and one that deletes the keys that it lacks", () => {
  assert.deepEqual(keySlices(input(), { rows: 8, rowsMax: 8 }), [input()]);
  const missing = input({ deleteMissing: true });
  assert.deepEqual(keySlices(missing, { rows: 8, rowsMax: 2 }), [missing]);
});
