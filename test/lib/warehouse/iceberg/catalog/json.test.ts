import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonText, parseJson } from "../../../../../lib/warehouse/iceberg/catalog/json.ts";

test("a whole number of 64 bits keeps every digit", () => {
  const text = '{"snapshot-id":4611686018427387905,"small":12,"negative":-9223372036854775808,"double":1.5}';
  const read = parseJson(text) as Record<string, unknown>;
  assert.deepEqual(
    { ...read },
    { "snapshot-id": "4611686018427387905", small: 12, negative: "-9223372036854775808", double: 1.5 },
  );
  assert.equal(
    jsonText({ id: 4611686018427387905n, text: "4611686018427387905" }),
    `{"id":4611686018427387905,"text":"4611686018427387905"}`,
  );
});

test("digits inside texts, and numbers with a fraction or an exponent, stay as they are", () => {
  for (const value of [
    { text: 'a "1234567890123456789" b', back: "\\", after: 1 },
    { "1234567890123456789": ["\\\\", "12345678901234567890"] },
  ]) {
    assert.deepEqual(parseJson(JSON.stringify(value)), value);
  }
  assert.deepEqual(
    parseJson("[1234567890123456789.5, 1234567890123456e3]"),
    [1234567890123456789.5, 1234567890123456e3],
  );
});

test("what JSON writes is read as JSON reads it, if its numbers are small", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      // Whole numbers of 16 digits or more are the exception.
      fc.pre(!/\d{16,}/.test(text));
      assert.deepEqual(parseJson(text), JSON.parse(text));
      assert.deepEqual(JSON.parse(jsonText(value)), JSON.parse(text));
    }),
  );
});

test("properties that are undefined are left out", () => {
  assert.equal(jsonText({ a: undefined, b: null, c: [undefined, 1n] }), '{"b":null,"c":[null,1]}');
});
