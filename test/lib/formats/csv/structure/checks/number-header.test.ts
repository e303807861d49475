import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const found = (text: string) => detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });

test("numbers in quotes above numbers without quotes are a header", () => {
  for (const text of [
    '"","0","1","2"\n"0",27,29,10\n"1",59,53,14\n"2",28,32,14\n',
    '"","142.24","144.78"\n"9.4",0,0\n"9.5",0,1\n"9.6",2,0\n',
    '"1","2"\n3.5,4.5\n5.5,6.5\n',
  ]) {
    const { dialect, doubts } = found(text);
    assert.deepEqual([dialect.header, doubts], [true, []], text);
  }
  for (const text of ['"1","2"\n"3","4"\n', '"1",2\n3,4\n5,6\n', '1,2\n"3",4\n5,6\n']) {
    assert.equal(found(text).dialect.header, false, text);
  }
});

test("a first row of numbers may be the header of a table by sizes: a doubt", () => {
  for (const text of [
    ",142.24,144.78,147.32\n9.4,0,0,0\n9.5,0,0,1\n9.6,0,2,0\n",
    "type,0.0,0.5,1.0,1.5\nA1,,4.0,3.5,8.1\nB2,0,0.1,7.7,2.2\nC3,,,5.1,6.4\n",
    "size;0,5;1,0;1,5\na;7;3;2\nb;6;6;1\nc;9;1;0\n",
    "dose,1,5,10,50\na,0.2,0.1,0.4,0.2\nb,0.3,0.1,0.2,0.9\n",
    "Zone,1,2,5,10\nDE,4.50,5.50,7.00,9.00\nEU,5.50,6.50,8.00,11.00\n",
    "Std,0,1,2,3\nMon,5,6,8,9\nTue,1,2,5,6\n",
    "Gewicht bis kg;1;2;5;10\nZone 1;4;5;7;9\nZone 2;5;6;8;11\n",
  ]) {
    const reasons = found(text).doubts.map(({ reason }) => reason);
    assert.deepEqual(reasons, ["structure_unsure"], text);
  }
});

test("rows in order, a value that is missing, and few numbers are no such sign", () => {
  for (const text of [
    "Bern,1,2,3\nParis,4,5,6\nRom,7,8,9\n",
    "Bern,13,7,19\nParis,4,8,15\nRom,3,2,9\n",
    "Bern,1,2\nParis,4,3\nRom,3,2\n",
    ",1,1\nParis,4,3\nRom,3,2\n",
    ",4,5\n,2,3\nRom,3,2\n",
    ",2\n3,4\n",
    "country,2019,2020,2021\nDE,1,2,3\nFR,4,5,6\nIT,7,8,9\n",
  ]) {
    assert.deepEqual(found(text).doubts, [], text);
  }
});

test("names with digits above codes are a header if enough words are above numbers", () => {
  const header = "STATEFP10,CD111FP,GEOID10,NAME10,LSAD10,CDSESSN,MTFCC10,ALAND10\n";
  const rows = "27,8,2708,District 8,C2,111,G5200,71546\n27,5,2705,District 5,C2,111,G5200,32022\n";
  assert.deepEqual([found(header + rows).dialect.header, found(header + rows).doubts], [true, []]);
  for (const text of [
    "A-1,unknown,unknown,unknown\nA-2,5,6,7\nA-3,8,9,1\nA-4,3,4,5\n",
    "A-1,x,y\nA-2,5,6\nA-3,8,9\nA-4,3,4\n",
  ]) {
    assert.equal(found(text).doubts.length, 1, text);
  }
});

test("a name with a number above codes of other letters is no code", () => {
  const values = (row: string): string => `${row}${"x,value0,1\nx,value1,2\nx,value2,3\n".repeat(3)}`;
  assert.deepEqual(
    [found(values("id,prop0,prop1\n")).dialect.header, found(values("id,prop0,prop1\n")).doubts],
    [true, []],
  );
  const geo = "id,prop0,note\n,value0,moss\n,value0,fern\n,value0,reed\n";
  assert.deepEqual([found(geo).dialect.header, found(geo).doubts], [true, []]);
  const codes = "B-1,moss\nA-2,fern\nA-3,reed\nA-4,sedge\nA-5,rush\n";
  assert.equal(found(codes).doubts.length, 1);
});
