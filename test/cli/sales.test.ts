import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { loadContracts } from "../../lib/contract/load.ts";
import { COUNTRIES, SALES_HEADER, salesCsv } from "../../cli/sales.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const csv = (rows: number, seed = 1): string => [...salesCsv({ rows, seed })].join("");
const recordsOf = (text: string): string[][] =>
  text
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));

test("data/sales_sample.csv equals the generator's output", () => {
  const sample = readFileSync(`${root}data/sales_sample.csv`, "utf8");
  assert.equal(sample, csv(200), "run `npm run tributary -- generate-sales --out data/sales_sample.csv --force`");
});

test("the sample holds 200 orders of 50 customers, 10 countries and 26 days, up to 5650.00", () => {
  const text = csv(200);
  assert.equal(text.split("\n", 1)[0], SALES_HEADER);
  const records = recordsOf(text);
  const distinct = (column: number) => [...new Set(records.map((record) => record[column]!))].sort();
  assert.equal(records.length, 200);
  assert.deepEqual([records[0]![0], records[199]![0]], ["ORD-001", "ORD-200"]);
  assert.equal(distinct(0).length, 200);
  assert.deepEqual([distinct(1).length, distinct(1)[0], distinct(1)[49]], [50, "CUST-100", "CUST-149"]);
  assert.deepEqual(distinct(3), [...COUNTRIES].sort());
  assert.deepEqual([distinct(4).length, distinct(4)[0], distinct(4)[25]], [26, "2024-01-15", "2024-02-09"]);
  assert.ok(records.every(([, , amount]) => /^\d+\.\d\d$/.test(amount!) && Number(amount) > 0));
  assert.equal(Math.max(...records.map(([, , amount]) => Number(amount))), 5650);
});

test("the countries equal the contract's accepted values", () => {
  const { checks } = loadContracts(`${root}contracts`).of("sales");
  const check = checks.find(({ type }) => type === "accepted_values");
  assert.ok(check?.type === "accepted_values");
  assert.deepEqual(check.accepted, [...COUNTRIES]);
});

test("the same seed gives the same file, another seed another file, for any number of rows", () => {
  assert.equal(csv(5_000, 7), csv(5_000, 7));
  assert.notEqual(csv(50, 7), csv(50, 8));
  for (const rows of [1, 2, 1_999, 2_000, 2_001]) assert.equal(recordsOf(csv(rows)).length, rows);
});
