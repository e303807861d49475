import assert from "node:assert/strict";
import { test } from "node:test";
import { readFile } from "../../../../fuzz/readings.ts";

test("the table that a file made reads the file again in the same way", async () => {
  const texts = [
    // Another quote makes every cell blank, another delimiter names as many columns, as does one column.
    "'',''\n'',''\n",
    '"0|",id,!\n1,,\n',
    '"0|",,id,!\n0,0,,\n',
    ',,\nInfinity,,\n10,"\t",\n10,"a|b",\n"\t",,\n10,,\n2024-02-29,24-02-29,  x,10000-01-01\n',
  ];
  for (const text of texts) {
    const first = await readFile(Buffer.from(text), {});
    const { columns: current, format, dialect, doubts } = first.summary;
    assert.equal(doubts, undefined, text);
    assert.ok(first.rows.size > 0, text);
    const { confidence: _, ...options } = dialect!;
    const again = await readFile(Buffer.from(text), { current, usual: { format: format!, options } });
    assert.deepEqual([...again.rows], [...first.rows], text);
    assert.deepEqual(again.summary.columns, current, text);
  }
});
