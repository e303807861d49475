import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnDefinition, ColumnType } from "../../../lib/columns.ts";
import { nameColumns } from "../../../lib/parsing/names.ts";
import { renamedColumns } from "../../../lib/parsing/renames.ts";

const columns = (headers: readonly string[], type: ColumnType = "VARCHAR"): ColumnDefinition[] =>
  nameColumns(headers).map((name, index) => ({ name, type, header: headers[index]! }));

const pairs = (fresh: readonly string[], missing: readonly string[]): string[] =>
  renamedColumns(columns(fresh), columns(missing)).map(({ header, former }) => `${header} was ${former}`);

test("a new column looks like a missing one by plain name, by spelling or by words", () => {
  assert.deepEqual(pairs(["order.id"], ["Order-ID"]), ["order.id was order_id"]);
  assert.deepEqual(pairs(["customer_name"], ["customer"]), ["customer_name was customer"]);
  assert.deepEqual(pairs(["Quantaty"], ["quantity"]), ["Quantaty was quantity"]);
  assert.deepEqual(pairs(["city"], ["amount"]), []);
  assert.deepEqual(pairs(["a"], ["b"]), [], "one letter is no likeness");
});

test("each missing column is proposed once, to the most similar new one", () => {
  assert.deepEqual(pairs(["customer name", "customers"], ["customer"]), ["customers was customer"]);
});

test("columns of different kinds of types are not proposed", () => {
  assert.deepEqual(renamedColumns(columns(["amount eur"], "DATE"), columns(["amount"], "DOUBLE")), []);
  const [found] = renamedColumns(columns(["amount eur"], "INTEGER"), columns(["amount"], "DECIMAL(12,2)"));
  assert.equal(found?.former, "amount");
});
