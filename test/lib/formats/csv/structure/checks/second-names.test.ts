import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure, type Structure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const structureOf = (text: string): Structure =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });

const ROWS = "Bob,180,80\nCid,170,70\nDee,160,60\n";

test("a row of words below full names is a doubt, unless it has units or types", () => {
  for (const row of ["Ann,unknown,secret", "Ann,unknown,TBD", "Name,Größe,Gewicht"]) {
    assert.equal(structureOf(`name,height,weight\n${row}\n${ROWS}`).doubts.length, 1, row);
  }
  for (const row of [",cm,kg", "text,cm,kg", "-,kg,kg", "string,INTEGER,decimal(4)", "person,[cm],[kg]"]) {
    const { dialect, doubts } = structureOf(`name,height,weight\n${row}\n${ROWS}`);
    assert.deepEqual([dialect.headerRows, doubts], [2, []], row);
  }
  for (const group of ["person,size,size", "person,size,"]) {
    const { dialect, doubts } = structureOf(`${group}\nname,height,weight\n${ROWS}`);
    assert.deepEqual([dialect.headerRows, doubts], [2, []], "names that are groups need those below them");
  }
});

test("the same word in all columns of numbers is a value that lacks, and its row no part of the header", () => {
  assert.equal(structureOf(`name,height,weight\nAnn,unknown,unknown\n${ROWS}`).dialect.headerRows, undefined);
});

const VALUES =
  "Ann,(null),(null) Ann,[offline],[offline] Ann,24/7,24/7 Ann,n/d,n/d Ann,A,C Ann,%,% Ann,real,text".split(" ");

test("a value that looks like a unit takes no row into the header", () => {
  for (const row of [...VALUES, "Ann,#DIV/0!,#N/A", "Ann,(null),unknown", "Ann,w/o,n/d", "Software,min,max"]) {
    const { dialect, doubts } = structureOf(`name,height,weight\n${row}\n${ROWS}`);
    assert.ok(dialect.headerRows === undefined || doubts.length > 0, row);
  }
  assert.equal(
    structureOf(`,height,weight\nAnn,unknown,absent\n${ROWS}`).doubts.length,
    1,
    "a header without a first name",
  );
  for (const row of ["Name,°C,%", "Ort,mg/l,(kg)", "Station 1,EUR/kg,m³"]) {
    const { dialect, doubts } = structureOf(`name,height,weight\n${row}\n${ROWS}`);
    assert.deepEqual([dialect.headerRows, doubts], [2, []], row);
  }
});
