import assert from "node:assert/strict";
import { test } from "node:test";
import { target } from "../fuzz-target.ts";
import { givenFile } from "./files.ts";
import { jobOf, readBothWays, type Given } from "./readings.ts";

const RUNS = 250;
const SEED = Number(process.env["TRIBUTARY_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`rows that are taken at once change nothing (TRIBUTARY_TEST_SEED=${SEED})`, async () => {
  let files = 0;
  const compare = target("plain rows", RUNS, givenFile, async (given) => {
    if ((await readBothWays(given.bytes, jobOf(given))).atOnce > 0) files++;
  });
  await compare.run(RUNS, SEED);
  assert.ok(files > RUNS / 20, `${files} of ${RUNS} files have rows that are taken at once`);
});

/** A row of every kind of values: integers, decimals, dates, times with and without an offset, words, texts. */
const HEADER = "integer,wide,decimal,date,time,zoned,truth,text,later";
const PLAIN = '1234567890,1234567890123456789,-12.50,2024-02-29,2024-02-29 10:00,2024-02-29T10:00:00Z,true,"a, b",';
const rowsWith = (...rows: string[]): string[] => [HEADER, ...Array<string>(20).fill(PLAIN), ...rows];

/** The plain row with another value in a field. */
function changed(field: string, value: string): string {
  const cells = PLAIN.replace("a, b", "a; b").split(",");
  cells[HEADER.split(",").indexOf(field)] = value;
  return cells.join(",");
}

/** Lines of a file that is long before these lines and after them. */
const long = (lines: readonly string[], end = "\n"): Buffer => {
  const regular = lines.slice(1, 21);
  return Buffer.from([...lines, ...regular, ...regular, ""].join(end));
};

const VALUES: Record<string, readonly string[]> = {
  integer: ["2147483648", "12345678901", "007", "-", "1.5", "+1", " 1", "1 ", '"1', "1e5", "0", "-5", "1-2", ".", "5."],
  wide: ["9223372036854775808", "12345678901234567890", "0.5", "x"],
  decimal: ["1.234", "123.4", "1234567890.5", "7", "12.", ".", "0.5", ".5", "-0.25", "1.5e3", "NaN", "00.5", "1.2.3"],
  date: ["2024-13-01", "2023-02-29", "2024-04-31", "2024-1-05", "2024-01/05", "2024-00-05", "2024-01-00", "2024/01/31"],
  time: ["2024-01-31", "2024-01-31 24:00", "2024-01-31 10:60", "2024-01-31 10:00:60", "2024-01-31T10:00:01.1234567"],
  zoned: [
    "2024-01-31T10:00:00+19:00",
    "2024-01-31T10:00:00",
    "2024-01-31 10:00-18:59",
    "2024-01-31",
    "9999-12-31T23:00-05:00",
  ],
  truth: ["yes", "tru", "TRUE", "False", "falsey", "1"],
  text: [" x", "x ", '" x"', "\tx", "\u00a0", '"a\nb"', '"a\rb"', '"a""b"', '""', "x\0y", "é", "x".repeat(500)],
  later: ["x", "1", " ", '""'],
};
const MORE: Record<string, readonly string[]> = {
  date: ["2024-01-31 10:00", "0000-01-01", "0999-01-01", "9999-12-31", "2024-01-3", "2024-01-311", "20240131"],
  time: ["2024-01-31 1:00", "2024-01-31 10:0", "2024-01-31 10.00", "2024-01-31T10:00:00.", "2024-01-31 10:00Z"],
  zoned: ["2024-01-31T10:00:00z", "2024-01-31T10:00:00+2:00", "2024-01-31T10:00:00+02:60", "2024-01-31T10:00:00 Z"],
  integer: ["NULL", "", '""', "\ufeff1"],
};

/** Files of texts alone, in which little else tells a row that is none. */
const texts = (...rows: string[]): string[] => ["name,city", ...Array<string>(20).fill("x,Rome"), ...rows];

/** Contracts with rules about what is otherwise plain. */
const CONTRACTS: Record<string, object> = {
  required: { columns: [{ name: "integer", type: "INTEGER", required: true }], nullMarkers: ["NULL", "1234567890"] },
  "required text": { columns: [{ name: "text", type: "VARCHAR", required: true }], nullMarkers: ["a; b"] },
  rule: { columns: [{ name: "decimal", type: "DECIMAL(10,2)", rule: { min: 0, action: "reject" } }] },
  sample: { inferenceSampleRows: 30 },
  declared: {
    columns: [
      { name: "integer", type: "BIGINT" },
      { name: "wide", type: "DECIMAL(18,2)" },
      { name: "decimal", type: "DECIMAL(4,2)" },
      { name: "date", type: "TIMESTAMP" },
      { name: "zoned", type: "TIMESTAMP WITH TIME ZONE" },
      { name: "truth", type: "BOOLEAN" },
    ],
  },
  doubles: { columns: ["integer", "wide", "decimal"].map((name) => ({ name, type: "DOUBLE" })) },
};

/** By what they are about; every file has rows that are taken at once, unless its contract has a rule. */
const CASES: Record<string, Given> = {
  "rows without a value": { bytes: long(rowsWith(",,,,,,,,", '"","","","","","","","",""')) },
  "rows of blanks": { bytes: long(texts(" ,\t", "\u00a0,\u3000")) },
  "a header that comes again": { bytes: long(texts("NAME, City", "name,city")) },
  "an underline below the header": {
    bytes: long(["name,city", "----,----", ...texts().slice(1)]),
    limits: { pieceBytes: 4 },
  },
  "byte order marks": { bytes: long(texts("\ufeffx,y")) },
  "a CR in a text": { bytes: long(texts("x\ry,z")) },
  "an LF in a text": { bytes: long(texts("x\ny,z"), "\r\n") },
  "CRLF after a text": { bytes: long(texts("x,y\r")) },
  "CRLF throughout": { bytes: long(texts("x,y"), "\r\n") },
  "quotes within fields": { bytes: long(texts('x"y,z', '"x"y,z', '"x" ,z', 'x,"y"z')) },
  "a line end in quotes, and a reject": {
    bytes: long(rowsWith(changed("text", '"a\nb"'), changed("integer", "x"))),
    contract: { columns: [{ name: "integer", type: "INTEGER" }] },
  },
  "fields too many and too few": { bytes: long(rowsWith(`${PLAIN},x`, "1,2")) },
  "a row that may not fit into a message": {
    bytes: long(texts(`${"x".repeat(9_000)},y`)),
    limits: { messageBytesMax: 9_000 },
  },
  "a row beyond the limit": { bytes: long(texts(`${"x".repeat(400)},y`)), limits: { recordBytesMax: 300 } },
  "points that separate thousands": {
    bytes: Buffer.from(`a;b\n${"x;1.234\n".repeat(40)}x;1.25\n${"x;1.234\n".repeat(40)}`),
  },
  "bytes that are no text": {
    bytes: Buffer.concat([long(["né,city", ...texts()]), Buffer.from([0x78, 0xff, 0x2c, 0x79, 0x0a]), long(texts())]),
  },
  "a footer": { bytes: Buffer.from(`name,n\n${"x,1\n".repeat(60)}Total,60\n`) },
  "one column": { bytes: Buffer.from(`n\n${"1\n".repeat(400)}\n${"1\n".repeat(400)}`) },
};
for (const [field, values] of [...Object.entries(VALUES), ...Object.entries(MORE)]) {
  for (const value of values)
    CASES[`${field}: ${JSON.stringify(value).slice(0, 40)}`] = { bytes: long(rowsWith(changed(field, value))) };
}
const EVERY = Object.entries(VALUES).flatMap(([field, values]) => values.map((value) => changed(field, value)));
for (const [what, contract] of Object.entries(CONTRACTS)) {
  CASES[`contract: ${what}`] = { bytes: long(rowsWith(...EVERY)), contract };
  for (const [at, row] of EVERY.entries()) CASES[`contract: ${what}, ${at}`] = { bytes: long(rowsWith(row)), contract };
}

test("known cases: rows that are taken at once change nothing", async () => {
  const none: string[] = [];
  for (const [what, given] of Object.entries(CASES)) {
    const { atOnce } = await readBothWays(given.bytes, jobOf(given)).catch((thrown: unknown) => {
      throw new Error(what, { cause: thrown });
    });
    if (atOnce === 0) none.push(what);
  }
  const isKnown = (what: string): boolean => /underline|no text|one column|contract/.test(what);
  assert.deepEqual(
    none.filter((what) => !isKnown(what)),
    [],
    "files without a row that is taken at once",
  );
});
