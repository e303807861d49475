import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_LIMITS } from "../../../lib/parsing/limits.ts";
import { readLines } from "../../../lib/text/lines.ts";
import { pieces as piecesOf } from "../parsing/parsing.ts";

const options = {
  fileName: "f.csv",
  encoding: undefined,
  pinned: undefined,
  limits: { ...DEFAULT_LIMITS, inferenceBytes: 7 },
};
const read = (text: string | Buffer, lines: number[], lineBytesMax = 100) =>
  readLines(piecesOf(Buffer.from(text as string), 3), options, { lines: new Set(lines), lineBytesMax });

test("lines are numbered as an editor numbers them, whatever ends them and however they are cut", async () => {
  const { first, found } = await read("\r\nid,name\r\n1,a\r2,b\n\n\r\n3,é", [1, 3, 4, 5, 7, 8]);
  assert.deepEqual(first, { line: 2, text: "id,name" });
  assert.deepEqual(
    [...found.values()].map(({ line, text }) => [line, text]),
    [
      [1, ""],
      [3, "1,a"],
      [4, "2,b"],
      [5, ""],
      [7, "3,é"],
    ],
  );
});

test("long lines are cut, damaged ones shown, and no more is read than is wanted", async () => {
  let pieces = 0;
  async function* endless() {
    for (; ; pieces++) {
      yield pieces === 0 ? Buffer.from("h\nlong long\ncaf\xe9\n", "latin1") : Buffer.alloc(1 << 16, "x\n");
    }
  }
  const { found } = await readLines(
    endless(),
    { ...options, encoding: "utf-8" },
    { lines: new Set([2, 3]), lineBytesMax: 6 },
  );
  assert.deepEqual([found.get(2)!.text, found.get(3)!.text], ["long l", "c"]);
  assert.ok(pieces < 100);
});
