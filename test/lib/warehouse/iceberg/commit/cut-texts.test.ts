import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { cutCondition, mayBeCut } from "../../../../../lib/warehouse/iceberg/commit/cut-texts.ts";

const CASES = ["", "a", "short", "exactly 16 bytes", "more than sixteen bytes", "ÄÄÄÄÄÄÄÄ", "ÄÄÄÄÄÄÄÄÄ"];
const MORE = ["0123456789abcdeÄ", "0123456789abcdefÄ", "日本語日本", "日本語日本語", "🎉🎉🎉🎉", "🎉🎉🎉🎉🎉"];

test("a text whose first 16 bytes end inside a character is found, and no text that is all ASCII", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
      if (!isUtf8(Buffer.from(text).subarray(0, 16))) assert.ok(mayBeCut(text), text);
    }),
  );
  fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), (text) => assert.equal(mayBeCut(text), false)));
});

test("the condition in SQL finds the same texts, in every text column", async () => {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const columns = [
    { name: 'a "b"', type: "VARCHAR" },
    { name: "n", type: "BIGINT" },
    { name: "c", type: "VARCHAR" },
  ] as const;
  const condition = cutCondition(columns)!;
  for (const text of [...CASES, ...MORE]) {
    for (const values of [`'${text}', 1, NULL`, `'x', 1, '${text}'`]) {
      const sql = `SELECT coalesce(bool_or(${condition}), false) FROM (VALUES (${values})) t("a ""b""", n, c)`;
      const [row] = (await connection.runAndReadAll(sql)).getRows();
      assert.equal(row![0], mayBeCut(text), text);
    }
  }
  connection.closeSync();
  assert.equal(cutCondition([{ name: "n", type: "BIGINT" }]), undefined);
});
