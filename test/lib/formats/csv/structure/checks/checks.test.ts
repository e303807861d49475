import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const doubts = (text: string): string[] =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested: {} }).doubts.map(({ reason }) => reason);

const held = (texts: readonly string[]): void => {
  for (const text of texts) assert.ok(doubts(text).includes("structure_unsure"), JSON.stringify(text));
};
const loaded = (texts: readonly string[]): void => {
  for (const text of texts) assert.deepEqual(doubts(text), [], JSON.stringify(text));
};

test("quoted lines that read as rows are a doubt", () => {
  held([
    'id,who\n1,a\n2,"Moe\n3,Lund"\n4,Park\n',
    'id,item,n\n7,b,3\n8,"4 inch,4\n9,a,5\n10,5 inch",6\n11,c,7\n',
    'id;note;n\r\n7;b;3\r\n8;"c;4\r\n9;d";5\r\n11;e;7\r\n',
    'who\twhere\nMoe\tOslo\nLund\t"Rome\nPark\tBern\nDahl\tLima"\n',
  ]);
  loaded([
    'id,note,day\n1,"Dear Ada,\nit is late.\n",2024-01-01\n2,"Hi,\nok",2024-01-02\n',
    'id,note\n1,"one\ntwo, three"\n2,"four"\n',
    'id,note\n1,"one\ntwo,three"\n2,"four"\n',
    'id,note,n\n1,"a\nb",2\n2,c,3\n',
    'name,address\nAda,"Main St 5\nHull, Yorkshire"\nBo,"Low Rd 7\nLeeds"\n',
  ]);
});

test("lines above the header, and a second row of it, are a doubt", () => {
  held([
    "Name:,Probe 7\nSerial:,0012\ntime,size\n2024-01-01 00:00,5.1\n2024-01-01 00:10,5.2\n",
    "Account;12345;\nOwner;A. Moe;\n;;\nDay;Text;Amount\n02.01.2024;Rent;-900,00\n",
    "Account;12345;\nDay;Text;Amount\n02.01.2024;Rent;-900,00\n03.01.2024;Pay;100,00\n",
    "Club:,Brann\nplayer,points\nAda,5\nBo,6\n",
    "Report, June\np,q\n1,2\n3,4\n",
    "2023,2023,2024,2024\nQ1,Q2,Q1,Q2\n5,6,7,8\n9,10,11,12\n",
    'Id,Name,Qty\n"","pcs",""\n1,Ada,5\n2,Bo,6\n',
    "Id,Mass,Size\n,kg,m\n1,5,6\n2,7,8\n3,9,10\n",
    "name,city,weight\n,,kg\nAnn,Oslo,60\nBob,Rome,80\n",
    "Country,Population,Population\n,Male,Female\n,2019,2020\nNorway,2.7,2.6\nItaly,29.1,30.2\n",
    "Name,Address,\n,Street,City\nAnn,Main 1,Oslo\nBob,Low 2,Rome\n",
  ]);
  loaded([
    "name,a,b\nAda,,\nBo,5,6\nEva,7,8\n",
    "name,a,b\nAda,unknown,\nBo,5,6\nEva,7,8\n",
    "id,amount\n1,unknown\n2,5\n3,6\n",
    "key,value\nmode,auto\nlevel,high\nsize,5\nport,6\n",
    "time,height,speed\ns,m,m/s\n0,1.5,2.0\n1,1.6,2.1\n2,1.7,2.2\n3,1.8,2.3\n",
    "day,name,n\nn/a,Ada,\n2024-01-01,Bo,5\n2024-01-02,Eva,6\n2024-01-03,Ida,7\n",
  ]);
});

test("a row of lines between the rows is a doubt, and no header is above it", () => {
  const rows = (count: number): string => Array.from({ length: count }, (_, n) => `Ann${n},red\n`).join("");
  held([
    ...[1, 2, 3, 8, 40].map((count) => `name,colour\n${rows(count)}---,---\nBob,blue\nCid,white\n`),
    "name\tqty\nAnn\t5\n----\t---\nBob\t6\n",
    "id,qty\n1,5\n===,===\n11,8\n12,9\n",
    "name,qty\nAnn,5\nBob,6\n----,--\nTotal,11\n",
  ]);
  loaded([
    "id,name\n---,----\n1,x\n2,y\n3,z\n",
    "Report,\nid,name\n---,----\n1,x\n2,y\n3,z\n",
    "server,db1\nuser,me\n\nid,name\n---,----\n1,x\n2,y\n3,z\n",
    "id,name\n1,---\n2,y\n3,z\n",
  ]);
});

test("totals and sums between the rows are a doubt", () => {
  held([
    "item,qty,price\nA,1,10.0\nB,2,20.0\nC,3,30.0\nTotal,6,60.0\nAverage,2,20.0\n",
    "item,qty\nTotal,18\na,5\nb,6\nc,7\n",
    "region,city,sales\nNorth,Oslo,10\nNorth,Moss,20\nNorth Total,,30\nSouth,Rome,5\nSouth,Bari,6\nSouth Total,,11\n",
    "region,city,sales\nNorth,Oslo,10\nNorth,Moss,20\n,,30\nSouth,Rome,5\nSouth,Bari,6\n,,11\n",
    "id,text,n\n1,a,5\n2,b,6\n,carried forward,11\n3,c,7\n4,d,8\n,carried forward,26\n",
    "name,score\nx,0\ny,0\ntotal,0\n",
  ]);
  loaded([
    "name,qty\nAnn,5\nBob,6\nTotal,11\n",
    "sex,year,n\nTotal,2020,10\nMale,2020,4\nFemale,2020,6\nTotal,2021,12\nMale,2021,5\nFemale,2021,7\n",
    "part,id,n\n,1,5\n7,2,6\n7,3,7\n",
  ]);
});

test("headings and rows that are commented out, above numbers, are a doubt", () => {
  held([
    "id,name,qty\nFruit,,\n1,apple,5\n2,pear,6\nVeg,,\n3,leek,7\n",
    "id,qty\n1,5\n2,6\nPage 1 of 2,\nid,qty\n3,7\n4,8\nPage 2 of 2,\n",
    "id,name,qty\n1,a,5\n# 2,b,6\n3,c,7\n#4,d,8\n5,e,9\n",
  ]);
  loaded(["a,b\n1,\n2,\nx,\n4,\n", "tag,n\n#a,5\n#b,6\n#c,7\n"]);
});

test("one column that looks like several, or like a letter, is a doubt", () => {
  held([
    '"id,name,n"\n"1,Ada,5"\n"2,Bo,6"\n',
    '"id;name"\n"1;Ada"\n"2;Bo"\n',
    "þidþ\x14þnameþ\nþ1þ\x14þAdaþ\n",
    "KEY   NAME      QTY\n1     Ada       5\n2     Bo Lund   16\n",
    "Dear all,\nplease find attached, as agreed, the list.\nRegards,\nAda\n",
    "name\nMoe, Ada\nLund, Bo\nPark, Eva\n",
    "list\n1, Ada, Oslo\n2, Bo\nnone\n",
  ]);
  loaded([
    'note\n"red, blue"\n"green, grey"\n',
    '"note"\n"red, blue"\n"green, grey"\n',
    '"Last, first"\n"Moe"\n"Lund"\n',
    "remark\nOrder 1 came late\nOrder 2 was lost\n",
    "No.\n1\n2\n",
    "name\nAda Moe\nBo  Lund\nEva Park\n",
    "feedback\nHelpful staff, thank you\nCold room, and the heating, well, broken\nNice\nNo, never\n",
    "company\nAcme, Inc.\nFoo Ltd\nBar, LLC\nBaz GmbH\n",
  ]);
});

test("a row with words in all columns of numbers or dates is a doubt", () => {
  held([
    "id,name,qty\n1,Ada,5\n# moved, again, x\n2,Bo,6\n3,Eva,7\n",
    "at,v\n10:00,5\n// gap,in series\n10:05,6\n10:10,7\n",
    "id,name,age\n1,Ada,34\n2,Bo,51\n3,Eva,19\n\nno,user,amount\n10,1,5.50\n11,2,6.50\n",
    "a,b\n1,2\n\nc,d\n3,4\n\ne,f\n5,6\n",
    'id,day,n\n1,2024-01-01,5\n"id","day","n"\n2,2024-01-02,6\n3,2024-01-03,7\n',
    "name\n# moved\nAda Moe\nBo Lund\nEva Park\nIda Dahl\nMia Berg\n",
  ]);
  loaded([
    "name,lat,lon\nA,5.5,6.5\nB,unknown,unknown\nC,6.5,7.5\n",
    "id,day,n\n1,2024-01-01,5\nid,day,n\n2,2024-01-02,6\n3,2024-01-03,7\n",
    "key,digits\n*,10\n#,11\n0,12\n1,13\n",
    "sku,n,day\nA1,5,2024-01-01\nB,unknown,2024-01-02\nA3,7,n/a\n",
  ]);
});

test("lines of one column that begin with # between words are values", () => {
  const rowsOf = (text: string): number => {
    const { dialect } = detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });
    return text.split("\n").length - 2 - (dialect.comment === undefined ? (dialect.skipRows ?? 0) : Infinity);
  };
  assert.equal(rowsOf("tag\n#one\n#two\nthree\n#four\n"), 4);
  assert.equal(rowsOf("# tags of May\ntag\n#one\n#two\nthree\n"), 3);
  assert.equal(rowsOf("#one\ntwo\n#three\n#four\n"), 3);
  const { dialect } = detectStructure({
    text: "v\n1\n# moved\n2\n3\n",
    complete: true,
    encoding: "utf-8",
    requested: {},
  });
  assert.equal(dialect.comment, "#");
});

test("a last line with the number of the rows is no row, in any language", () => {
  loaded(["id;nom;n\n1;Ada;5\n2;Bo;6\n3;Eva;7\n3 lignes\n", "id,navn,n\n1,Ada,5\n2,Bo,6\n2 rader\n"]);
  held(["id;nom;n\n1;Ada;5\n2;Bo;6\n3;Eva;7\n4 pommes\n"]);
});

test("a note with numbers and dates below the rows is no row", () => {
  const footer = (text: string): unknown =>
    detectStructure({ text, complete: true, encoding: "utf-8", requested: {} }).dialect.footerRows;
  const rows = "id,name,qty\n1,Ada,5\n2,Bo,6\n3,Eva,7\n";
  assert.equal(footer(`${rows}\nGenerated by ShopTool 3.1 on 2024-02-01 08:00\n`), 1);
  assert.equal(footer(`${rows}4 Ida 8\n`), undefined, "a row with blanks between its fields");
});

test("a first field alone above rows without it is a doubt, and so is a total of one row", () => {
  held([
    "region,city,val\nNorth,,\n,A,10\n,B,20\nSouth,,\n,C,5\n",
    "name,units\nNorth,10\nTotal,10\n",
    "id;name;amount\n001;Ann;1,00\nSumme;;1,00\n",
  ]);
  loaded([
    "region,city,val\nNorth,A,10\n,B,20\nSouth,C,5\n,D,6\n",
    "name,units\nTotal,10\n",
    "Betreff;Betrag;Datum\nA;1,00;01.01.2026\nB;2,00;02.01.2026\nGesamtbetrag;3,00;\n",
    "produkt;belopp\nA;10,5\nB;20,5\nSumma;31,0\n",
  ]);
});

test("a note that says that the export failed is a doubt", () => {
  const withNote = (note: string): string => `id,name,v\n1,a,5\n2,b,6\n3,c,7\n${note}\n`;
  for (const note of [
    "ERROR: ORA-01555 snapshot too old",
    "ERROR 2013 (HY000): Lost connection to MySQL server during query",
    "<b>Fatal error</b>: Maximum execution time exceeded",
    "Fehler bei der Verarbeitung",
    "java.lang.OutOfMemoryError: Java heap space",
    "Export was cancelled by the user",
  ])
    assert.deepEqual(doubts(withNote(note)), ["structure_unsure"], note);
  for (const note of ["Margin of error: 3 %", "Error bars show the deviation", "By ShopTool", "3 rows"])
    assert.deepEqual(doubts(withNote(note)), [], note);
});
