import assert from "node:assert/strict";
import { test } from "node:test";
import avsc from "avsc";
import fc from "fast-check";
import { decimalOf, rowSchemaOf, type ColumnType } from "../../../lib/columns.ts";
import { CAST, cast, castColumn, FAMILY } from "../../../lib/typing/cast.ts";
import { showRows } from "../../../lib/rows/show.ts";
import { RowEncoder, writerSchemaOf } from "../../../lib/rows/encode.ts";
import { newScan } from "../../../lib/typing/scan.ts";

const ORIGIN = { sourceFile: "ordner/größe.csv", sourceOffset: 2 ** 40, receivedAtMs: 1_700_000_000_123 };
/** Avro longs as bigint, so that the test itself loses no digit. */
const exactLong = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: (value: number) => BigInt(value),
  toJSON: (value: bigint) => Number(value),
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

interface Value {
  type: ColumnType;
  text: string;
  /** As avsc decodes it: bigint for longs, number for ints and doubles. */
  expected: unknown;
}

/** Encodes one row of the values and decodes it with avsc. */
function roundTrip(values: readonly Value[]): { fields: unknown[]; audit: unknown[]; shown: unknown[] } {
  const columns = values.map(({ type }, index) => castColumn({ name: `n${index}`, header: "", type }, "declared"));
  const encoder = new RowEncoder(ORIGIN, 64);
  const scan = newScan();
  const textBytes = values.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  encoder.reserve(encoder.rowBytesMax(textBytes, values.length));
  values.forEach(({ text }, index) => {
    // Within others, or all of its buffer.
    const beside = index % 2 === 0 ? "x" : "";
    const bytes = Buffer.from(Uint8Array.from(Buffer.from(beside + text + beside)).buffer);
    const [start, end] = [beside.length, bytes.length - beside.length];
    const column = columns[index]!;
    const code = cast(column, bytes, start, end, scan);
    assert.ok(code <= CAST.NULL, `${text} as ${column.type}`);
    if (code === CAST.NULL) encoder.writeNull();
    else if (column.family === FAMILY.VARCHAR) encoder.writeText(bytes, start, end);
    else encoder.writeValue(column, bytes, scan);
  });
  encoder.endRow(3_000_000_000);
  encoder.keepRow();
  const rows = encoder.take();
  // A logical type stands for the primitive it is made of.
  const plain = JSON.parse(JSON.stringify(rowSchemaOf(columns)), (_, part: { logicalType?: string; type: string }) =>
    part?.logicalType ? part.type : part,
  ) as avsc.Schema;
  const type = avsc.Type.forSchema(plain, { registry: { long: exactLong }, wrapUnions: "never" as never });
  const decoded = Object.values(type.fromBuffer(rows) as Record<string, unknown>);
  return {
    fields: decoded.slice(0, values.length),
    audit: decoded.slice(values.length),
    shown: showRows({ rows, rowCount: 1, writerSchema: writerSchemaOf(columns) }, 1)[0]!,
  };
}

/** The unscaled value as Avro wants it: big-endian two's complement, no byte more than needed. */
function decimalBytes(unscaled: bigint): Buffer {
  let length = 1;
  while (BigInt.asIntN(8 * length, unscaled) !== unscaled) length++;
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[length - 1 - i] = Number((unscaled >> BigInt(8 * i)) & 255n);
  return bytes;
}

const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const small = fc.integer().map(BigInt);
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.oneof(integer, small).map((n): Value => ({ type: "BIGINT", text: String(n), expected: n })),
  fc
    .tuple(fc.oneof(small, fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })), fc.integer({ min: 0, max: 8 }))
    .map(([unscaled, scale]): Value => {
      const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
      const whole = digits.slice(0, digits.length - scale);
      const text = (unscaled < 0n ? "-" : "") + whole + (scale > 0 ? `.${digits.slice(-scale)}` : "");
      return { type: `DECIMAL(38,${scale})`, text, expected: decimalBytes(unscaled) };
    }),
  fc.double({ noNaN: true }).map((n): Value => ({ type: "DOUBLE", text: String(n), expected: Number(String(n)) })),
  fc.boolean().map((b): Value => ({ type: "BOOLEAN", text: String(b), expected: b })),
  fc
    .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
    .chain((date) => {
      const iso = date.toISOString();
      const days = Math.floor(date.getTime() / 86_400_000);
      const micros = BigInt(date.getTime()) * 1000n + 456n;
      return fc.constantFrom<Value>(
        { type: "DATE", text: iso.slice(0, 10), expected: days },
        { type: "TIMESTAMP", text: `${iso.slice(0, 23)}456`, expected: micros },
        { type: "TIMESTAMP WITH TIME ZONE", text: `${iso.slice(0, 23)}456Z`, expected: micros },
      );
    }),
  fc
    .string({ unit: "binary", minLength: 1, maxLength: 80 })
    .map((text): Value => ({ type: "VARCHAR", text, expected: text })),
  fc.constant<Value>({ type: "VARCHAR", text: "", expected: null }),
);

test("avsc reads what the encoder writes, exactly", () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 8 }), (values) => {
      const { fields, audit } = roundTrip(values);
      assert.deepEqual(
        fields,
        values.map(({ expected }) => expected),
      );
      assert.deepEqual(audit, [ORIGIN.sourceFile, BigInt(ORIGIN.sourceOffset), 3_000_000_000n, 1_700_000_000_123_000n]);
    }),
    { numRuns: 2_000 },
  );
});

test("values are shown as they are", () => {
  const shown = (type: ColumnType, text: string) => roundTrip([{ type, text, expected: undefined }]).shown[0];
  for (const [type, text, expected] of [
    ["INTEGER", "-42", -42],
    ["BIGINT", "9223372036854775807", "9223372036854775807"],
    ["DECIMAL(18,2)", "-0.05", "-0.05"],
    ["DECIMAL(38,0)", "12345678901234567890", "12345678901234567890"],
    ["DOUBLE", "1e300", 1e300],
    ["DOUBLE", "NaN", "NaN"],
    ["BOOLEAN", "TRUE", true],
    ["DATE", "0001-01-01", "0001-01-01"],
    ["TIMESTAMP", "1969-12-31 23:59:59.999999", "1969-12-31T23:59:59.999999"],
    ["TIMESTAMP WITH TIME ZONE", "2024-01-31T10:00:00+02:00", "2024-01-31T08:00:00Z"],
    ["VARCHAR", "é😀", "é😀"],
    ["VARCHAR", "", null],
  ] as const) {
    assert.deepEqual(shown(type, text), expected, `${text} as ${type}`);
  }
});

test("a whole number of many digits ends its buffer", () => {
  const long = { type: "DECIMAL(38,2)", text: "12345678901234567" } as const;
  const [, shown] = roundTrip([
    { ...long, expected: null },
    { ...long, expected: null },
  ]).shown;
  assert.equal(shown, "12345678901234567.00");
});

test("a number's zeros beyond the scale do not matter", () => {
  const { fields } = roundTrip([
    { type: "DECIMAL(18,2)", text: "1.5000", expected: undefined },
    { type: "DECIMAL(18,2)", text: "7.", expected: undefined },
    { type: "INTEGER", text: "12.00", expected: undefined },
  ]);
  assert.deepEqual(fields, [decimalBytes(150n), decimalBytes(700n), 12n]);
  assert.equal(decimalOf("DECIMAL(18,2)")?.scale, 2);
});

test("a row begun goes along into a fresh buffer, and can be taken back", () => {
  const encoder = new RowEncoder({ sourceFile: "", sourceOffset: 0, receivedAtMs: 0 }, 16);
  const row = (n: number): void => {
    encoder.reserve(100);
    encoder.writeText(Buffer.from(`row ${n}`), 0, 5);
    encoder.endRow(n);
  };
  row(1);
  encoder.keepRow();
  row(2);
  encoder.rewind();
  row(3);
  const first = encoder.take();
  encoder.keepRow();
  const second = encoder.take();
  assert.equal(first.subarray(2, 7).toString(), "row 1");
  assert.equal(second.subarray(2, 7).toString(), "row 3");
  assert.equal(first.length, second.length);
});
