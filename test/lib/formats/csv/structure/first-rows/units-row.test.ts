import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const doubtsIn = (text: string): string[] =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested: {} }).doubts.map(({ evidence }) => evidence);

const days = Array.from({ length: 28 }, (_, at) => `S${at},2026-01-${String(at + 1).padStart(2, "0")},${at}.5\n`).join(
  "",
);

const UNITS: readonly string[] = [
  "name,speed\nn/a,km/h\nA,5\nB,6\nC,7\n",
  "id,name\nint primary key,varchar(20)\n1,a\n2,b\n3,c\n",
  "Ort;Temperatur\nText;Grad Celsius\nUlm;5\nBonn;6\nKiel;7\n",
  "country,population\n,millions\nDE,5\nFR,6\nIT,7\n",
  `station,date,tmax\n-,-,degC\n${days}`,
  "name;menge\n-;Stk\nA0;0\nA1;1\nA2;2\n",
  "depth,salinity,note\nm,psu,-\n5,35.1,ok\n10,35.2,ok\n",
  "name;laenge\nZeichen;Zahl\nA;5\nB;6\nC;7\n",
  "product,weight,price\n-,kg,€\nA,5,6.5\nB,6,7.5\nC,7,8.5\n",
  "Probe;Wert\n;[mg/l]\nA;5,1\nB;6,2\nC;7,3\n",
  "name,age\nstr,int64\nAnn,5\nBob,6\nCy,7\n",
  "name,joined\n(text),(date)\nAnn,2020-01-01\nBob,2021-01-01\nCy,2022-02-02\n",
  "name;menge\nText;Stück\nA;5\nB;6\nC;7\n",
  "id,name\nINTEGER,VARCHAR\n1,a\n2,b\n3,c\n",
  "id,name\n(number),(text)\n1,a\n2,b\n3,c\n",
  "name,weight\n,kg\nAnn,80\nBob,70\nCid,60\n",
  "name,weight\n(-),(kg)\nAnn,80\nBob,70\nCid,60\n",
  "city,temp\n[text],[°C]\nOslo,5\nRome,15\nBonn,8\n",
  "name,born\nstring,date\nAnn,2000-01-01\nBob,1999-01-01\nCid,1998-02-02\n",
  "name,born\n-,YYYY-MM-DD\nAnn,2000-01-01\nBob,1999-01-01\nCid,1998-02-02\n",
  "name,city\nVARCHAR,VARCHAR(20)\nAnn,Oslo\nBob,Rome\nCid,Bonn\n",
  "name,n\n<chr>,<dbl>\nAnn,5\nBob,6\nCy,7\n",
  "Einheit;Länge\nEinheit;mm\nA;5\nB;6\nC;7\n",
  "name;preis\n-;EUR\nA;5,00\nB;6,50\nC;7,10\n",
  "time,flow\n-,m3/s\n2026-01-01,5\n2026-01-02,6\n2026-01-03,7\n",
];

test("a row of units or types below the header is a doubt", () => {
  for (const text of UNITS) {
    assert.ok(doubtsIn(text).length > 0, JSON.stringify(text.slice(0, 80)));
  }
});

const ROWS: readonly string[] = [
  "grade,n\nA,m\nB,6\nC,7\n",
  "name,weight\nAnn,kg\nBob,70\nCy,60\n",
  "name,weight\nAnn,80 kg\nBob,70\nCy,60\n",
  "Ort;Bestand\nUlm;fünf\nBonn;6\nKiel;7\n",
  "code,qty\nA1,abc\nA2,5\nA3,6\n",
  "code,pressure\nA1,120/80\nA2,5\nA3,6\n",
  "name,score\nx,abc\ny,5\nz,6\n",
  "name,score,date\nAnn,oops,2026-01-01\nBob,5,2026-01-02\nCy,6,2026-01-03\n",
  "date,open,high,low\n2026-01-01,a,5,6\n2026-01-02,1,5,6\n2026-01-03,1,5,6\n",
  "name,height\nAnn,unknown\nBob,180\nCid,170\n",
  "product,price\nX,Preis auf Anfrage\nY,5\nZ,6\n",
  "product,price\nX,on request\nY,5\nZ,6\n",
  "sex,age\nF,unknown\nM,20\nM,30\nF,4\n",
  "student,grade\nAnn,F\nBob,A\nCy,B\n",
  "size,qty\nM,5\nL,6\nS,7\n",
  "name,amount\n-,5\nA,6\nB,7\n",
  "name,score\n-,n/a\nAnn,5\nBob,6\n",
  "unit,value\nkg,5\nm,6\ns,7\n",
  "unit,value\nkg,unknown\nm,6\ns,7\n",
];

test("a first row with a word in place of a number, or with units as values, is a row", () => {
  for (const text of ROWS) assert.deepEqual(doubtsIn(text), [], JSON.stringify(text.slice(0, 80)));
});
