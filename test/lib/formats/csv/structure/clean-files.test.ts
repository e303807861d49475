import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../lib/formats/csv/structure/structure.ts";

/** Rows of a header and what `cells` gives for 1 to `count`. */
const rows = (header: string, count: number, cells: (n: number) => string): string =>
  [header, ...Array.from({ length: count }, (_, n) => cells(n + 1))].filter((line) => line !== "").join("\n") + "\n";

const day = (n: number): string => `2026-0${(n % 9) + 1}-1${n % 10}`;
const names = ["Ada Moe", "Bo Lund", "Cleo Park", "Dag Holm", "Eva Stone"];
const name = (n: number): string => names[n % names.length]!;
const city = (n: number): string => ["Oslo", "Bergen", "Rome", "Turin", "Paris"][n % 5]!;
const price = (n: number): string => (n * 7.35).toFixed(2);
const comma = (n: number): string => price(n).replace(".", ",");

/** Ordinary files, and the fields that their rows have. */
const FILES: readonly [name: string, fields: number, text: string][] = [
  ["one column of numbers", 1, rows("id", 20, String)],
  ["one column of codes", 1, rows("sku", 20, (n) => `MG-${8000 + n}`)],
  ["one column of words", 1, rows("city", 20, city)],
  ["one column of names", 1, rows("name", 20, name)],
  ["one column of sentences", 1, rows("comment", 12, (n) => `Order ${n} came late again`)],
  ["one column of e-mail addresses", 1, rows("email", 12, (n) => `user${n}@example.com`)],
  ["one column of dates", 1, rows("day", 12, day)],
  ["one column of URLs", 1, rows("url", 12, (n) => `https://example.com/a/${n}?b=c`)],
  ["one column of decimals", 1, rows("value", 12, price)],
  ["one column without a header", 1, rows("", 12, (n) => String(n * 3))],
  ["one column, one row", 1, "id\n7\n"],
  ["one column, quoted text with commas", 1, rows("note", 8, (n) => `"red, blue, no. ${n}"`)],
  ["two columns, number and word", 2, rows("id,city", 20, (n) => `${n},${city(n)}`)],
  ["two columns of text", 2, rows("name,city", 20, (n) => `${name(n)},${city(n)}`)],
  ["two columns of numbers", 2, rows("x,y", 20, (n) => `${n},${n * n}`)],
  ["two columns with tabs", 2, rows("id\tname", 12, (n) => `${n}\t${name(n)}`)],
  ["two columns, key and value", 2, rows("key,value", 9, (n) => `setting.${n},value ${n}`)],
  ["two columns, decimal comma", 2, rows("artikel;preis", 12, (n) => `A${n};${comma(n)}`)],
  ["two columns, day and amount", 2, rows("day,amount", 12, (n) => `${day(n)},${price(n)}`)],
  ["text only, three columns", 3, rows("first,last,city", 20, (n) => `${name(n).replace(" ", ",")},${city(n)}`)],
  ["text only, with pipes", 3, rows("name|city|note", 12, (n) => `${name(n)}|${city(n)}|came by, and left`)],
  ["text only, all quoted", 2, rows('"name","city"', 12, (n) => `"${name(n)}","${city(n)}"`)],
  ["sales", 5, rows("id,day,city,units,price", 30, (n) => `${n},${day(n)},${city(n)},${n % 7},${price(n)}`)],
  ["all quoted", 4, rows('"id","day","city","price"', 20, (n) => `"${n}","${day(n)}","${city(n)}","${price(n)}"`)],
  ["semicolons", 4, rows("id;datum;ort;preis", 20, (n) => `${n};${n % 28}.03.2026;${city(n)};${comma(n)}`)],
  ["semicolons, quoted prices", 3, rows("id;ort;preis", 12, (n) => `${n};${city(n)};"1.${100 + n},50"`)],
  ["commas, quoted decimal commas", 3, rows("id,city,price", 12, (n) => `${n},${city(n)},"${comma(n)}"`)],
  ["dollars", 3, rows("id,item,price", 12, (n) => `${n},"Boots, size ${n}",$${price(n)}`)],
  ["quoted text with line ends", 3, rows("id,note,day", 9, (n) => `${n},"Dear ${name(n)},\nit is late.\n",${day(n)}`)],
  ["quoted text of many lines", 2, rows("id,text", 4, (n) => `${n},"${"one line, two\n".repeat(20)}"`)],
  ["quoted quotes", 3, rows("id,text,n", 9, (n) => `${n},"say ""hi, ${n}"" twice",${n * 2}`)],
  ["marks for inches", 3, rows("id,item,price", 9, (n) => `${n},nail ${n}",${price(n)}`)],
  ["apostrophes", 3, rows("id,item,price", 9, (n) => `${n},Men's boots,${price(n)}`)],
  ["JSON within quotes", 2, rows("id,data", 9, (n) => `${n},"{""a"": ${n}, ""b"": [1, 2]}"`)],
  ["backslashes in paths", 2, rows("id,path", 9, (n) => `${n},C:\\data\\${n}`)],
  ["empty cells", 4, rows("id,a,b,c", 12, (n) => `${n},${n % 2 ? "" : "x"},,${n % 3 ? n : ""}`)],
  ["an empty column at the end", 3, rows("id,city,note", 12, (n) => `${n},${city(n)},`)],
  ["null markers", 3, rows("id,value,city", 12, (n) => `${n},${n % 3 ? price(n) : "NA"},${city(n)}`)],
  ["timestamps", 3, rows("at,level,text", 12, (n) => `${day(n)}T10:0${n % 10}:00Z,INFO,request ${n} served`)],
  ["times and ports", 3, rows("host,port,up", 12, (n) => `10.0.0.${n},80${n % 10},12:0${n % 10}`)],
  ["years in the header", 4, rows("city,2023,2024,2025", 9, (n) => `${city(n)},${n},${n * 2},${n * 3}`)],
  ["wide", 60, rows(Array.from({ length: 60 }, (_, n) => `c${n}`).join(","), 9, (n) => `${n},`.repeat(59) + String(n))],
  ["wide text", 30, rows(Array.from({ length: 30 }, (_, n) => `q${n}`).join(";"), 9, () => "yes;".repeat(29) + "no")],
  ["header only", 3, "id,name,city\n"],
  ["one row", 3, "id,name,day\n1,Ada,2026-01-31\n"],
  ["two rows", 3, rows("id,name,price", 2, (n) => `${n},${name(n)},${price(n)}`)],
  ["three rows", 2, rows("name,age", 3, (n) => `${name(n)},${20 + n}`)],
  ["without a header", 4, rows("", 20, (n) => `${n},${day(n)},${city(n)},${price(n)}`)],
  ["without a header, semicolons", 3, rows("", 20, (n) => `${day(n)};${n};${comma(n)}`)],
  ["carriage returns", 3, rows("id,city,day", 9, (n) => `${n},${city(n)},${day(n)}`).replaceAll("\n", "\r\n")],
  ["coordinates", 3, rows("city,lat,lon", 9, (n) => `${city(n)},59.${n}1,-10.${n}2`)],
  ["accents", 3, rows("número,año,descripción", 9, (n) => `${n},202${n},canción ñandú`)],
];

test("ordinary files are read without a doubt", () => {
  const held: string[] = [];
  const wrong: string[] = [];
  for (const [title, fields, text] of FILES) {
    const { dialect, doubts } = detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });
    held.push(...doubts.map(({ evidence }) => `${title}: ${evidence}`));
    const [line = ""] = text.split(/\r?\n/);
    const count = line.split(dialect.delimiter).length;
    const unusual = (dialect.skipRows ?? 0) + (dialect.footerRows ?? 0) > 0 || dialect.rowNames || dialect.headerRows;
    const headless = title.includes("without a header");
    if (count !== fields || unusual || dialect.header === headless) wrong.push(`${title}: ${JSON.stringify(dialect)}`);
  }
  assert.deepEqual({ held, wrong }, { held: [], wrong: [] });
});
