import assert from "node:assert/strict";
import { test } from "node:test";
import { numberFormat, scanNumberAs, type NumberOptions } from "../../../lib/typing/number-formats.ts";
import { KIND, newScan } from "../../../lib/typing/scan.ts";

/** The text as a number of this format in the notation of programs; "" for a blank, undefined for what is none. */
function read(options: NumberOptions, text: string): string | undefined {
  const [format, scan, bytes] = [numberFormat(options), newScan(), Buffer.from(`[${text}]`)];
  const kind = scanNumberAs(format, bytes, { start: 1, end: bytes.length - 1 }, scan);
  if (kind === KIND.TEXT) return undefined;
  return kind === KIND.EMPTY ? "" : format.canonical.toString("latin1", scan.start, scan.end);
}

const all = (options: NumberOptions, texts: readonly string[]) => texts.map((text) => read(options, text));

test("decimal comma and groups: whole groups only, so that no reading is off by a thousand", () => {
  const german = { decimal: ",", group: "." } as const;
  assert.deepEqual(all(german, ["1.248,61", "-1.000", "5", ",5", "12.345.678,9"]), [
    "1248.61",
    "-1000",
    "5",
    ".5",
    "12345678.9",
  ]);
  assert.deepEqual(
    all(german, ["1.5", "0.123", "1.2345", "1.234.", "1,2,3", "12.34.567", "-", "abc", "1..000", "1234.567"]),
    Array.from({ length: 10 }),
  );
  assert.deepEqual(all({ group: "," }, ["1,234.50", "12,34,567", "1,23"]), ["1234.50", "1234567", undefined]);
});

test("blanks and apostrophes of any kind separate groups", () => {
  for (const blank of [" ", "\u00a0", "\u202f", "\u2009"]) {
    assert.deepEqual(all({ decimal: ",", group: " " }, [`1${blank}234${blank}567,5`]), ["1234567.5"]);
    assert.deepEqual(all({ decimal: ",", group: blank }, ["1 234,5"]), ["1234.5"]);
  }
  assert.deepEqual(all({ group: "'" }, ["1'234", "1’234"]), ["1234", "1234"]);
});

test("currency, parentheses and signs on either side, each once", () => {
  const money = { group: ",", strip: ["$", "USD", "US$"], parentheses: true };
  assert.deepEqual(
    all(money, ["$1,234.50", "($12.50)", "-$5", "$-5", "$ 5", "5 USD", "US$5", "12-", "−5", "+5", " 7 "]),
    ["1234.50", "-12.50", "-5", "-5", "5", "5", "5", "-12", "-5", "5", "7"],
  );
  assert.deepEqual(all(money, ["(-5)", "--5", "$", "()", "€5", "(5", "-5-"]), Array.from({ length: 7 }));
  assert.equal(read({}, "(12.50)"), undefined);
});

test("per cent and per mille are divided without rounding, and a value without the sign is no percentage", () => {
  assert.deepEqual(all({ percent: true }, ["5%", "12.5 %", "-0.05%", "100%", "5‰", "% 5", "0.0000000000000000001%"]), [
    "0.05",
    "0.125",
    "-0.0005",
    "1.00",
    "0.005",
    "0.05",
    "0.000000000000000000001",
  ]);
  assert.deepEqual(all({ percent: true }, ["5", "%", "5%%", "5%‰"]), Array.from({ length: 4 }));
});

test("blank fields are empty, long texts are not numbers", () => {
  assert.deepEqual(all({}, ["", "  ", "\u00a0"]), ["", "", ""]);
  assert.equal(read({}, "1".repeat(500)), undefined);
});
