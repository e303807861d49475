import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf, parse } from "./parsing.ts";

const reasons = ({ rejects }: Awaited<ReturnType<typeof parse>>) => rejects.map(({ line, reason }) => [line, reason]);

test("numbers, words, markers and aliases are read as the contract says", async () => {
  const parsed = await parse(
    "Datum;Betrag;Anteil;ok;Order No\n31.12.2025;1.248,61;5%;ja;1\n01.01.2026; - ;12,5 %;Nein;NA\n02.01.2026;-3,00;0%;JA;3\n",
    {
      contract: {
        nullMarkers: ["-"],
        columns: [
          { name: "datum", type: "DATE", format: "dd.MM.yyyy" },
          { name: "betrag", type: "DECIMAL(18,2)", number: { decimal: ",", group: "." } },
          { name: "anteil", type: "DECIMAL(18,4)", number: { decimal: ",", percent: true } },
          { name: "ok", type: "BOOLEAN", trueWords: ["ja"], falseWords: ["nein"] },
          { name: "id", type: "INTEGER", aliases: ["Order No"], nullMarkers: ["NA"] },
        ],
      },
    },
  );
  assert.deepEqual(parsed.rejects, []);
  assert.deepEqual(parsed.rows, [
    { datum: "2025-12-31", betrag: "1248.61", anteil: "0.0500", ok: true, id: 1 },
    { datum: "2026-01-01", betrag: null, anteil: "0.1250", ok: false, id: null },
    { datum: "2026-01-02", betrag: "-3.00", anteil: "0.0000", ok: true, id: 3 },
  ]);
});

test("a number that is not written as declared is a reject, never another number", async () => {
  const columns = [{ name: "n", type: "DECIMAL(18,2)", number: { decimal: ",", group: "." } }];
  const parsed = await parse("n\n1.5\n1.234,567\n1,23,4\n0.123\n", {
    contract: { columns, dialect: { delimiter: ";" } },
  });
  assert.deepEqual(reasons(parsed), [
    [2, "type_mismatch"],
    [3, "out_of_range"],
    [4, "type_mismatch"],
    [5, "type_mismatch"],
  ]);
});

test("a column's own header wins over an alias, and an alias over an undeclared column", async () => {
  const contract = { columns: [{ name: "id", type: "INTEGER", header: "ID", aliases: ["Order No"] }] };
  const both = await parse("Order No,ID\n1,2\n", { contract });
  assert.deepEqual(both.rows, [{ id: 2, order_no: 1 }]);
  const renamed = await parse("Order No\n1\n", {
    contract,
    job: {
      known: [
        { name: "order_no", type: "INTEGER", header: "Order No" },
        { name: "id", type: "INTEGER", header: "ID" },
      ],
    },
  });
  assert.deepEqual(renamed.rows, [{ order_no: null, id: 1 }]);
  assert.deepEqual(columnsOf(renamed), ["order_no INTEGER", "id INTEGER"]);
});

test("a rule of a column rejects by its name, warns or fails", async () => {
  const content = "n,code,day,note\n5,DE,2024-01-01,\n-1,DE,2024-01-01,\n6,de,2024-01-01,\n7,DE,2023-12-31,\n,,,x\n";
  const columns = (action: string) => [
    { name: "n", type: "DECIMAL(18,2)", rule: { min: 0, max: "6.5", action } },
    { name: "code", type: "VARCHAR", rule: { pattern: "^[A-Z]+$", length: 2, name: "country", action } },
    { name: "day", type: "DATE", rule: { min: "2024-01-01", action } },
  ];
  const rejected = await parse(content, { contract: { columns: columns("reject") } });
  assert.deepEqual(reasons(rejected), [
    [3, "rule:n"],
    [4, "rule:country"],
    [5, "rule:n"],
  ]);
  assert.equal(rejected.rejects[0]!.message, "-1 is less than 0 (column 'n')");
  assert.equal(rejected.rejects[0]!.column, "n");
  assert.equal(rejected.rows.length, 2, "empty fields are not asked");

  const warned = await parse(content, { contract: { columns: columns("warn") } });
  assert.equal(warned.rows.length, 5);
  assert.deepEqual(
    warned.summary.warnings?.map(({ rule, rows, line }) => [rule, rows, line]),
    [
      ["n", 2, 3],
      ["country", 1, 4],
      ["day", 1, 5],
    ],
  );

  const { summary } = await parse(content, { contract: { columns: columns("fail") } });
  assert.equal(summary.error?.code, "FILE_RULE_BROKEN");
  assert.match(summary.error.message, /^line 3: rule 'n': -1 is less than 0/);
});

test("rules over several columns see exact values, also of columns that the file decides", async () => {
  const contract = { rows: [{ name: "sum", expression: "net + tax == gross" }] };
  const parsed = await parse("net,tax,gross\n0.1,0.2,0.3\n1,1,3\n1,,3\n", { contract });
  assert.deepEqual(reasons(parsed), [[3, "rule:sum"]]);
  assert.equal(parsed.rejects[0]!.column, null);
  assert.equal(parsed.rejects[0]!.message, "net + tax == gross is false: net = 1, tax = 1, gross = 3");
});

test("a rule about a column that is nowhere, or of another type, fails the file and says so", async () => {
  const rows = [{ name: "r", expression: "amount > 0" }];
  const absent = await parse("n\n1\n", { contract: { rows } });
  assert.equal(absent.summary.error?.code, "HEADER_COLUMN_MISSING");
  assert.match(absent.summary.error.message, /the rule 'r' reads the column 'amount'/);
  const text = await parse("amount\nx\n", { contract: { rows } });
  assert.equal(text.summary.error?.code, "CONTRACT_INVALID");
  const lacking = await parse("n\n1\n", { contract: { rows }, current: { amount: "INTEGER" } });
  assert.deepEqual(lacking.rows, [{ amount: null, n: 1 }], "the table has it: it is empty in this file");
});

test("what a rule rejects counts against the contract's limits", async () => {
  const columns = [{ name: "n", type: "INTEGER", rule: { accepted: [1, 2] } }];
  const { summary } = await parse("n\n3\n1\n4\n", { contract: { columns, rejects: { countMax: 1 } } });
  assert.equal(summary.error?.code, "REJECTS_ABOVE_THRESHOLD");
});
