import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CsvRecordReader } from "../../../../lib/formats/csv/records.ts";
import { fromCell, rowText, toCell } from "../../../../lib/formats/csv/write-rows.ts";
import { fieldsOf } from "../../../../lib/formats/format.ts";
import { cell, dialect } from "../../../fuzz/files.ts";

const ROOMY = { headerBytesMax: 1 << 20, recordBytesMax: 1 << 20 };

function readBack(text: string, written: Parameters<typeof rowText>[1]): string[][] {
  const rows: string[][] = [];
  const onRow = (row: Parameters<typeof fieldsOf>[0]): void => void rows.push(fieldsOf(row));
  const reader = new CsvRecordReader({ dialect: written, limits: ROOMY, fieldsMax: 20, headerRows: 0, onRow });
  reader.push(Buffer.from(text));
  reader.end();
  return rows;
}

const sound = cell.filter((text) => !/\p{Surrogate}/u.test(text));

test("a row that is written is read back as one row of the same fields, in every dialect, among others", () => {
  const fields = fc.array(sound, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(dialect, fields, (written, row) => {
      const text = rowText(row, written);
      assert.deepEqual(readBack(text, written), [row]);
      assert.deepEqual(readBack(`x\n${text}\ny`, written), [["x"], row, ["y"]]);
    }),
    { numRuns: 2_000 },
  );
});

test("a file without quotes cannot hold what would need them", () => {
  const bare = { delimiter: ";", quote: null, escape: '"' } as const;
  assert.equal(rowText(["a,b", '"c"'], bare), 'a,b;"c"');
  for (const field of ["a;b", "a\nb"]) assert.throws(() => rowText([field, ""], bare), /needs quotes/);
  assert.throws(() => rowText([""], bare), /needs quotes/);
});

test("no cell begins like a formula, numbers may be negative, and every text comes back", () => {
  fc.assert(
    fc.property(fc.oneof(sound, fc.stringMatching(/^'*[=+\-@\t\r]?.{0,5}$/)), (text) => {
      assert.equal(fromCell(toCell(text)), text);
      assert.ok(!/^[=+\-@\t\r]/.test(toCell(text)) || /^[+-]?[0-9]+([.,][0-9]+)?$/.test(text), toCell(text));
    }),
    { numRuns: 2_000 },
  );
  assert.deepEqual(["=1", "-5", "-5.25", "-a", "'=x", "'quoted'"].map(toCell), [
    "'=1",
    "-5",
    "-5.25",
    "'-a",
    "''=x",
    "'quoted'",
  ]);
});
