import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const read = (text: string): { rowNames: boolean; held: boolean } => {
  const { dialect, doubts } = detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });
  return { rowNames: dialect.rowNames === true, held: doubts.length > 0 };
};

test("row names as R writes them are found", () => {
  for (const text of [
    '"speed","dist"\n"a",4,2\n"b",7,22\n"c",8,16\n',
    '"speed","dist"\n"1",4,10\n"2",7,22\n"3",8,16\n',
    '"id","x"\n"1",17,5\n"2",18,6\n"3",19,7\n',
    '"speed" "dist"\n"Volvo 240" 4 2\n"Saab 900" 7 22\n',
    '"speed"\t"kind"\n"a"\t4\t"car"\n"b"\t7\t"van"\n',
    "speed dist\n1 4.5 2\n2 7.5 22\n3 8.5 16\n",
    "speed dist\nVolvo 4.5 2\nSaab 7.5 22\n",
  ]) {
    assert.deepEqual(read(text), { rowNames: true, held: false }, JSON.stringify(text));
  }
});

test("a header that is one field shorter than the rows is a doubt without such signs", () => {
  const many = Array.from({ length: 200 }, (_, n) => `${n + 1},${n % 90},${10 + (n % 89)}`).join("\n");
  for (const text of [
    "nr,cost\n1,4,20\n2,7,95\n3,11,05\n",
    `nr,cost\n${many}\n`,
    "nr,person,points\n7,Moe, Ada,3\n8,Lund, Bo,4\n9,Park, Eva,5\n",
    "city,people,day\nUlm,126,329,2024-01-01\nBonn,330,579,2024-01-02\n",
    "nr;price\n1;NOK;5\n2;SEK;6\n",
    "mail,person\na@example.com,Moe, Ada\nb@example.com,Lund, Bo\n",
    "nr\tcost\n1\t4\t20\n2\t7\t95\n",
    "nr person\n1 Ada Moe\n2 Bo Lund\n3 Eva Park\n",
    '"sku","cost"\n"B7",4,20\n"B8",7,95\n',
    '"cost","size"\n"4",20,05\n"7",95,00\n',
    "a,b\n1,2,3\n",
    "Stock list\nnr,cost\n1,4,20\n2,7,95\n",
  ]) {
    assert.equal(read(text).held, true, JSON.stringify(text.slice(0, 60)));
  }
});
