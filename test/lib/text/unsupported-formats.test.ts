import assert from "node:assert/strict";
import { test } from "node:test";
import { looksBinary, looksForeign, remedyFor } from "../../../lib/text/unsupported-formats.ts";
import { columnsOf, parse } from "../parsing/parsing.ts";

test("what is no text says what it is", () => {
  assert.match(looksBinary(Buffer.from("PK\x03\x04"))!, /ZIP/);
  assert.match(looksBinary(Buffer.from("SQLite format 3\0"))!, /SQLite/);
  assert.equal(looksBinary(Buffer.from("ORC_ID,name\n1,x\n")), undefined);
  assert.equal(looksBinary(Buffer.from("a,b\n\0,1\n")), undefined);
  const random = Buffer.from(Array.from({ length: 4_000 }, (_, i) => (i * 7_919 + (i >> 3) * 104_729) & 0xff));
  assert.equal(looksBinary(random), "binary data");
  const parquet = Buffer.from(`PAR1${"\x15\0".repeat(100)}PAR1`);
  assert.equal(looksBinary(parquet, true), "a Parquet file", "zeros at every other byte");
  assert.equal(looksBinary(Buffer.from("id,name\n1,x\n", "utf16le"), true), undefined);
  const latin1 = Buffer.from("Käthe;Zoë;\x00\n".repeat(10), "latin1");
  assert.equal(looksBinary(Buffer.concat([Buffer.alloc(500, "ä;b\n", "latin1"), latin1])), undefined, "a few NULs");
});

test("pages and documents for programs are told from text that only looks a little like them", () => {
  const cases: [text: string, found: string | undefined][] = [
    ["<!DOCTYPE html>\n<html>", "an HTML page"],
    ["\n  <HTML lang='en'>", "an HTML page"],
    ['<?xml version="1.0"?>\n<Error>', "an XML document"],
    ['<Error xmlns="s3"><Code>AccessDenied</Code></Error>', "an XML document"],
    ['{"id": 1}\n{"id": 2}\n', "JSON"],
    ['[{"id": 1},\n{"id": 2}]', "JSON"],
    ['{\n  "error": "no"\n}', "JSON"],
    ["[\n  {\n", "JSON"],
    ["{\\rtf1\\ansi id,name\\par 1,Ann}\n", "an RTF document"],
    ["[]", "JSON"],
    ["{}\n", "JSON"],
    [`[{"id": "${"x".repeat(5_000)}"`, "JSON"],
    ["[id],[name]\n1,a\n", undefined],
    ["[1],[2]\n", undefined],
    ["[id]\n[x]\n", undefined],
    ["{id},{name}\n", undefined],
    ['{"a": 1},x\n{"a": 2},y\n', undefined],
    ["<b>,c\n1,2\n", undefined],
    ["<5,>5\n1,2\n", undefined],
    ["<id>;<name>\n", undefined],
    ["id,html\n1,<html>\n", undefined],
    ["", undefined],
  ];
  for (const [text, found] of cases) assert.equal(looksForeign(text), found, text.slice(0, 60));
});

test("a line that names the separator is no row, whatever else speaks for another", async () => {
  for (const lineEnd of ["\n", "\r\n", "\r"]) {
    const parsed = await parse(["sep=;", "a,b;c", "1,5;x", "2;y;z"].join(lineEnd));
    assert.deepEqual(columnsOf(parsed), ["a_b VARCHAR", "c VARCHAR"]);
    assert.deepEqual(parsed.rows, [{ a_b: "1,5", c: "x" }]);
    assert.deepEqual(
      parsed.rejects.map(({ line, row, reason }) => [line, row, reason]),
      [[4, 2, "too_many_fields"]],
    );
  }
  assert.equal((await parse("sep=;\n")).summary.error?.code, "FILE_EMPTY");
  assert.deepEqual(columnsOf(await parse("sep=,x\n1,2\n")), ["sep INTEGER", "x INTEGER"]);
  const told = await parse("sep=;\na|b\n1|2\n", { job: { requested: { delimiter: "|" } } });
  assert.deepEqual(told.rows, [{ a: 1, b: 2 }]);
});

test("text of other programs is told by its beginning, from tables that begin a little like it", () => {
  const cases: [text: string, found: string | undefined][] = [
    ['ID;PWXL;N;E\nP;PGeneral\nF;P0;DG0G8;M255\nB;Y3;X2\nC;Y1;X1;K"name"\nE\n', "a SYLK spreadsheet"],
    ['ID;PSCALC3\r\nC;X1;Y1;K"a"\r\nC;X2;K1.5\r\nC;X1;Y2;K-3\r\nE\r\n', "a SYLK spreadsheet"],
    ["ID;P\nC;X1;Y1;K1\nE\n", "a SYLK spreadsheet"],
    ['TABLE\n0,1\n"EXCEL"\nVECTORS\n0,2\n""\n', "a DIF spreadsheet"],
    ["BEGIN:VCARD\nVERSION:3.0\n", "address cards (vCard)"],
    ["BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "a calendar (iCalendar)"],
    ["UNA:+.? '\nUNB+UNOC:3+1+2'", "an EDIFACT message"],
    ["ISA*00*          *00*          *ZZ*SENDER*", "an X12 message"],
    ["MSH|^~\\&|LAB|HOSP|||20240101||ORU^R01|1|P|2.5\rPID|1|\r", "an HL7 message"],
    [":20:STARTUMS\r\n:25:10020030/1234567\r\n:28C:0\r\n", "a SWIFT message"],
    ["!Type:Bank\nD6/1/94\nT-1,000.00\n^\n", "a QIF file"],
    ["!TRNS\tTRNSTYPE\tDATE\n!SPL\tTRNSTYPE\tDATE\n", "an IIF file"],
    ["0 HEAD\n1 SOUR X\n", "a GEDCOM file"],
    ["version: 1\n\ndn: cn=A,dc=x\ncn: A\n", "an LDIF file"],
    ["% iris\n\n@RELATION iris\n@ATTRIBUTE a REAL\n", "an ARFF file"],
    ["INSERT INTO t VALUES (1,'a');\nINSERT INTO t VALUES (2,'b');\n", "an SQL script"],
    ["{\\rtf1\\ansi hello}", "an RTF document"],
    ["Received: from a by b; Mon, 1 Jan 2024\n", "an e-mail message"],
    ["ID;PRICE\nC;Apple\nP;Pear\nF;Kiwi\n", undefined],
    ["ID;PRICE;NAME\nC1;2;x\n", undefined],
    ["ID;P\n1;2\n", undefined],
    ["TABLE\n0,1\n0,2\n", undefined],
    ["BEGIN,END\n1,2\n", undefined],
    ["ISA,NAME\n1,x\n", undefined],
    ["MSH|name\n1|x\n", undefined],
    ["From,To\na,b\n", undefined],
    ["diff,name\n1,x\n", undefined],
    ["INSERT,DELETE\n1,2\n", undefined],
    ["% of total,name\n1,x\n", undefined],
  ];
  for (const [text, found] of cases) assert.equal(looksForeign(text), found, text.slice(0, 60));
  assert.match(remedyFor("a SYLK spreadsheet"), /save it as CSV/);
});
