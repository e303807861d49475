import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const doubtsIn = (text: string): string[] =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested: {} }).doubts.map(({ evidence }) => evidence);

const cities = ["Rom", "Ulm", "Oslo", "Bonn", "Kiel"];
const articles = Array.from({ length: 60 }, (_, at) => `A${at};${cities[at % 5]}\n`).join("");

const TITLES: readonly string[] = [
  "Monthly figures,Oslo\nmonth,visitors\n2026-01,5\n2026-02,6\n2026-03,7\n",
  "Run 17,OK\nsample,ph\nS1,7.1\nS2,7.2\nS3,7.3\n",
  "Warehouse,Main\nsku,bin\n100-A,X1\n100-B,X2\n100-C,X3\n",
  "Department,Finance\nEmployee,Salary\nAnn,5000\nBob,6000\nCy,7000\n",
  "Export,2026-01-31\nfoo,bar\n1,a\n2,b\n3,c\n",
  "Dataset,Census 2020\nstate,pop\nOhio,5\nIowa,6\nUtah,7\n",
  "31.12.2025;Stand\nArtikel;Ort\nA1;Rom\nA2;Ulm\nA3;Oslo\n",
  `Stand;31.12.2025\nArtikel;Ort\n${articles}`,
  "ACME stock,2026-01-01,daily\ndate,open,high\n2026-01-01,5,6\n2026-01-02,6,7\n2026-01-03,7,8\n",
  "Report;2026\nstation;min\nA;5\nB;6\nC;7\n",
  "Lagerbestand per 31.12.2025;Werk Ulm\nArtikelnr;Bezeichnung\n100;Schraube\n101;Mutter\n102;Nagel\n",
  "Zeitraum;01.01.2026 - 31.01.2026\nBuchungstag;Betrag\n01.01.2026;5,00\n02.01.2026;6,00\n",
  "Members as of 2026-01-31,Oslo branch\nmember,joined\nAnn,2020-01-01\nBob,2021-01-01\n",
  "Data export,v2\nuser_id,email\n1,a@x.example\n2,b@x.example\n",
  "Weather data,Bergen\nday,rain\n2026-01-01,5\n2026-01-02,6\n2026-01-03,7\n",
  "Liste der Kunden,Stand 2026\nVorname,Nachname\nAda,Moe\nBo,Lund\nEva,Park\n",
  "Project Alpha,Q1 2026\ntask,owner\nPlan,Ann\nBuild,Bob\nShip,Cy\n",
  "Export,2026-01-31\nname,city\nAnn,Oslo\nBob,Rome\nCid,Bonn\n",
  "Sales report, January 2026\nid,name\n1,a\n2,b\n",
  "ACME Ltd,Report\nid,name\n1,a\n2,b\n",
  "Filter,All\nid,name\n1,a\n2,b\n3,c\n",
  "Sales, 2026\nid,name\n1,a\n2,b\n3,c\n",
  "Kontoauszug;Januar 2026\nDatum;Betrag\n01.01.2026;5,00\n02.01.2026;6,00\n03.01.2026;7,00\n",
  "Report;Sales\nid;n\n1;2\n3;4\n5;6\n",
  "Report,Sales,2026\nid,name,qty\n1,a,5\n2,b,6\n",
  "Bestandsliste;2026\nArtikel;Menge\nA1;5\nA2;6\nA3;7\n",
  "Umsatz;Q1 2026\nKunde;Betrag\nAda;5,00\nBo;6,50\n",
  "Report,Jan 2026\nfirst_name,last_name\nAnn,Lee\nBob,Ray\nCid,Day\n",
  "2026,Q1\nid,name\n1,a\n2,b\n",
  "Inventory,2026-02-01,Oslo\nsku,location,qty\nA1,X,5\nA2,Y,6\n",
  "Printed,12:30\nname,city\nAnn,Oslo\nBob,Rome\n",
  "ACME,Umsatz\nname,city\nAnn,Oslo\nBob,Rome\nCy,Bonn\n",
  "Muster GmbH;Kundenliste\nName;Ort\nAda;Ulm\nBo;Bonn\nEva;Kiel\n",
  "Customer list,All regions\nname,country\nAnn,Norway\nBob,Italy\n",
  "Export;2026\nStand;Januar\nid;name\n1;a\n2;b\n3;c\n",
  "Kontoauszug;Januar 2026;\nDatum;Betrag;Saldo\n01.01.2026;5,00;6,00\n02.01.2026;5,00;6,00\n03.01.2026;5,00;6,00\n",
  "Balance,2026\ndate,amount\n2026-01-01,5\n2026-01-02,6\n2026-01-03,7\n",
  "Rapport,Mars 2026\nNom,Ville\nAnne,Lyon\nBob,Nice\n",
  "Temperatures,Station 5\ntime,value\n2026-01-01 00:00,5.5\n2026-01-01 01:00,5.6\n2026-01-01 02:00,5.7\n",
  "Page,1\nname,amount\nAnn,5\nBob,6\n",
];

test("a first line that may be a title as wide as the table is a doubt", () => {
  for (const text of TITLES) assert.ok(doubtsIn(text).length > 0, JSON.stringify(text.slice(0, 80)));
});

const HEADERS: readonly string[] = [
  "Department,Salary\nFinance,oops\nSales,5000\nLegal,6000\n",
  "Table,Rows\norders,abc\nitems,5\nusers,6\n",
  "name,2024\nSales,High\nCosts,Low\nProfit,High\n",
  "Filter,Value\nregion,North\nyear,2026\nperson,Ann\n",
  "Metric,Jan 2026,Feb 2026\nSales,good,bad\nCosts,bad,good\nProfit,good,good\n",
  "metric,2026-01-31\nsales,up\ncosts,down\nprofit,up\n",
  "page,views\n/home,abc\nabout,5\nfaq,6\nnews,7\n",
  "Created by,Score\nann,oops\nBob,5\nCy,6\n",
  "name,2024\nAda,Gold\nBo,Silver\nCy,Bronze\n",
  "country,2019,2020,2021\nDE,1,2,3\nFR,4,5,6\nIT,7,8,9\n",
  "name,2026-01-05,2026-01-06\nAnn,present,absent\nBob,absent,present\nCy,absent,absent\n",
  "report,status\nJan,open\nFeb,closed\nMar,open\n",
  "Report,Date\nA,2026-01-01\nB,2026-01-02\n",
  "english,german\nname,Name\ncity,Stadt\nhouse,Haus\ntree,Baum\n",
  "Term,Meaning\naddress,location\nfoo,bar\nmoss,plant\ntree,plant\n",
  "country,topic\nEngland,support\nGermany,pricing\nSpain,chart\nItaly,tax\n",
  "Page path,Views\n/home,5\n/a,6\n",
  "Source,Target\nA,B\nC,D\nE,F\n",
  "Sheet,Rows\nA,5\nB,6\n",
  "Statement,Agree\nI like it,5\nI hate it,6\n",
  "City,Sales\nOslo,5\nRome,7\n",
  "List price,Name\n5,A\n6,B\n",
  "Journal,Year\nNature,2020\nScience,2021\n",
  "Period,Region,Value\n2026-01,North,5\n2026-02,South,6\n",
  "Q1 2026,Q2 2026\n5,6\n7,8\n",
  "Bericht;Betrag\nJanuar;5\nFebruar;6\nMärz;7\n",
  "Export,Import\nWheat,Coal\nSteel,Oil\nGas,Cars\n",
  "Name,Sales 2026\nAnn,5\nBob,6\n",
  "Title,Author\nThe Book,Ann Lee\nOther,Bob Ray\nThird,Cy Day\n",
  "person,Stand\nAnn,open\nBob,closed\nCy,open\nDi,open\n",
  "Filter,Count\nall,5\nnone,6\nsome,7\n",
  "Created by,Owner\nAnn,name\nBob,Cy\nDi,Ed\n",
];

test("names above rows of words, and a value that is no number, are no such title", () => {
  for (const text of HEADERS) assert.deepEqual(doubtsIn(text), [], JSON.stringify(text.slice(0, 80)));
});

test("a header row that is declared is no title", () => {
  const text = "Filter,All\nid,name\n1,a\n2,b\n3,c\n";
  const requested = { headerRows: 1 };
  assert.deepEqual(detectStructure({ text, complete: true, encoding: "utf-8", requested }).doubts, []);
});

test("names of groups above the names of columns stay part of the header", () => {
  const text = ",Sales,,Costs,\nregion,plan,actual,plan,actual\nNorth,1,2,3,4\nSouth,5,6,7,8\nWest,5,6,7,9\n";
  const { dialect, doubts } = detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });
  assert.deepEqual([dialect.headerRows, doubts], [2, []]);
});
