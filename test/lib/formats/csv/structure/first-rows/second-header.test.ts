import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const doubtsIn = (text: string): string[] =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested: {} }).doubts.map(({ evidence }) => evidence);

const SECOND_HEADERS: readonly string[] = [
  ",Sales,,Cost,\nRegion,2023,2024,2023,2024\nNord,1,2,3,4\nSüd,5,6,7,8\n",
  "Region,Sales,Sales,Cost,Cost\n,2023,2024,2023,2024\nNord,1,2,3,4\nSüd,5,6,7,8\n",
  "Region;Umsatz;Umsatz\nRegion;2023;2024\nNord;1000;900\nSüd;2000;2100\nWest;3000;2900\n",
  "Produkt;Umsatz;Kosten\nJahr;2023;2023\nMilch;100;200\nEier;500;600\nBrot;100;111\n",
  ",Week 1,Week 2\nEmployee,2024-01-01,2024-01-08\nAnna,40,38\nBob,35,40\nCarl,20,20\n",
  "Tag,Montag,Dienstag\nDatum,01.01.2024,02.01.2024\nAnna,8,7.5\nBob,7,6\nCarl,8,8\n",
  "Report,Acme,Berlin\nRegion,01.01.2024,01.02.2024\nNord,1,2\nSüd,3,4\nWest,5,6\n",
  "KUNNR;NAME1;ORT01\nKundennummer;Name;Ort\nK100;Meyer;Bonn\nK200;Schmidt;Berlin\nK300;Müller;Köln\n",
  "item_sku,item_name,standard_price\nSKU,Product Name,Standard Price\nA-1,Milk,1.20\nA-2,Eggs,2.30\n",
  "first_name,last_name,city\nFirst name,Last name,City\nAnna,Schmidt,Berlin\nBob,Meyer,Bonn\n",
  "id,name,amount\n1,2,3\n17,Anna,2.50\n18,Bob,3.50\n",
];

test("a row of years, dates, numbers of columns or other names below the header is a doubt", () => {
  for (const text of SECOND_HEADERS) assert.ok(doubtsIn(text).length > 0, JSON.stringify(text.slice(0, 80)));
});

const ROWS: readonly string[] = [
  "product,old,new\nA,2000,1950\nB,5000,60\nC,70,80\n",
  "name,born,died\nAnna,1900,1901\nBob,1950,2001\nCarl,1920,1999\n",
  "user,group\nuser1,group1\nuser2,group2\nuser3,group1\n",
  "id,a,b\n1,2,3\n4,5,6\n7,8,9\n",
  "day,open,close\nSunday,closed,closed\nMonday,8:00,18:00\nTuesday,8:00,18:00\n",
  "task,start,end\nbuild,2024-01-01,2024-01-02\ntest,2024-01-03,2024-01-04\nship,2024-01-05,2024-01-06\n",
  "sample,As,Pb\nS1,bdl,bdl\nS2,0.1,0.2\nS3,0.4,0.1\n",
  "student,math,physics\nAnna,absent,absent\nBob,2,3\nCarl,1,2\n",
];

test("a first row with years, dates or words of its table is a row", () => {
  for (const text of ROWS) assert.deepEqual(doubtsIn(text), [], JSON.stringify(text.slice(0, 80)));
});

const DAYS: readonly string[] = [
  "store,2024-01-01,2024-01-02\nBerlin,10,12\nBonn,1,2\n",
  "Mitarbeiter;01.01.2024;02.01.2024\nAnna;8,0;7,5\nBob;7,0;6,5\n",
  "name,08:00,12:00\nAnna,3,4\nBob,5,6\n",
  "country,1/22/20,1/23/20,1/24/20\nFrance,0,1,2\nItaly,3,4,5\n",
];

test("dates or times of their own above numbers are names of columns", () => {
  for (const text of DAYS) assert.deepEqual(doubtsIn(text), [], JSON.stringify(text.slice(0, 80)));
  for (const text of ["store,2024-01-01,2024-01-01\nA,10,12\nB,1,2\n", "store,2024-01-01\nA,10\nB,1\n"]) {
    assert.equal(doubtsIn(text).length, 1, "the same date twice, or one alone, may be a value");
  }
});
