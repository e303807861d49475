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

/** By field: values of a row among plain ones. */
const VALUES: Record<string, readonly string[]> = {
  integer: [
    ...["2147483648", "12345678901", "007", "-", "1.5", "+1", " 1", "1 ", '"1', "1e5", "0", "-5", "1-2", ".", "5."],
    ...["NULL", "", '""', "\ufeff1", "7"],
  ],
  wide: ["9223372036854775808", "12345678901234567890", "0.5", "x"],
  decimal: [
    ...["1.234", "123.4", "1234567890.5", "7", "0", "12.", ".", "0.5", ".5", "-0.25", "1.5e3", "NaN", "00.5", "1.2.3"],
    ...["-99.99", "1234567890123456"],
  ],
  date: [
    ...["2024-13-01", "2023-02-29", "2024-04-31", "2024-1-05", "2024-01/05", "2024-00-05", "2024-01-00", "2024/01/31"],
    ...["2024-01-31 10:00", "0000-01-01", "0999-01-01", "9999-12-31", "2024-01-3", "2024-01-311", "20240131"],
  ],
  time: [
    ...["2024-01-31", "2024-01-31 24:00", "2024-01-31 10:60", "2024-01-31 10:00:60", "2024-01-31T10:00:01.1234567"],
    ...["2024-01-31 1:00", "2024-01-31 10:0", "2024-01-31 10.00", "2024-01-31T10:00:00.", "2024-01-31 10:00Z"],
  ],
  zoned: [
    ...["2024-01-31T10:00:00+19:00", "2024-01-31T10:00:00", "2024-01-31 10:00-18:59", "9999-12-31T23:00-05:00"],
    ...["2024-01-31", "2024-01-31T10:00:00z", "2024-01-31T10:00:00+2:00", "2024-01-31T10:00:00+02:60"],
    "2024-01-31T10:00:00 Z",
  ],
  truth: ["yes", "tru", "trug", "maybe", "TRUE", "False", "falsey", "1"],
  text: [" x", "x ", '" x"', "\tx", "\u00a0", '"a\nb"', '"a\rb"', '"a""b"', '""', "x\0y", "é", "x".repeat(500), "NULL"],
  later: ["x", "1", " ", '""'],
};

/** Files of texts alone, in which little else tells a row that is none. */
const texts = (...rows: string[]): string[] => ["name,city", ...Array<string>(120).fill("x,Rome"), ...rows];
const pairs = (header: string, row: string, other: string): string[] => [
  header,
  ...Array<string>(120).fill(row),
  other,
];

/** Contracts that make other values plain or odd, and the fields in which they do. `none`: no row is plain. */
const CONTRACTS: Record<string, { contract: object; fields: readonly string[]; none?: true }> = {
  required: {
    contract: { columns: ["integer", "text"].map((name) => ({ name, required: true, ...typeOf(name) })) },
    fields: ["integer", "text"],
  },
  "required, with other texts for NULL": {
    contract: { columns: [{ name: "integer", type: "INTEGER", required: true }], nullMarkers: ["NULL", "7"] },
    fields: ["integer"],
    none: true,
  },
  "required text, with other texts for NULL": {
    contract: { columns: [{ name: "text", type: "VARCHAR", required: true }], nullMarkers: ["NULL"] },
    fields: ["text"],
    none: true,
  },
  "texts for NULL": { contract: { nullMarkers: ["NULL", "7", "x"] }, fields: ["integer", "text", "later"] },
  rule: {
    contract: { columns: [{ name: "decimal", type: "DECIMAL(10,2)", rule: { min: -50, action: "reject" } }] },
    fields: ["decimal"],
    none: true,
  },
  sample: { contract: { inferenceSampleRows: 10 }, fields: ["integer", "decimal", "date"] },
  declared: {
    contract: {
      columns: ["integer", "wide", "decimal", "date", "zoned", "truth"].map((name) => ({ name, ...typeOf(name) })),
    },
    fields: Object.keys(VALUES),
  },
  doubles: {
    contract: { columns: ["integer", "decimal"].map((name) => ({ name, type: "DOUBLE" })) },
    fields: ["integer", "decimal"],
  },
};

function typeOf(name: string): { type: string } {
  const types: Record<string, string> = {
    ...{ integer: "BIGINT", wide: "DECIMAL(21,2)", decimal: "DECIMAL(4,2)", date: "TIMESTAMP" },
    ...{ zoned: "TIMESTAMP WITH TIME ZONE", truth: "BOOLEAN", text: "VARCHAR" },
  };
  return { type: types[name]! };
}

/** By what they are about. One row of a file is odd: those next to it are read one by one. */
const CASES: Record<string, Given & { none?: true }> = {
  "a row without a value": { bytes: long(rowsWith(",,,,,,,,")) },
  "a row of empty quotes": { bytes: long(rowsWith('"","","","","","","","",""')) },
  "a row of blanks": { bytes: long([...texts(), " ,\tx", ...texts().slice(1), " ,\t"]) },
  "a row of no-break blanks": { bytes: long([...texts(), " ,x", ...texts().slice(1), " ,\u00a0"]) },
  "a row of wide blanks": { bytes: long([...texts(), " ,x", ...texts().slice(1), " ,\u3000"]) },
  "a header that comes again": { bytes: long(texts("name,city")) },
  "a header in capitals that comes again": { bytes: long(texts("NAME,City")) },
  "an underline below the header": {
    // The header alone is what is read first: a quarter of `detectionBytes`.
    bytes: Buffer.from(`${"n".repeat(49)},${"c".repeat(49)}\n----,----\n${"x,Rome\n".repeat(160)}`),
    limits: { pieceBytes: 4 },
    none: true,
  },
  "a byte order mark": { bytes: long(texts("\ufeffx,y")) },
  "a byte order mark, without a header": { bytes: long(texts("\ufeffx,y").slice(1)), requested: { header: false } },
  "a CR in a text": { bytes: long(texts("x\ry,z")) },
  "an LF in a text": { bytes: long(texts("x\ny,z"), "\r\n") },
  "CRLF after a text": { bytes: long(texts("x,y\r")) },
  "CRLF throughout": { bytes: long(texts("x,y"), "\r\n") },
  "a quote within a text": { bytes: long(texts('x"y,z')) },
  "a text behind a closing quote": { bytes: long(texts('"x"y,z')) },
  "a blank behind a closing quote": { bytes: long(texts('"x" ,z')) },
  "a quote that closes late": { bytes: long(texts('x,"y"z')) },
  "a line end in quotes, and a reject": {
    bytes: long(rowsWith(changed("text", '"a\nb"'), changed("integer", "x"))),
    contract: { columns: [{ name: "integer", type: "INTEGER" }] },
  },
  "a field too many": { bytes: long(rowsWith(`${PLAIN},x`)) },
  "fields too few": { bytes: long(rowsWith("1,2")) },
  "a row that may not fit into a message": {
    bytes: long(texts(`${"x".repeat(9_000)},y`)),
    limits: { messageBytesMax: 9_000 },
  },
  "a row beyond the limit": {
    bytes: long(texts(`${"x".repeat(400)},y`)),
    limits: { recordBytesMax: 300, messageBytesMax: 100_000 },
  },
  "points that separate thousands, until one does not": {
    bytes: long([...pairs("a;b", "x;1.234", "x;1.25"), ...pairs("", "x;1.234", "x;1.234").slice(1)]),
  },
  "a decimal with more digits before the point, and fewer after it": {
    bytes: long(pairs("a,b", "123456789012.123456,x", "1234567890123456.12,x")),
  },
  "a decimal with more digits in all, then an exponent": {
    bytes: long([
      ...pairs("a,b", "123456789012,x\n0.123456,x", "123456789012.123456,x"),
      ...pairs("", "123456789012,x\n0.123456,x", "1.5e3,x").slice(1),
    ]),
  },
  "bytes that are no text": {
    bytes: Buffer.concat([long(["né,city", ...texts()]), Buffer.from([0x78, 0xff, 0x2c, 0x79, 0x0a]), long(texts())]),
  },
  "a footer": { bytes: Buffer.from(`name,n\n${"x,1\n".repeat(900)}Total,900\n`) },
  "a footer with the number of rows": { bytes: Buffer.from(`name,n\n${"x,1\n".repeat(900)}900 rows,\n`) },
  "a footer with a total": {
    bytes: Buffer.from(`name,n\n${"x,1\n".repeat(900)}Total,900\n`),
    contract: { accept: { controlTotal: { pattern: "Total,(\\d+)", column: "n" } } },
  },
  "a total that is nowhere": {
    bytes: long(texts()),
    contract: { accept: { controlTotal: { pattern: "Total,(\\d+)" } } },
  },
  "one column": { bytes: Buffer.from(`n\n${"1\n".repeat(900)}\n${"1\n".repeat(400)}`) },
};
for (const [field, values] of Object.entries(VALUES)) {
  for (const value of values)
    CASES[`${field}: ${JSON.stringify(value).slice(0, 40)}`] = { bytes: long(rowsWith(changed(field, value))) };
}
for (const [what, { fields, ...rest }] of Object.entries(CONTRACTS)) {
  for (const field of fields) {
    for (const value of VALUES[field]!)
      CASES[`contract: ${what}: ${field}: ${JSON.stringify(value).slice(0, 40)}`] = {
        bytes: long(rowsWith(changed(field, value))),
        ...rest,
      };
  }
}

test("known cases: rows that are taken at once change nothing", async () => {
  const none: string[] = [];
  for (const [what, given] of Object.entries(CASES)) {
    // The first block has rows that show the types.
    const limits = { detectionBytes: 400, inferenceBytes: 600, ...given.limits };
    const { atOnce } = await readBothWays(given.bytes, jobOf({ ...given, limits })).catch((thrown: unknown) => {
      throw new Error(what, { cause: thrown });
    });
    if ((atOnce === 0) !== (given.none ?? false)) none.push(what);
  }
  assert.deepEqual(none, [], "files without a row that is taken at once");
});
