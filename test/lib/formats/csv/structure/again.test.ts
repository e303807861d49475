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
    // Columns without names: another quote, another delimiter.
    "'!','',''\n'','',''",
    ",id\n,id\n,id\n,id\n",
    // Columns without a value are missing in the table, so that another reading names as many, or exactly all.
    "id||\n||\n0.0000000001||",
    "id,id,,,id,\n'a;b','a,b',,,,\n,99999999999999999999,,,0,\n,,,!,,",
    ":\t\n2024-01-31T10:00:00Z\t\n\t",
    "\t!\n\t,",
    "?,!\n?,",
    // A cell with a mark that blanks do not include.
    ',id\n0\n1.5\n"\ufeff"\n漢字',
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
