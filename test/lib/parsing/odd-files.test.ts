import assert from "node:assert/strict";
import { test } from "node:test";
import { preview, shown } from "./shown.ts";

/** Files that other programs and people write, after public complaints about loading CSV. */

/** Title, text, and what is loaded without a doubt. */
const RIGHT: readonly [title: string, text: string, loaded: string][] = [
  [
    "md 3col",
    "| id | name | q |\n|----|------|---|\n| 1 | Ann | 5 |\n| 2 | Bob | 6 |\n| 3 | Cy | 7 |\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "md align",
    "| id | name | q |\n|:---|:----:|--:|\n| 1 | Ann | 5 |\n| 2 | Bob | 6 |\n| 3 | Cy | 7 |\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "md no outer",
    "id | name | q\n---|------|---\n1 | Ann | 5\n2 | Bob | 6\n3 | Cy | 7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "md title",
    "# Stock\n\n| id | name | q |\n|---|---|---|\n| 1 | Ann | 5 |\n| 2 | Bob | 6 |\n| 3 | Cy | 7 |\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  ["md compact", "|id|name|q|\n|-|-|-|\n|1|Ann|5|\n|2|Bob|6|\n|3|Cy|7|\n", "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  [
    "md text",
    "| name | city |\n|---|---|\n| Ann | Rome |\n| Bob | Pisa |\n| Cy | Bari |\n",
    "name|city / Ann|Rome / Bob|Pisa / Cy|Bari",
  ],
  [
    "mysql",
    "+----+------+---+\n| id | name | q |\n+----+------+---+\n|  1 | Ann  | 5 |\n|  2 | Bob  | 6 |\n|  3 | Cy   | 7 |\n+----+------+---+\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "mysql rows in set",
    "+----+------+---+\n| id | name | q |\n+----+------+---+\n|  1 | Ann  | 5 |\n|  2 | Bob  | 6 |\n|  3 | Cy   | 7 |\n+----+------+---+\n3 rows in set (0.00 sec)\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "mysql prompt",
    "mysql> select * from t;\n+----+------+---+\n| id | name | q |\n+----+------+---+\n|  1 | Ann  | 5 |\n|  2 | Bob  | 6 |\n|  3 | Cy   | 7 |\n+----+------+---+\n3 rows in set (0.00 sec)\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "mysql no borders",
    "| id | name | q |\n|  1 | Ann  | 5 |\n|  2 | Bob  | 6 |\n|  3 | Cy   | 7 |\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "mysql each row ruled",
    "+----+------+\n| id | name |\n+====+======+\n| 1  | Ann  |\n+----+------+\n| 2  | Bob  |\n+----+------+\n",
    "id|name / 1|Ann / 2|Bob",
  ],
  [
    "psql",
    " id | name | q \n----+------+---\n  1 | Ann  | 5\n  2 | Bob  | 6\n  3 | Cy   | 7\n(3 rows)\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "psql null col",
    " id | name | q \n----+------+---\n  1 |      | 5\n  2 | Bob  |  \n  3 | Cy   | 7\n(3 rows)\n\n",
    "id|name|q / 1||5 / 2|Bob| / 3|Cy|7",
  ],
  [
    "sqlcmd -s,",
    "id,name,q\n--,----,-\n1,Ann,5\n2,Bob,6\n3,Cy,7\n\n(3 rows affected)\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "sqlcmd -s; de",
    "id;name;q\r\n--;----;-\r\n1;Ann;5\r\n2;Bob;6\r\n3;Cy;7\r\n\r\n(3 Zeilen betroffen)\r\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  ["bcp no header", "1\tAnn\t5\n2\tBob\t6\n3\tCy\t7\n", " / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  [
    "impala |",
    "+----+------+---+\n| id | name | q |\n+----+------+---+\n| 1  | Ann  | 5 |\n| 2  | Bob  | 6 |\n| 3  | Cy   | 7 |\n+----+------+---+\nFetched 3 row(s) in 0.12s\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "org mode",
    "| id | name | q |\n|----+------+---|\n|  1 | Ann  | 5 |\n|  2 | Bob  | 6 |\n|  3 | Cy   | 7 |\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  ["outer pipes csv", "|1|Ann|5|\n|2|Bob|6|\n|3|Cy|7|\n", " / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  ["R write.csv", '"","name","q"\n"1","Ann",5\n"2","Bob",6\n"3","Cy",7\n', "|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  ["pandas index", ",name,q\n0,Ann,5\n1,Bob,6\n2,Cy,7\n", "|name|q / 0|Ann|5 / 1|Bob|6 / 2|Cy|7"],
  [
    "bank uk",
    "Account Name:,Current\nAccount Number:,12345678\nStatement From:,2024-01-01\n\nDate,Type,Description,Paid out,Paid in,Balance\n2024-01-02,DD,WATER CO,25.00,,975.00\n2024-01-03,BP,SALARY,,1000.00,1975.00\n2024-01-04,DD,GAS,30.00,,1945.00\n",
    "Date|Type|Description|Paid out|Paid in|Balance / 2024-01-02|DD|WATER CO|25.00||975.00 / 2024-01-03|BP|SALARY||1000.00|1975.00 / 2024-01-04|DD|GAS|30.00||1945.00",
  ],
  [
    "adsense ini",
    "[Report]\nName=Pages\n[Data]\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "matomo",
    "Label,Visits,Actions\nhome,10,20\nblog,5,9\n\nTotals,15,29\n",
    "Label|Visits|Actions / home|10|20 / blog|5|9",
  ],
  [
    "log with comments inside",
    "time,v\n1,5\n# sensor moved\n2,6\n3,7\n# battery low\n4,8\n",
    "time|v / 1|5 / 2|6 / 3|7 / 4|8",
  ],
  [
    "// comments",
    "// made by tool\n// v2\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "; comments",
    "; made by tool\n; v2\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "% comments",
    "% made by tool\n% v2\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "# footer",
    "id,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n# 3 rows, exported 2024-01-01\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "sap list",
    "------------------------------------\n|Material  |Plant|   Stock|Unit|\n------------------------------------\n|A-100     |1000 |  12,00 |PC  |\n|A-101     |1000 |   5,00 |PC  |\n|A-102     |2000 |   7,00 |PC  |\n------------------------------------\n",
    "Material|Plant|Stock|Unit / A-100|1000|12,00|PC / A-101|1000|5,00|PC / A-102|2000|7,00|PC",
  ],
  [
    "sap title tab",
    "Table: MARA\n\n\tMaterial\tPlant\tStock\n\n\tA-100\t1000\t12\n\tA-101\t1000\t5\n\tA-102\t2000\t7\n",
    "Material|Plant|Stock / A-100|1000|12 / A-101|1000|5 / A-102|2000|7",
  ],
  [
    "sap minus right",
    "Konto;Betrag;Datum\n4000;12,50-;01.01.2024\n4001;13,00;02.01.2024\n4002;1,00-;03.01.2024\n",
    "Konto|Betrag|Datum / 4000|12,50-|01.01.2024 / 4001|13,00|02.01.2024 / 4002|1,00-|03.01.2024",
  ],
  [
    "end of report",
    "id,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n*** END OF REPORT ***\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  ["ctrl-z", "id,name,q\r\n1,Ann,5\r\n2,Bob,6\r\n3,Cy,7\r\n\u001a", "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  ["crcrlf", "id,name,q\r\r\n1,Ann,5\r\r\n2,Bob,6\r\r\n3,Cy,7\r\r\n", "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  ["lfcr", "id,name,q\n\r1,Ann,5\n\r2,Bob,6\n\r3,Cy,7\n\r", "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  ["nbsp numbers", "id,betrag\n1,1 234\n2,2 345\n3,99\n", "id|betrag / 1|1 234 / 2|2 345 / 3|99"],
  [
    "unescaped quotes",
    'id,name,q\n1,"The "big" one",5\n2,"Bob",6\n3,"Cy",7\n',
    'id|name|q / 1|The "big" one|5 / 2|Bob|6 / 3|Cy|7',
  ],
  [
    "unescaped quotes comma",
    'id,name,q\n1,"The "big, red" one",5\n2,"Bob",6\n3,"Cy",7\n',
    'id|name|q / 1|The "big, red" one|5 / 2|Bob|6 / 3|Cy|7',
  ],
  [
    "inches",
    'id,item,q\n1,2" pipe,5\n2,3" pipe,6\n3,4" pipe,7\n',
    'id|item|q / 1|2" pipe|5 / 2|3" pipe|6 / 3|4" pipe|7',
  ],
  [
    "inches quoted bad",
    'id,item,q\n1,"2" pipe",5\n2,"3" pipe",6\n3,"4" pipe",7\n',
    'id|item|q / 1|2" pipe|5 / 2|3" pipe|6 / 3|4" pipe|7',
  ],
  [
    "json backslash",
    'id,data\n1,"{\\"a\\":1,\\"b\\":2}"\n2,"{\\"a\\":3,\\"b\\":4}"\n3,"{\\"a\\":5,\\"b\\":6}"\n',
    'id|data / 1|{"a":1,"b":2} / 2|{"a":3,"b":4} / 3|{"a":5,"b":6}',
  ],
  ["excel ='", 'id,code,q\n1,="001",5\n2,="002",6\n3,="003",7\n', 'id|code|q / 1|="001"|5 / 2|="002"|6 / 3|="003"|7'],
  ["excel apostrophe", "id,code,q\n1,'001,5\n2,'002,6\n3,'003,7\n", "id|code|q / 1|'001|5 / 2|'002|6 / 3|'003|7"],
  [
    "spaces after comma quotes",
    'id, name, q\n1, "Lee, Ann", 5\n2, "Ray, Bob", 6\n3, "Day, Cy", 7\n',
    "id|name|q / 1|Lee, Ann|5 / 2|Ray, Bob|6 / 3|Day, Cy|7",
  ],
  [
    "email headers",
    "From: ann@x.example\nTo: bob@x.example\nSubject: rows, all of them\n\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "vcf",
    "##fileformat=VCFv4.2\n##source=x\n#CHROM\tPOS\tREF\tALT\n1\t100\tA\tG\n1\t200\tC\tT\n2\t300\tG\tA\n",
    "#CHROM|POS|REF|ALT / 1|100|A|G / 1|200|C|T / 2|300|G|A",
  ],
  [
    "gff",
    "##gff-version 3\nchr1\t.\tgene\t100\t200\nchr1\t.\texon\t100\t150\nchr2\t.\tgene\t300\t400\n",
    " / chr1|.|gene|100|200 / chr1|.|exon|100|150 / chr2|.|gene|300|400",
  ],
  [
    "libreoffice padded",
    ",,,,\n,id,name,q,\n,1,Ann,5,\n,2,Bob,6,\n,3,Cy,7,\n,,,,\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "excel title padded",
    "Sales report,,\n,,\nid,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "excel notes right",
    "id,name,q,,Note: q in pieces\n1,Ann,5,,\n2,Bob,6,,\n3,Cy,7,,\n",
    "id|name|q||Note: q in pieces / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  ["legend key", "code,n\nA,5\nB,6\nC,7\n\nA = apples\nB = bananas\nC = cherries\n", "code|n / A|5 / B|6 / C|7"],
  [
    "ditto rows",
    "region,name,q\nN,Ann,5\n,Bob,6\nS,Cy,7\n,Di,8\n",
    "region|name|q / N|Ann|5 / |Bob|6 / S|Cy|7 / |Di|8",
  ],
  ["percent total", "item,share\na,50%\nb,30%\nc,20%\nTotal,100%\n", "item|share / a|50% / b|30% / c|20%"],
  ["money total", "item,cost\na,$5.00\nb,$6.00\nc,$7.00\nTOTAL,$18.00\n", "item|cost / a|$5.00 / b|$6.00 / c|$7.00"],
  ["total last col", "id,name,q\n1,Ann,5\n2,Bob,6\n3,Cy,7\n,Total,18\n", "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  ["sum marker", "id;name;q\n1;Ann;5\n2;Bob;6\n3;Cy;7\n;Summe:;18\n", "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7"],
  [
    "ctrl-a hive",
    "id\u0001name\u0001q\n1\u0001Ann\u00015\n2\u0001Bob\u00016\n3\u0001Cy\u00017\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
  [
    "hive pipe",
    "id|name|q\n1|Ann|5\n2|Bob|6\n3|Cy|7\nTime taken: 0.4 seconds, Fetched: 3 row(s)\n",
    "id|name|q / 1|Ann|5 / 2|Bob|6 / 3|Cy|7",
  ],
];

test("files of other programs are read as they are meant", async () => {
  const found: string[] = [];
  const expected: string[] = [];
  for (const [title, text, loaded] of RIGHT) {
    const seen = await preview(text);
    const doubts = (seen.doubts ?? []).map(({ evidence }) => `held: ${evidence}`);
    found.push([title, ...doubts, shown(seen), seen.rowsRejected, seen.error?.code ?? ""].join(": "));
    expected.push([title, loaded, 0, ""].join(": "));
  }
  assert.deepEqual(found, expected);
});

/** Title, text, and how many rows are rejected; all others are loaded as they are. */
const REJECTED: readonly [title: string, text: string, rows: number][] = [
  ["lines quoted some", 'id,name,q\n1,Ann,5\n"2,""Ray, Bob"",6"\n3,Cy,7\n', 1],
  [
    "credit debit sections",
    "Credits\nDate,Amount\n2024-01-01,5.00\n2024-01-02,6.00\n\nDebits\nDate,Amount\n2024-01-03,7.00\n2024-01-04,8.00\n",
    1,
  ],
  [
    "ga4 total row",
    "# Pages\nPage path,Views,Users\n,1600,1090,Grand total\n/home,1200,800\n/a,300,200\n/b,100,90\n",
    1,
  ],
  ["-- comments", "id,name,q\n1,Ann,5\n-- deleted 2\n3,Cy,7\n4,Di,8\n", 1],
  ["page breaks", "ID,NAME,QTY\n1,ANN,5\n2,BOB,6\n\fPAGE 2\nID,NAME,QTY\n3,CY,7\n4,DI,8\n", 1],
  ["nul in cell", "id,name,q\n1,A\u0000nn,5\n2,Bob,6\n3,Cy,7\n", 1],
  ["nul as null", "id,name,q\n1,\u0000,5\n2,Bob,6\n3,Cy,7\n", 1],
  ["open quote to eof", 'id,name,q\n1,Ann,5\n2,"Bob,6\n3,Cy,7\n4,Di,8\n', 1],
  ["trailing delim some", "id,name,q\n1,Ann,5\n2,Bob,6,\n3,Cy,7\n4,Di,8\n", 1],
  ["page x of y", "id,name,q\n1,Ann,5\n2,Bob,6\nPage 1 of 2\n3,Cy,7\n4,Di,8\nPage 2 of 2\n", 2],
];

test("lines that fit no column are rejected one by one", async () => {
  for (const [title, text, rows] of REJECTED) assert.equal((await preview(text)).rowsRejected, rows, title);
});

/** Title, text, and why it is held: read without a doubt, a title would name the columns. */
const HELD: readonly [title: string, text: string, why: RegExp][] = [
  ["title as wide as the table", "Export,2026-01-31\nname,city\nAnn,Oslo\nBob,Rome\nCy,Bonn\n", /line 1 like a title/],
  ["title joined to the header", "Report;Sales\nid;n\n1;2\n3;4\n5;6\n", /line 2 is a row of the header/],
  ["units below text", "name;menge\n-;Stk\nA;5\nB;6\nC;7\n", /line 2 has "Stk".* units or types/],
  ["types", "id,name\nINTEGER,VARCHAR\n1,a\n2,b\n3,c\n", /line 2 has "INTEGER".* units or types/],
];

test("titles and units that read as names or rows are held", async () => {
  for (const [title, text, why] of HELD) {
    const { doubts = [] } = await preview(text);
    assert.equal(doubts.length, 1, title);
    assert.match(doubts[0]!.evidence, why, title);
  }
});
