import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { exactText, idOf, parseExact, parseForReading } from "../../../../../lib/warehouse/iceberg/gate/exact-json.ts";

test("numbers of any length come back as they were written", () => {
  const number = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    fc.constantFrom("1.0", "1e400", "-0", "0.10", "1E+2", "12345678901234567890.5", "1234567890123456800"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), number)), (members) => {
      const text = `[${members.map(([name, digits]) => `{${JSON.stringify(name)}:${digits}}`).join(",")}]`;
      assert.equal(exactText(parseExact(text)), text);
    }),
  );
});

test("any JSON is read as JSON.parse reads it, digits in strings included", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.deepEqual(JSON.parse(exactText(parseExact(text))), JSON.parse(text));
    }),
  );
  const nasty = JSON.stringify({ "12345678901234567890": '\\"12345678901234567890', __proto__x: 1, "": "\u2028" });
  assert.equal(exactText(parseExact(nasty)), nasty);
});

test("what is no JSON is refused", () => {
  for (const text of ["", "01", "012345678901234567890", "{", '{"a":1}x', "[1 2]", "+1", "NaN"])
    assert.throws(() => parseExact(text), SyntaxError, text);
});

test("an id is the same text however the catalog writes it", () => {
  const long = "1234567890123456800";
  const read = parseForReading(`[${long}, 7, "7", null, -1, 1.5, "x", {}]`) as unknown[];
  assert.deepEqual(read.map(idOf), [long, "7", "7", undefined, "-1", undefined, undefined, undefined]);
  assert.equal(idOf(parseExact(long)), long);
});
