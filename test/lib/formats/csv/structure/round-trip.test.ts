/** Laws: a regular table is read back from any dialect, and detection is deterministic. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { csvFormat } from "../../../../../lib/formats/csv/csv-format.ts";
import { fieldsOf } from "../../../../../lib/formats/format.ts";
import { DEFAULT_LIMITS } from "../../../../../lib/parsing/limits.ts";

/** The file as the format reads it without any parameter. */
function read(text: string): { names: readonly string[] | undefined; rows: string[][] } {
  const bytes = Buffer.from(text);
  const { options, firstLine, skippedBytes } = csvFormat.detect({ bytes, encoding: "utf-8", complete: true }, {});
  let names: readonly string[] | undefined;
  const rows: string[][] = [];
  const reader = csvFormat.open(
    { options, firstLine, limits: DEFAULT_LIMITS },
    { onFields: (fields) => void (names = fields.names), onRow: (row) => void rows.push(fieldsOf(row)) },
  );
  reader.push(bytes.subarray(skippedBytes));
  reader.end();
  return { names, rows };
}

interface Written {
  delimiter: string;
  quote: string;
  escape: string;
  lineEnd: string;
  /** Every field is quoted, also where it need not be. */
  always: boolean;
}

const written: fc.Arbitrary<Written> = fc
  .record({
    delimiter: fc.constantFrom(",", ";", "\t", "|", "^", "~", "||", "::", "|~|", "\x1f", "¦"),
    quote: fc.constantFrom('"', '"', "'"),
    backslash: fc.boolean(),
    lineEnd: fc.constantFrom("\n", "\r\n", "\r"),
    always: fc.boolean(),
  })
  .map(({ backslash, ...rest }) => ({
    ...rest,
    // Quotes that are used here and there are an apostrophe only in text.
    always: rest.always || rest.quote === "'",
    escape: backslash ? "\\" : rest.quote,
  }));

const two = (number: number): string => String(number).padStart(2, "0");
const KINDS: Record<string, fc.Arbitrary<string>> = {
  whole: fc.integer({ min: -99_999, max: 99_999 }).map(String),
  decimal: fc.integer({ min: 0, max: 99_999 }).map((cents) => (cents / 100).toFixed(2)),
  day: fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }))
    .map(([m, d]) => `2026-${two(m)}-${two(d)}`),
  word: fc.constantFrom("Oslo", "Bergen", "Bodo", "Moss", "Skien", "Hamar"),
  code: fc.integer({ min: 1_000, max: 9_999 }).map((number) => `MG-${number}`),
  phrase: fc.constantFrom("two words", "a, b and c", "one; two", "x|y", 'he said "no", twice', "it's late", "50 % off"),
};

const table = fc
  .record({
    // The first column tells that the header is one.
    kinds: fc.array(fc.constantFrom(...Object.keys(KINDS)), { minLength: 1, maxLength: 6 }),
    count: fc.integer({ min: 3, max: 12 }),
  })
  .chain(({ kinds, count }) => {
    const columns = ["whole", ...kinds];
    const row = fc.tuple(...columns.map((kind) => KINDS[kind]!));
    return fc.record({
      names: fc.constant(columns.map((kind, at) => `${kind}_${"abcdefg"[at]!}`)),
      rows: fc.array(row, { minLength: count, maxLength: count }),
    });
  });

function write(rows: readonly (readonly string[])[], { delimiter, quote, escape, lineEnd, always }: Written): string {
  const cell = (value: string): string => {
    const needed = value.includes(delimiter) || value.includes(quote);
    return always || needed ? quote + value.replaceAll(quote, escape + quote) + quote : value;
  };
  return rows.map((row) => row.map(cell).join(delimiter) + lineEnd).join("");
}

test("a regular table of three rows and two columns is read back from any dialect", () => {
  fc.assert(
    fc.property(table, written, ({ names, rows }, how) => {
      assert.deepEqual(read(write([names, ...rows], how)), { names, rows });
    }),
    { numRuns: 300 },
  );
});

test("titles above a table and notes below it change nothing", () => {
  const title = fc.constantFrom("Monthly report", "Account statement 4711", "Source: the ministry of works");
  fc.assert(
    fc.property(table, written, title, fc.boolean(), ({ names, rows }, how, text, blank) => {
      const above = `${text}${how.lineEnd}${blank ? how.lineEnd : ""}`;
      const below = `${how.lineEnd}All figures are provisional${how.lineEnd}`;
      fc.pre(names.length > 2);
      assert.deepEqual(read(above + write([names, ...rows], how) + below), { names, rows });
    }),
    { numRuns: 150 },
  );
});
