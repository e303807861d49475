/** Scanning, inference and casting together: one grammar, so one test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { widens, type ColumnType } from "../../../lib/columns.ts";
import { CAST, cast, castColumn, type Authority } from "../../../lib/typing/cast.ts";
import { momentFormat } from "../../../lib/typing/date-formats.ts";
import { joinFacts, noTypeFacts, observe, typeOf, type Facts } from "../../../lib/typing/infer.ts";
import { classify, newScan } from "../../../lib/typing/scan.ts";
import { hasCode } from "../../../lib/errors.ts";

const scan = newScan();

function factsOf(values: readonly string[]): Facts {
  const facts = noTypeFacts();
  for (const value of values) {
    const bytes = Buffer.from(value);
    observe(facts, classify(bytes, 0, bytes.length, scan), scan, bytes);
  }
  return facts;
}

const inferred = (...values: string[]): ColumnType => typeOf(factsOf(values));

function castText(type: ColumnType, text: string, authority: Authority = "known", format?: string): number {
  const column = castColumn(
    { name: "c", header: "c", type },
    authority,
    format ? { format: momentFormat(format) } : {},
  );
  const bytes = Buffer.from(text);
  return cast(column, bytes, 0, bytes.length, scan);
}

test("the type of a column", () => {
  const cases: [ColumnType, ...string[]][] = [
    ["VARCHAR"],
    ["VARCHAR", "", ""],
    ["BOOLEAN", "true", "FALSE", ""],
    ["VARCHAR", "true", "1"],
    ["VARCHAR", "yes", "no"],
    ["INTEGER", "1", "0", "-5", " 7 "],
    ["INTEGER", "2147483647", "-2147483648"],
    ["BIGINT", "2147483648"],
    ["BIGINT", "9223372036854775807", "-9223372036854775808"],
    ["DECIMAL(38,0)", "9223372036854775808"],
    ["DECIMAL(38,0)", "12345678901234567890"],
    ["VARCHAR", "1".repeat(39)],
    ["VARCHAR", "00123"],
    ["VARCHAR", "+4912345"],
    ["VARCHAR", "1", "007"],
    ["VARCHAR", "5."],
    ["VARCHAR", "1,234.50"],
    ["DECIMAL(18,2)", "12.5", "1"],
    ["DECIMAL(18,2)", "12.50", ".5", "-0.25"],
    ["DECIMAL(18,4)", "0.1234"],
    ["DECIMAL(38,4)", "123456789012345.1234"],
    ["VARCHAR", `0.${"1".repeat(39)}`],
    ["DECIMAL(38,6)", "1234567890123.123456"],
    ["DECIMAL(18,9)", "123456789.123456789"],
    ["DOUBLE", "52.520006599999999999", "13.4"],
    ["DECIMAL(38,7)", "1234567890123456.1234567"],
    ["DOUBLE", "1e+05", "2.5", "3"],
    ["DOUBLE", "1.5E3", "2.5e10", "1E-07"],
    ["VARCHAR", "32E01", "12E3", "5E0"],
    ["VARCHAR", "1e5", "2.5"],
    ["VARCHAR", "12e-3"],
    ["VARCHAR", "1.5E3", "73928e03"],
    ["VARCHAR", "1D5"],
    ["VARCHAR", "0x1F"],
    ["VARCHAR", "1_000"],
    ["VARCHAR", "1/2"],
    ["VARCHAR", "10:30"],
    ["VARCHAR", "infinity"],
    ["VARCHAR", "nan"],
    ["DOUBLE", "NaN", "1.5", "-Infinity"],
    ["VARCHAR", "1e+05", "12345678901234567"],
    ["VARCHAR", "1e+05", "0.123456789012345678"],
    ["VARCHAR", "1e20240131"],
    ["VARCHAR", "1e999"],
    ["VARCHAR", "1e-999"],
    ["DOUBLE", "0e-999", "1.5E+300"],
    ["DATE", "2024-02-29", "2024/01/31"],
    ["VARCHAR", "2023-02-29"],
    ["VARCHAR", "01/02/2024"],
    ["VARCHAR", "2024-01/31"],
    ["TIMESTAMP", "2024-01-31 10:00", "2024-01-31"],
    ["TIMESTAMP", "2024-01-31T23:59:59.123456", "0001-01-01 00:00:00"],
    ["TIMESTAMP", "2024-01-31T23:59:59.123456000"],
    ["VARCHAR", "2024-01-31T23:59:59.1234567"],
    ["VARCHAR", "2024-01-31 24:00"],
    ["TIMESTAMP WITH TIME ZONE", "2024-01-31T10:00:00Z", "2024-01-31 10:00+02:00", "2024-01-31 10:00:00 UTC"],
    ["VARCHAR", "2024-01-31T10:00:00Z", "2024-01-31T10:00:00"],
    ["VARCHAR", "0001-01-01T00:00:00+05:00"],
    ["VARCHAR", "1", "x"],
  ];
  for (const [type, ...values] of cases) assert.equal(inferred(...values), type, values.join(" | "));
});

/** Texts that look like values of all kinds, their edges and their neighbours. */
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.integer().map(String),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
  fc.double().map(String),
  fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 20 })).map(([n, scale]) => {
    const digits = String(n < 0n ? -n : n).padStart(scale + 1, "0");
    return (n < 0n ? "-" : "") + (scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`);
  }),
  fc
    .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
    .chain((date) => {
      const iso = date.toISOString();
      return fc.constantFrom(
        iso,
        iso.slice(0, 10),
        iso.slice(0, 16),
        iso.slice(0, 19).replace("T", " "),
        `${iso.slice(0, 19)}+05:30`,
      );
    }),
  fc.constantFrom("true", "False", "", " ", "NaN", "Infinity", "-0", "00", ".5", "5.", "1e3", "+1", "2024-02-30", "-"),
  fc.stringMatching(/^[-+.0-9eE/: TZ]{1,24}$/),
);

test("a known DOUBLE keeps every digit before the point, or rejects the value", () => {
  for (const [value, code] of [
    ["1e5", CAST.OK],
    ["32E01", CAST.OK],
    ["123456789012345", CAST.OK],
    ["9007199254740992", CAST.OK],
    ["9007199254740993", CAST.OUT_OF_RANGE],
    ["-1577134800018227123", CAST.OUT_OF_RANGE],
    ["12345678901234567.68", CAST.OUT_OF_RANGE],
    ["1000000000000000000000", CAST.OK],
    ["0.12345678901234567890", CAST.OK],
    ["1".repeat(400), CAST.OUT_OF_RANGE],
    ["007", CAST.MISMATCH],
    ["1D5", CAST.MISMATCH],
  ] as const) {
    assert.equal(castText("DOUBLE", value), code, value);
  }
});

test("what inference accepts, the cast accepts, whoever declares the type", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), (values) => {
      const type = inferred(...values);
      for (const value of values) {
        for (const authority of ["known", "declared"] as const) {
          assert.ok(castText(type, value, authority) <= CAST.NULL, `${JSON.stringify(value)} as ${authority} ${type}`);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test("facts of parts join to the facts of the whole, in any order, however often", () => {
  fc.assert(
    fc.property(fc.array(text), fc.array(text), (left, right) => {
      const [a, b] = [factsOf(left), factsOf(right)];
      assert.deepEqual(joinFacts(a, b), factsOf([...left, ...right]));
      assert.deepEqual(joinFacts(a, b), joinFacts(b, a));
      assert.deepEqual(joinFacts(joinFacts(a, b), b), joinFacts(a, b));
    }),
  );
});

test("a known column only widens, and seeing the same values again changes nothing", () => {
  const types: ColumnType[] = ["INTEGER", "BIGINT", "DECIMAL(5,2)", "DECIMAL(18,0)", "DOUBLE", "DATE", "VARCHAR"];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.array(text), (type, values) => {
      const column = castColumn({ name: "c", header: "c", type }, "known");
      const codes = () => values.map((value) => cast(column, Buffer.from(value), 0, Buffer.byteLength(value), scan));
      codes();
      const after = column.type;
      assert.ok(widens(type, after), `${type} → ${after}`);
      const second = codes();
      assert.equal(column.type, after);
      assert.deepEqual(codes(), second);
    }),
  );
});

test("values a type cannot hold are told apart", () => {
  const cases: [ColumnType, string, number][] = [
    ["INTEGER", "abc", CAST.MISMATCH],
    ["INTEGER", "1.5", CAST.MISMATCH],
    ["BIGINT", "9223372036854775808", CAST.OUT_OF_RANGE],
    ["DECIMAL(18,2)", "1.255", CAST.OUT_OF_RANGE],
    ["DECIMAL(18,2)", "1.250", CAST.OK],
    ["DECIMAL(18,2)", "1".repeat(37), CAST.OUT_OF_RANGE],
    ["DATE", "31.01.2024", CAST.MISMATCH],
    ["DATE", "2024-01-31 00:00:00", CAST.OK],
    ["DATE", "2024-01-31 00:00:01", CAST.MISMATCH],
    ["TIMESTAMP", "2024-01-31T00:00:00Z", CAST.MISMATCH],
    ["TIMESTAMP WITH TIME ZONE", "2024-01-31T00:00:00", CAST.MISMATCH],
    ["BOOLEAN", "yes", CAST.MISMATCH],
    ["INTEGER", "007", CAST.MISMATCH],
    ["INTEGER", " ", CAST.NULL],
    ["DOUBLE", "9".repeat(400), CAST.OUT_OF_RANGE],
  ];
  for (const [type, value, code] of cases) assert.equal(castText(type, value), code, `${value} as ${type}`);
});

test("a declared type takes values as people write them, and never widens", () => {
  const cases: [ColumnType, string, number, string?][] = [
    ["INTEGER", "007", CAST.OK],
    ["INTEGER", "+5", CAST.OK],
    ["INTEGER", "5.0", CAST.OK],
    ["INTEGER", "2147483648", CAST.OUT_OF_RANGE],
    ["DECIMAL(5,2)", "1000.00", CAST.OUT_OF_RANGE],
    ["DOUBLE", "9007199254740992", CAST.OK],
    ["DOUBLE", "9007199254740993", CAST.OUT_OF_RANGE],
    ["DOUBLE", "12345678901234567.5", CAST.OUT_OF_RANGE],
    ["DOUBLE", "1e300", CAST.OK],
    ["BOOLEAN", "Yes", CAST.OK],
    ["BOOLEAN", "0", CAST.OK],
    ["BOOLEAN", "maybe", CAST.MISMATCH],
    ["TIMESTAMP WITH TIME ZONE", "2024-01-31T00:00:00", CAST.OK],
    ["DATE", "31/01/2024", CAST.OK, "dd/MM/yyyy"],
    ["DATE", "01/31/2024", CAST.MISMATCH, "dd/MM/yyyy"],
    ["DATE", "2024-01-31", CAST.MISMATCH, "dd/MM/yyyy"],
    ["DATE", "3-Feb-24", CAST.OK, "d-MMM-yy"],
    ["TIMESTAMP", "1/31/2024 12:05 AM", CAST.OK, "M/d/yyyy h:mm a"],
    ["TIMESTAMP", "1/31/2024 13:05 AM", CAST.MISMATCH, "M/d/yyyy h:mm a"],
    ["TIMESTAMP WITH TIME ZONE", "31.01.2024 10:00:00,5 +0100", CAST.OK, "dd.MM.yyyy HH:mm:ss,S X"],
    ["TIMESTAMP WITH TIME ZONE", "9999-12-31 23:59-10", CAST.MISMATCH, "yyyy-MM-dd HH:mmX"],
    ["TIMESTAMP WITH TIME ZONE", "9999-12-31 13:59-10", CAST.OK, "yyyy-MM-dd HH:mmX"],
    ["TIMESTAMP WITH TIME ZONE", "0001-01-01 09:59+10", CAST.MISMATCH, "yyyy-MM-dd HH:mmX"],
    ["TIMESTAMP WITH TIME ZONE", "0001-01-01 10:00+10", CAST.OK, "yyyy-MM-dd HH:mmX"],
  ];
  for (const [type, value, code, format] of cases) {
    assert.equal(castText(type, value, "declared", format), code, `${value} as ${type} ${format ?? ""}`);
  }
  castText("TIMESTAMP", "1/31/2024 12:05 AM", "declared", "M/d/yyyy h:mm a");
  assert.equal(scan.seconds, Date.UTC(2024, 0, 31, 0, 5) / 1000);
  assert.throws(
    () => momentFormat("dd/QQ/yyyy"),
    (error) => hasCode(error, "CONTRACT_INVALID"),
  );
  assert.throws(
    () => momentFormat("HH:mm"),
    (error) => hasCode(error, "CONTRACT_INVALID"),
  );
});
