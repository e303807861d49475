import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ColumnType } from "../../../../../lib/columns.ts";
import { boundsOf } from "../../../../../lib/warehouse/iceberg/append/bounds.ts";

const hex = (type: ColumnType, text: string): string | undefined =>
  boundsOf(type, { min: text, max: text }).lower?.toString("hex");

test("values have the form of Iceberg's specification", () => {
  assert.equal(hex("BOOLEAN", "0"), "00");
  assert.equal(hex("BOOLEAN", "1"), "01");
  assert.equal(hex("INTEGER", "-2"), "feffffff");
  assert.equal(hex("BIGINT", "9223372036854775807"), "ffffffffffffff7f");
  assert.equal(hex("DOUBLE", "1.5"), "000000000000f83f");
  assert.equal(hex("DATE", "1970-01-02"), "01000000");
  assert.equal(hex("DATE", "1969-12-31"), "ffffffff");
  assert.equal(hex("TIMESTAMP", "1970-01-01 00:00:01.5"), "60e3160000000000");
  assert.equal(hex("TIMESTAMP", "1969-12-31 23:59:59.999999"), "ffffffffffffffff");
  assert.equal(hex("TIMESTAMP WITH TIME ZONE", "1970-01-01 00:00:00.000001+00"), "0100000000000000");
  assert.equal(hex("VARCHAR", ""), "");
  // Twos complement of the unscaled value, in as few bytes as it needs.
  assert.equal(hex("DECIMAL(10,2)", "14.20"), "058c");
  assert.equal(hex("DECIMAL(10,2)", "-0.01"), "ff");
  assert.equal(hex("DECIMAL(10,2)", "1.28"), "0080");
  assert.equal(hex("DECIMAL(10,2)", "-1.28"), "80");
  assert.equal(hex("DECIMAL(38,0)", "99999999999999999999999999999999999999"), "4b3b4ca85a86c47a098a223fffffffff");
});

test("zero has the lesser sign below and the greater above", () => {
  for (const zero of ["0.0", "-0.0"]) {
    const { lower, upper } = boundsOf("DOUBLE", { min: zero, max: zero });
    assert.equal(lower!.toString("hex"), "0000000000000080");
    assert.equal(upper!.toString("hex"), "0000000000000000");
  }
});

test("what is not in its usual form has no bound", () => {
  const unusual: [ColumnType, string][] = [
    ["DATE", "0044-03-15 (BC)"],
    ["DATE", "infinity"],
    ["TIMESTAMP", "12000-01-01 00:00:00"],
    ["TIMESTAMP WITH TIME ZONE", "2026-01-01 00:00:00+02"],
    ["DOUBLE", "nan"],
    ["INTEGER", "x"],
    ["BIGINT", ""],
    ["BOOLEAN", "maybe"],
    ["DECIMAL(10,2)", "1e5"],
  ];
  for (const [type, text] of unusual) assert.equal(hex(type, text), undefined, `${type} ${text}`);
  assert.deepEqual(boundsOf("VARCHAR", { min: undefined, max: undefined }), { lower: undefined, upper: undefined });
});

test("a text lies between its bounds, which are whole characters", () => {
  const last = "\u{10ffff}".repeat(20);
  assert.equal(boundsOf("VARCHAR", { min: last, max: last }).upper, undefined, "nothing is above it");
  assert.equal(
    boundsOf("VARCHAR", { min: "", max: "\ud7ff".repeat(17) }).upper!.toString(),
    `${"\ud7ff".repeat(15)}\ue000`,
  );
  const character = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.constantFrom("\0", "a", "é", "\ud7ff", "\uffff", "\u{10000}", "\u{10ffff}"),
  );
  const texts = fc.array(character, { maxLength: 24 }).map((all) => all.join(""));
  fc.assert(
    fc.property(fc.array(texts, { minLength: 1, maxLength: 5 }), (values) => {
      const ordered = values.map((text) => Buffer.from(text)).toSorted((a, b) => Buffer.compare(a, b));
      const [min, max] = [ordered[0]!, ordered.at(-1)!];
      const { lower, upper } = boundsOf("VARCHAR", { min: min.toString(), max: max.toString() });
      assert.ok(Buffer.compare(lower!, min) <= 0);
      assert.ok(!upper || Buffer.compare(upper, max) >= 0);
      for (const bound of [lower!, ...(upper ? [upper] : [])]) {
        assert.equal(Buffer.from(bound.toString()).compare(bound), 0);
        assert.ok(Array.from(bound.toString()).length <= 16);
      }
    }),
  );
});

test("numbers keep their order", () => {
  const signed = (bytes: Buffer): bigint => BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString("hex")}`));
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), (unscaled) => {
      const digits = String(unscaled).replace("-", "").padStart(6, "0");
      const text = `${unscaled < 0n ? "-" : ""}${digits.slice(0, -5)}.${digits.slice(-5)}`;
      assert.equal(signed(boundsOf("DECIMAL(38,5)", { min: text, max: text }).lower!), unscaled);
    }),
  );
});
