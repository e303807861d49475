import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { parse as parseYaml } from "yaml";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { previewFile } from "../../../lib/parsing/preview.ts";
import { suggestContract } from "../../../lib/parsing/suggest.ts";
import { applyPatch } from "../../../lib/proposals/patch.ts";
import { parse } from "./parsing.ts";

const preview = (content: string, contract: object = {}) =>
  previewFile(Readable.from([Buffer.from(content)]), {
    fileName: "a.csv",
    contract: contractSchema.parse({ table: "t", ...contract }),
  });

const GERMAN =
  "Datum;Betrag;Menge;Land;aktiv;wann\n31.12.2025;1.248,61;NA;NA;ja;01/02/2024\n" +
  "01.01.2026;12,50;4;DE;nein;03/04/2024\n02.01.2026;-3,00;5;FR;ja;05/06/2024\n";

test("what would help is proposed as a patch, and with the patch the file loads typed", async () => {
  const shown = await preview(GERMAN);
  assert.deepEqual(shown.patch?.contract.columns, [
    { name: "menge", type: "INTEGER", nullMarkers: ["NA"] },
    { name: "datum", type: "DATE", format: "dd.MM.yyyy" },
    { name: "betrag", type: "DECIMAL(18,2)", number: { decimal: ",", group: "." } },
    { name: "aktiv", type: "BOOLEAN", trueWords: ["ja"], falseWords: ["nein"] },
  ]);
  assert.deepEqual([shown.patch.rowsAccepted, shown.patch.rowsRejected, shown.patch.needsRebuild], [3, 0, false]);
  const { rows, rejects } = await parse(GERMAN, { contract: shown.patch.contract });
  assert.deepEqual(rejects, []);
  assert.deepEqual(rows[0], {
    menge: null,
    datum: "2025-12-31",
    betrag: "1248.61",
    aktiv: true,
    land: "NA",
    wann: "01/02/2024",
  });
});

test("percentages keep room for finer ones, and currencies are left out", async () => {
  const { patch } = await preview('p,m\n5%,"$1,234.50"\n12%,($3.00)\n1%,$7.00\n');
  assert.deepEqual(patch?.contract.columns, [
    { name: "p", type: "DECIMAL(18,4)", number: { percent: true } },
    { name: "m", type: "DECIMAL(18,2)", number: { group: ",", strip: ["$"], parentheses: true } },
  ]);
});

test("what the patch says is read as it was proposed, and no unit is lost by it", async () => {
  const signed = "id,v\n1,−5\n2,3\n3,7.5-\n";
  const { patch } = await preview(signed);
  assert.deepEqual(patch?.contract.columns, [{ name: "v", type: "DECIMAL(18,2)", number: { decimal: "." } }]);
  assert.equal(patch.rowsRejected, 0);
  const { rows } = await parse(signed, { contract: patch.contract });
  assert.deepEqual(
    rows.map(({ v }) => v),
    ["-5.00", "3.00", "-7.50"],
  );
  assert.equal((await preview("id,v\n1,EUR 5\n2,USD 6\n3,EUR 7\n")).patch, null, "two currencies are no number");
  const [column] = (await preview("id,v\n1,EUR 5\n2,6 €\n3,EUR 7\n")).patch?.contract.columns ?? [];
  assert.deepEqual(column?.number?.strip?.toSorted(), ["EUR", "€"]);
});

test("a file in doubt has no patch: its values may be others", async () => {
  const { doubts, patch } = await preview("item,price\nBoat,$1,200\nCar,$22,500\nBike,$3,100\n");
  assert.equal(doubts?.length, 1);
  assert.equal(patch, null);
});

test("a reading in doubt is told, with the other one, and is no part of the patch", async () => {
  const { proposals, patch } = await preview('d,n\n01/02/2024,"1,234"\n03/04/2024,"5,678"\n');
  assert.equal(patch, null);
  const [date, number] = [
    proposals.find(({ kind }) => kind === "date")!,
    proposals.find(({ kind }) => kind === "number")!,
  ];
  assert.deepEqual(
    [date.patch, ...date.alternatives].map(({ columns }) => columns![0]!.format),
    ["dd/MM/yyyy", "MM/dd/yyyy"],
  );
  assert.match(date.text, /choose one/);
  assert.equal(number.alternatives.length > 0, true);
});

test("a reading that fits most values says what it would reject, and is no part of the patch", async () => {
  const lines = Array.from({ length: 19 }, (_, index) => `${index}`);
  const { proposals, patch } = await preview(`n\n${lines.join("\n")}\nabc\n`);
  assert.equal(patch, null);
  assert.deepEqual([proposals[0]?.fits, proposals[0]?.of, proposals[0]?.misfits], [19, 20, ["abc"]]);
});

test("markers of several columns are one proposal; codes and plain text give none", async () => {
  const { proposals } = await preview("a,b,code,text\n1,-,007,x\nN/A,2,012,y z\n3,N/A,A12,hello\n");
  assert.deepEqual(
    proposals.map(({ kind, columns, patch }) => [kind, columns, patch.nullMarkers?.sort()]),
    [["null_markers", ["a", "b"], ["-", "N/A"]]],
  );
  assert.match(proposals[0]!.text, /in 3 fields of 2 columns that are otherwise numbers: add nullMarkers/);
});

test("the preview is not more optimistic than the load: the same rejects, types and rows", async () => {
  const contract = {
    nullMarkers: ["-"],
    columns: [
      { name: "n", type: "DECIMAL(18,2)", number: { decimal: ",", group: "." }, rule: { min: 0 } },
      { name: "d", type: "DATE", format: "dd.MM.yyyy" },
    ],
    rows: [{ name: "late", expression: "d >= '2024-01-01'", action: "reject" }],
  };
  const content = "n;d;x\n1.234,5;01.02.2024;1\n-1;01.02.2024;2\n1.5;01.02.2024;3\n-;31.12.2023;4\n2;31.02.2024;b\n";
  const shown = await preview(content, contract);
  const loaded = await parse(content, { contract });
  assert.deepEqual(shown.rejects, loaded.rejects);
  assert.deepEqual(
    shown.columns.map(({ samples: _, ...column }) => column),
    loaded.summary.columns,
  );
  assert.equal(shown.rowsAccepted, loaded.summary.rowsAccepted);
  assert.deepEqual(
    shown.rejects.map(({ reason }) => reason),
    ["rule:n", "type_mismatch", "rule:late", "type_mismatch"],
  );
});

test("a suggested contract is a whole valid one; what a contract says already stays", async () => {
  const body = () => Readable.from([Buffer.from(GERMAN)]);
  const { text } = await suggestContract(body(), { fileName: "umsatz 1.csv", table: undefined, before: undefined });
  assert.match(text, /^# yaml-language-server: \$schema=/);
  assert.match(text, /table: umsatz_1/);
  const before = "# ours\ntable: t\ncolumns:\n  - { name: betrag, type: DOUBLE } # exact enough\n";
  const { text: after } = await suggestContract(body(), { fileName: "a.csv", table: undefined, before });
  assert.match(after, /# ours\n/);
  assert.match(after, /name: betrag, type: DOUBLE/);
  assert.match(after, /# exact enough/);
  assert.equal(applyPatch(after, { columns: [] }), after);
  const faulty = await suggestContract(body(), { fileName: "a.csv", table: undefined, before: "tabel: t\n" });
  assert.match(faulty.error!, /has faults/);
});

test("a suggested contract has the types that columns have with its null markers", async () => {
  const text = "id,qty,price\n1,5,1.5\n2,NA,2.5\n3,7,NA\n4,NA,4\n";
  const contract = { fileName: "a.csv", table: "t", before: undefined };
  const { text: suggested } = await suggestContract(Readable.from([Buffer.from(text)]), contract);
  const { columns, nullMarkers } = parseYaml(suggested) as { columns: unknown; nullMarkers: unknown };
  assert.deepEqual(nullMarkers, ["NA"]);
  assert.deepEqual(columns, [
    { name: "id", type: "INTEGER" },
    { name: "qty", type: "INTEGER" },
    { name: "price", type: "DECIMAL(18,2)" },
  ]);
});

test("null markers that make a text column of the table a number need a rebuild", async () => {
  const known = [
    { name: "id", header: "id", type: "INTEGER" },
    { name: "qty", header: "qty", type: "VARCHAR" },
    { name: "city", header: "city", type: "VARCHAR" },
  ] as const;
  const shown = await previewFile(Readable.from([Buffer.from("id,qty,city\n1,5,Bern\n2,NA,Genf\n3,7,Basel\n")]), {
    fileName: "a.csv",
    contract: contractSchema.parse({ table: "t" }),
    known,
  });
  assert.deepEqual(shown.patch?.contract, { nullMarkers: ["NA"] });
  assert.equal(shown.patch.needsRebuild, true);
  assert.deepEqual(
    shown.patch.columns.map(({ type }) => type),
    ["INTEGER", "INTEGER", "VARCHAR"],
  );
});

test("a suggestion says what would hold the file, and where the table's name comes from", async () => {
  const text = `day,amount\n${"2024-01-01,5\n".repeat(20)}\n\nshop,city\nA,Bern\nB,Genf\n`;
  const { notes } = await suggestContract(Readable.from([Buffer.from(text)]), {
    fileName: "a 1.csv",
    table: undefined,
    before: undefined,
  });
  assert.match(notes[0]!, /^a file like this is held, [a-z_]+: line \d+/);
  assert.match(notes.at(-1)!, /named after the file: a_1; --table/);
  const named = await suggestContract(Readable.from([Buffer.from("a,b\n1,2\n3,4\n")]), {
    fileName: "a.csv",
    table: "t",
    before: undefined,
  });
  assert.deepEqual(named.notes, []);
});

test("points that may separate thousands are a choice, in a file with decimal commas or semicolons", async () => {
  for (const [text, offered] of [
    ["id;net;tax\n1;1.234;1,5\n2;12.345;22,75\n", true],
    ["id;net\n1;1.234\n2;12.345\n", true],
    ["id,net\n1,1.234\n2,12.345\n", false],
    ["id;net;lat\n1;1.234;59.91\n2;12.345;60.4\n", false],
  ] as const) {
    const shown = await preview(text);
    const own = shown.proposals.find(({ columns }) => columns.includes("net"));
    assert.equal(own !== undefined, offered, text);
    if (!own) continue;
    assert.deepEqual(own.patch.columns, [{ name: "net", type: "INTEGER", number: { decimal: ",", group: "." } }]);
    assert.deepEqual(own.alternatives, [
      { columns: [{ name: "net", type: "DECIMAL(18,3)", number: { decimal: "." } }] },
    ]);
    assert.match(own.text, /'1\.234' in 'net': .*groups separated by '\.'.*choose one/);
    assert.ok(!(shown.patch?.contract.columns ?? []).some(({ name }) => name === "net"), "never without a choice");
    const { text: contract, notes } = await suggestContract(Readable.from([Buffer.from(text)]), {
      ...{ fileName: "a.csv", table: undefined, before: undefined },
    });
    assert.ok(!contract.includes("name: net"), contract);
    assert.ok(notes.some((note) => note.startsWith("your choice: ") && note.includes("'net'")));
  }
});

test("a suggested contract says where the table begins, as it was found, and leaves a footer to its owner", async () => {
  const text = "Report of May\n\n;;2023;;2024;\nid;city;a;b;c;d\n1;Bonn;1;2;3;4\n2;Ulm;1;2;3;4\nTotal;;2;4;6;8\n";
  const { text: suggested, notes } = await suggestContract(Readable.from([Buffer.from(text)]), {
    fileName: "a.csv",
    table: "t",
    before: undefined,
  });
  const { dialect } = parseYaml(suggested) as { dialect: unknown };
  assert.deepEqual(dialect, { delimiter: ";", header: 2, skipRows: 2 });
  for (const note of [/lines above the table \(2\)/, /names stand in 2 rows/, /your choice: the last lines \(1\)/]) {
    assert.ok(
      notes.some((one) => note.test(one)),
      `${note}: ${notes.join("\n")}`,
    );
  }
  const again = await suggestContract(Readable.from([Buffer.from(text)]), {
    fileName: "a.csv",
    table: "t",
    before: suggested,
  });
  assert.equal(again.text, suggested, "what it says reads the file alike");
});

test("nothing is suggested for a file that the contract's delimiter does not split", async () => {
  for (const columns of ["", "columns: [{ name: id, type: INTEGER }, { name: name, type: VARCHAR }]\n"]) {
    const before = `table: t\ndialect: { delimiter: ";" }\n${columns}`;
    const given = { fileName: "a.csv", table: undefined, before };
    const { text, error } = await suggestContract(Readable.from([Buffer.from("id,name\n1,Ann\n2,Bob\n")]), given);
    assert.match(error!, /delimiter ";" does not split the file: with "," it has 2 columns/);
    assert.equal(text, before);
    const fits = await suggestContract(Readable.from([Buffer.from('id;"name, first"\n1;Ann\n2;Bob\n')]), given);
    assert.equal(fits.error, undefined);
  }
});

test("codes are no numbers with a unit", async () => {
  for (const codes of [
    ...[
      ["ORD-100", "ORD-101"],
      ["SKU123", "SKU124"],
      ["INV 100", "INV 101"],
      ["DIN 912", "DIN 933"],
      ["100-EUR", "200-EUR"],
      ["EUR.100", "EUR.200"],
      ["EUR/100", "EUR/200"],
      ["12-kg", "13-kg"],
      ["2024EUR", "2025EUR"],
      ["TOP 100", "TOP 200"],
      ["CUP 1", "CUP 2"],
      ["1 ALL", "2 ALL"],
      ["+49 151", "+49 152"],
      ["kg-5", "kg-6"],
    ],
    // The words are currencies, too.
    ...[
      ["ALL-5", "ALL-6"],
      ["CUP100", "CUP101"],
    ],
  ])
    assert.deepEqual((await preview(`id,c\n1,${codes[0]}\n2,${codes[1]}\n`)).proposals, [], codes.join());
  for (const amounts of [
    ["EUR 5", "EUR 6"],
    ["EUR12.50", "EUR3.00"],
    ["5kg", "7kg"],
    ["-5 USD", "6 USD"],
    ["$5", "$6"],
  ])
    assert.equal((await preview(`id,c\n1,${amounts[0]}\n2,${amounts[1]}\n`)).proposals.length, 1, amounts.join());
});
