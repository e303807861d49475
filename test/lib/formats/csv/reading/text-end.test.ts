import assert from "node:assert/strict";
import { test } from "node:test";
import { TextEnd } from "../../../../../lib/formats/csv/reading/text-end.ts";

test("the end of a text is held back, whatever the sizes of its pieces, and no byte is copied", () => {
  const text = Buffer.from(Array.from({ length: 1_000 }, (_, at) => at % 251));
  for (const size of [1, 3, 10, 64, 99, 100, 101, 700, 1_000]) {
    const end = new TextEnd(100);
    const passed: Uint8Array[] = [];
    for (let at = 0; at < text.length; at += size) {
      const piece = text.subarray(at, at + size);
      passed.push(...end.take(piece));
      const passedBytes = passed.reduce((sum, { length }) => sum + length, 0);
      assert.ok(end.length - passedBytes >= Math.min(100, end.length), `${size}: the end is held back`);
      assert.ok(end.length - passedBytes <= 200 + size, `${size}: no more than twice the end and a piece`);
    }
    const rest = end.end();
    assert.deepEqual(Buffer.concat([...passed, ...rest]), text);
    assert.ok(
      [...passed, ...rest].every(({ buffer }) => buffer === text.buffer),
      `${size}: a copy`,
    );
  }
});
