import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "./parsing.ts";
import { preview } from "./shown.ts";

const LONG = "id,x,y\n1,0.1234567890123456789,1.5\n2,0.2,2.5\n";

test("a column that loses digits as DOUBLE is named, in the preview and with the file", async () => {
  const { summary } = await parse(LONG);
  assert.equal(summary.columns[1]?.type, "DOUBLE");
  assert.deepEqual(
    summary.warnings?.map(({ rule }) => rule),
    ["rounded"],
  );
  assert.match(summary.warnings[0]!.message, /'x' has values of 19 digits; .*DECIMAL/);
  assert.deepEqual((await preview(LONG)).notes, [summary.warnings[0]!.message]);
});

test("no column is named that keeps its digits, or whose type the contract declares", async () => {
  for (const text of ["x\n1.5\n", "x\n0.12345678901234567\n", "x\n1e-5\n2.5\n", "x\n1234567890123456789.12\n"]) {
    assert.equal((await parse(text)).summary.warnings, undefined, text);
  }
  for (const type of ["DOUBLE", "DECIMAL(38,19)"]) {
    const contract = { columns: [{ name: "x", type }] };
    assert.equal((await parse(LONG, { contract })).summary.warnings, undefined, type);
  }
});
