import assert from "node:assert/strict";
import { test } from "node:test";
import { preview, shown } from "./shown.ts";

/** Files that can be read in more than one way, after public complaints about loading CSV. */

const HELD: readonly [title: string, text: string][] = [
  ["md escaped pipe", "| id | name | q |\n|---|---|---|\n| 1 | a\\|b | 5 |\n| 2 | Bob | 6 |\n| 3 | Cy | 7 |\n"],
  ["mysql 1col", "+------+\n| name |\n+------+\n| Ann  |\n| Bob  |\n+------+\n"],
  [
    "unicode box",
    "┌────┬──────┬───┐\n│ id │ name │ q │\n├────┼──────┼───┤\n│ 1  │ Ann  │ 5 │\n│ 2  │ Bob  │ 6 │\n└────┴──────┴───┘\n",
  ],
  [
    "sqlplus",
    "        ID NAME                Q\n---------- ---------- ----------\n         1 Ann                 5\n         2 Bob                 6\n\n2 rows selected.\n",
  ],
  [
    "sqlcmd",
    "id          name       q\n----------- ---------- -----------\n          1 Ann                  5\n          2 Bob                  6\n\n(2 rows affected)\n",
  ],
  ["rst simple", "==  ====  =\nid  name  q\n==  ====  =\n1   Ann   5\n2   Bob   6\n==  ====  =\n"],
  ["jira wiki", "||id||name||q||\n|1|Ann|5|\n|2|Bob|6|\n|3|Cy|7|\n"],
  ["lines quoted all", '"id,name,q"\n"1,Ann,5"\n"2,Bob,6"\n"3,Cy,7"\n'],
  ["lines quoted not header", 'id,name,q\n"1,Ann,5"\n"2,Bob,6"\n"3,Cy,7"\n'],
  ["lines quoted doubled", '"id,name,q"\n"1,""Lee, Ann"",5"\n"2,""Ray, Bob"",6"\n"3,""Day, Cy"",7"\n'],
  ["lines quoted semis", '"id;name;q"\n"1;Ann;5"\n"2;Bob;6"\n"3;Cy;7"\n'],
  ["lines quoted + empties", '"id,name,q",,\n"1,Ann,5",,\n"2,Bob,6",,\n"3,Cy,7",,\n'],
  ["lines quoted ;", '"id,name,q";\n"1,Ann,5";\n"2,Bob,6";\n"3,Cy,7";\n'],
  ["lines quoted tab", '"id\tname\tq"\n"1\tAnn\t5"\n"2\tBob\t6"\n"3\tCy\t7"\n'],
  ["lines quoted 2col", '"id,q"\n"1,5"\n"2,6"\n"3,7"\n'],
  ["R row names unquoted", "name q\nr1 Ann 5\nr2 Bob 6\nr3 Cy 7\n"],
  ["pandas multiindex", ",sales,sales,cost\n,2023,2024,2024\nregion,,,\nN,5,6,7\nS,8,9,10\n"],
  ["2-row header 1 row", "Region,2023,,2024,\n,Sales,Cost,Sales,Cost\nEU,5,6,7,8\n"],
  [
    "surveymonkey",
    "Respondent ID,Start Date,How satisfied are you?,\n,,Response,Other (please specify)\n1001,2024-01-02,Very,\n1002,2024-01-03,Not,too slow\n1003,2024-01-04,Very,\n",
  ],
  ["header other delim", "id,name,q\n1;Ann;5\n2;Bob;6\n3;Cy;7\n"],
  ["header tab rows comma", "id\tname\tq\n1,Ann,5\n2,Bob,6\n3,Cy,7\n"],
  ["dup header lines", "id,name,q\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n"],
  ["header at end", "1,Ann,5\n2,Bob,6\n3,Cy,7\nid,name,q\n"],
  ["header numbers", "1,2,3\nAnn,5,6\nBob,7,8\n"],
  [
    "bank opening/closing",
    "Date,Description,Amount,Balance\n,Opening balance,,100.00\n2024-01-02,Rent,-50.00,50.00\n2024-01-03,Pay,200.00,250.00\n2024-01-04,Gas,-20.00,230.00\n,Closing balance,,230.00\n",
  ],
  [
    "bank trailing saldo",
    "Datum;Text;Betrag\n02.01.2024;Miete;-900,00\n03.01.2024;Gehalt;2500,00\n04.01.2024;Gas;-66,00\nEndsaldo 04.01.2024;;1534,00\n",
  ],
  [
    "ga3",
    '# ----------------------------------------\n# All Web Site Data\n# Pages\n# 20240101-20240131\n# ----------------------------------------\n\nPage,Pageviews,Bounce Rate\n/home,"1,200",45.5%\n/a,300,20.1%\n,"1,500",40.4%\n\nDay Index,Pageviews\n1/1/24,50\n1/2/24,60\n,110\n',
  ],
  [
    "google ads",
    'Campaign report\n"January 1, 2024 - January 31, 2024"\nCampaign,Clicks,Cost\nBrand,120,55.20\nShop,80,40.10\nTotal: Campaigns,200,95.30\nTotal: Account,200,95.30\n',
  ],
  ["search console 2 tables", "Query,Clicks\ncsv,10\ntsv,5\nxls,3\n\nPage,Clicks\n/a,10\n/b,8\n/c,1\n"],
  [
    "toa5",
    '"TOA5","st1","CR1000","1234","CR1000.Std.27","CPU:p.CR1","555","Table1"\n"TIMESTAMP","RECORD","AirT","RH"\n"TS","RN","Deg C","%"\n"","","Avg","Avg"\n"2024-01-01 00:00:00",0,10.5,80.1\n"2024-01-01 00:10:00",1,10.6,80.2\n"2024-01-01 00:20:00",2,10.7,80.3\n',
  ],
  ["oscilloscope", "Record Length,3,,time,volt\nSample Interval,0.1,,0.0,1.5\nTrigger Point,0,,0.1,1.6\n,,,0.2,1.7\n"],
  ["trailing comments", "id,name,q\n1,Ann,5 # checked\n2,Bob,6\n3,Cy,7\n"],
  [
    "w3c log",
    "#Software: IIS\n#Version: 1.0\n#Date: 2024-01-01\n#Fields: date time c-ip status\n2024-01-01 10:00:00 10.0.0.1 200\n2024-01-01 10:00:01 10.0.0.2 404\n2024-01-01 10:00:02 10.0.0.3 200\n",
  ],
  [
    "lvm",
    "LabVIEW Measurement\nWriter_Version\t2\nSeparator\tTab\n***End_of_Header***\n\nX_Value\tVolt\n0.0\t1.5\n0.1\t1.6\n0.2\t1.7\n",
  ],
  ["sap subtotals", "Konto;Text;Betrag\n4000;a;10\n4000;b;20\n*;;30\n4001;c;5\n4001;d;6\n*;;11\n**;;41\n"],
  ["subtotals between", "dept,name,pay\nA,Ann,10\nA,Bob,20\nSubtotal,,30\nB,Cy,5\nB,Di,6\nSubtotal,,11\nTotal,,41\n"],
  ["group headings", "id,name,q\nNorth,,\n1,Ann,5\n2,Bob,6\nSouth,,\n3,Cy,7\n4,Di,8\n"],
  ["fixed width", "ID    NAME      QTY\n00001 ANN         5\n00002 BOB RAY    16\n00003 CY          7\n"],
  ["H/D/T", "H|20241101|ACME|003\nD|1|apple|3\nD|2|pear|4\nD|3|plum|5\nT|3|12|\n"],
  ["HDR/TRL", "HDR,20240101,orders\n1,Ann,5\n2,Bob,6\n3,Cy,7\nTRL,3,\n"],
  ["u2028", "id,name,q 1,Ann,5 2,Bob,6 3,Cy,7 "],
  ["literal \\n", "id,name,q\\n1,Ann,5\\n2,Bob,6\\n3,Cy,7\\n"],
  ["vtab", "id,name,q\u000b1,Ann,5\u000b2,Bob,6\u000b3,Cy,7\u000b"],
  ["nel", "id,name,q1,Ann,52,Bob,63,Cy,7"],
  ["json unquoted", 'id,data,q\n1,{"a":1,"b":2},5\n2,{"a":3,"b":4},6\n3,{"a":5,"b":6},7\n'],
  ["smart quotes", "id,name,q\n1,“Lee, Ann”,5\n2,“Ray, Bob”,6\n3,“Day, Cy”,7\n"],
  [
    "concordance",
    "þidþ\u0014þnameþ\u0014þqþ\nþ1þ\u0014þAnnþ\u0014þ5þ\nþ2þ\u0014þBobþ\u0014þ6þ\nþ3þ\u0014þCyþ\u0014þ7þ\n",
  ],
  ["triple quotes", '"""id""","""name""","""q"""\n"""1""","""Ann""","""5"""\n"""2""","""Bob""","""6"""\n'],
  ["decimal comma in comma", "id,price\n1,2,50\n2,3,75\n3,10,00\n"],
  ["thousands unquoted", "id,pop,year\n1,1,234,2020\n2,2,345,2021\n3,3,456,2022\n"],
  ["dates commas", "id,day,q\n1,Jan 1, 2024,5\n2,Jan 2, 2024,6\n3,Jan 3, 2024,7\n"],
  ["key=value lines", "id=1,name=Ann,q=5\nid=2,name=Bob,q=6\nid=3,name=Cy,q=7\n"],
  ["ini", "[db]\nhost=localhost\nport=5432\n[web]\nhost=x\n"],
  ["yaml", "- id: 1\n  name: Ann\n- id: 2\n  name: Bob\n"],
  [
    "sql insert",
    "INSERT INTO t VALUES (1,'Ann',5);\nINSERT INTO t VALUES (2,'Bob',6);\nINSERT INTO t VALUES (3,'Cy',7);\n",
  ],
  ["prose", "Dear partner,\nplease find attached, as agreed, the file.\nRegards,\nAnn\n"],
  ["error page text", "Internal error: query timed out\nRequest id: 1234\n"],
  ["arff", "@relation x\n@attribute a numeric\n@attribute b numeric\n@data\n1,2\n3,4\n5,6\n"],
  ["edi", "UNH+1+ORDERS:D:96A:UN'\nBGM+220+123+9'\nDTM+137:20240101:102'\n"],
  ["mt940", ":20:STARTUMS\n:25:12345/678\n:60F:C240101EUR100,00\n:61:2401020102DR50,00N051\n:86:RENT\n"],
  ["one col + total", "amount\n5\n6\n7\nTotal: 18\n"],
  ["one col rows affected", "id\n1\n2\n3\n\n(3 rows affected)\n"],
  ["one col title", "Kunden\n\nid\n1\n2\n3\n"],
  [
    "numbers export tables",
    "Table 1\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\nTable 2\nday,v\n2024-01-01,5\n2024-01-02,6\n",
  ],
  ["confidential", "id,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\nConfidential\n"],
  ["copyright", "id,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n© 2024 ACME\n"],
  ["averages", "name,math,art\nAnn,5,6\nBob,7,8\nCy,6,9\nMean,6,7.67\nSD,1,1.5\n"],
  [
    "long header note",
    "This file lists, for each id, the name and the quantity.\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
  ],
  ["note with same commas", "Report for Ann, Bob, Cy\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n"],
  ["thorn", "idþnameþq\n1þAnnþ5\n2þBobþ6\n3þCyþ7\n"],
  ["slash delim", "id/name/q\n1/Ann/5\n2/Bob/6\n3/Cy/7\n"],
  ["point delim", "id.name.q\n1.Ann.5\n2.Bob.6\n3.Cy.7\n"],
  ["dash delim", "id - name - q\n1 - Ann - 5\n2 - Bob - 6\n3 - Cy - 7\n"],
  ["half lines other delim", "id,name,q\n1,Ann,5\n2,Bob,6\n3;Cy;7\n4;Di;8\n5;Ed;9\n"],
  ["concat other delim", "id,name,q\n1,Ann,5\n2,Bob,6\nid;name;q\n3;Cy;7\n4;Di;8\n"],
  ["comments with as many commas", "id,name,q\n1,Ann,5\n# c, d, e\n2,Bob,6\n#x\n3,Cy,7\n"],
  ["concat different cols", "id,name,q\n1,Ann,5\n2,Bob,6\nid,q,name\n3,7,Cy\n4,8,Di\n"],
  ["concat new col", "id,name\n1,Ann\n2,Bob\n3,Cy\nid,name,q\n4,Di,8\n5,Ed,9\n"],
];

test("files that may be read in several ways, or hold more than a table, are held", async () => {
  const loaded: string[] = [];
  for (const [title, text] of HELD) {
    const seen = await preview(text);
    if (seen.doubts === undefined && seen.error === undefined) loaded.push(`${title}: ${shown(seen)}`);
  }
  assert.deepEqual(loaded, []);
});
