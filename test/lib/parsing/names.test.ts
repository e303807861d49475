import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AUDIT_COLUMNS } from "../../../lib/columns.ts";
import { columnNameOf, NAME_LENGTH_MAX, nameColumns, tableNameOf } from "../../../lib/parsing/names.ts";
import { hasCode } from "../../../lib/errors.ts";
import { headerKey, storedHeader } from "../../../lib/formats/headers.ts";

test("headers become plain names", () => {
  for (const [header, name] of [
    ["Order ID", "order_id"],
    ["  Ärger (€)  ", "arger_eur"],
    ["价格", "jiage"],
    ["Цена", "tsena"],
    ["2024 total", "col_2024_total"],
    ["%%%", "col"],
    ["", "col"],
    ["select", "select"],
    ["_source_file", "source_file"],
    ["a--b..c", "a_b_c"],
  ] as const) {
    assert.equal(columnNameOf(header), name, header);
  }
});

test("collisions get a suffix, also with names that look like one", () => {
  assert.deepEqual(nameColumns(["x", "x", "x_2", "X"]), ["x", "x_3", "x_2", "x_4"]);
  assert.deepEqual(nameColumns(["", "", "a"]), ["col", "col_2", "a"]);
});

test("columns of an existing table keep their names whatever the order of the headers", () => {
  const existing = [
    { name: "a", header: "A" },
    { name: "a_2", header: "a" },
    { name: "b", header: "B" },
    { name: "b_2", header: "B" },
  ];
  assert.deepEqual(nameColumns(["B", "a", "B", "A", "c"], existing), ["b", "a_2", "b_2", "a", "c"]);
  assert.deepEqual(nameColumns(["b"], existing), ["b"], "by plain name, if no header is the same");
});

test("a header never gets the column of another header", () => {
  for (const [first, second] of [
    ["Temp+", "Temp-"],
    ["Growth %", "Growth #"],
    ["C++", "C"],
    ["<5", ">5"],
    ["Цена", "Tsena"],
    ["%", ""],
    ["a-b", "a/b"],
    ["\u0430", "a"],
  ] as const) {
    const table = tableOf([first]);
    const [name] = nameColumns([second], table);
    assert.notEqual(name, table[0]!.name, `'${first}' and '${second}'`);
    const [a, b] = nameColumns([first, second]);
    assert.deepEqual(nameColumns([second, first]), [b, a], "in a new table, whatever the order of the columns");
  }
});

test("headers that differ only in blanks, case, Unicode form or invisible characters are the same", () => {
  const table = tableOf(["Größe (m²)", "order id"]);
  for (const header of ["GRÖSSE (M²)", "Gro\u0308ße\u00a0(m²)", "\ufeffGröße \t (m²) ", "Grö\u200bße (m²)\0"]) {
    assert.deepEqual(nameColumns([header], table), [table[0]!.name], JSON.stringify(header));
  }
  for (const header of ["Order ID", "order_id", "ORDER\u2003\u3000ID"]) {
    assert.deepEqual(nameColumns([header], table), ["order_id"], JSON.stringify(header));
  }
});

test("a contract's column without a header takes a header with its plain name, if there is one", () => {
  const column = { name: "growth", header: "growth", aliases: ["growth"], byPlainName: true };
  assert.deepEqual(nameColumns(["Growth %"], [column]), ["growth"]);
  assert.deepEqual(nameColumns(["Growth %", "growth"], [column])[1], "growth", "its own name comes first");
  assert.ok(!nameColumns(["Growth %", "Growth #"], [column]).includes("growth"), "no guess between two");
  const shown = { ...column, header: "Growth %", byPlainName: false };
  assert.deepEqual(nameColumns(["Growth %", "growth #"], [shown])[0], "growth");
  assert.notDeepEqual(nameColumns(["Growth #"], [shown]), ["growth"]);
  assert.deepEqual(nameColumns(["growth"], [shown]), ["growth"]);
});

test("long headers that begin alike are different, and those of earlier versions stay valid", () => {
  const [a, b] = [`${"long ".repeat(60)}a`, `${"long ".repeat(60)}b`].map(storedHeader) as [string, string];
  assert.notEqual(a, b);
  assert.ok(a.length < 300);
  const table = tableOf([a]);
  assert.notEqual(nameColumns([b], table)[0], table[0]!.name);
  const stored = { name: "long", header: a.slice(0, 256) };
  assert.deepEqual(nameColumns([a], [stored]), ["long"]);
  assert.equal(storedHeader("x".repeat(256)).length, 267, "256 characters are only those of earlier versions");
  assert.equal(storedHeader(a), a, "also where a contract declares the header as it is stored");
});

test("different headers never share a column, over files in any order", () => {
  const header = fc.oneof(
    fc.string({ unit: fc.constantFrom("a", "A", " ", "_", "-", "+", "%", "2", "\u00e4", "\u0430"), maxLength: 4 }),
    fc.string({ unit: "grapheme", maxLength: 3 }),
  );
  const files = fc.array(fc.uniqueArray(header, { selector: headerKey, maxLength: 6 }), { maxLength: 6 });
  fc.assert(
    fc.property(files, (all) => {
      const table: { name: string; header: string }[] = [];
      for (const headers of all) {
        nameColumns(headers, table).forEach((name, index) => {
          const column = table.find((one) => one.name === name);
          if (!column) table.push({ name, header: headers[index]! });
          else assert.equal(headerKey(column.header), headerKey(headers[index]!));
        });
      }
      assert.equal(new Set(table.map(({ header: one }) => headerKey(one))).size, table.length, "one column a header");
    }),
  );
});

test("new names do not depend on the order of the columns", () => {
  const unit = fc.constantFrom("a", "B", " ", "_", "-", "+", "2");
  const headers = fc.uniqueArray(fc.string({ unit, maxLength: 4 }), { maxLength: 8 });
  fc.assert(
    fc.property(headers, fc.array(fc.nat()), (one, shuffle) => {
      const places = one.map((_, index) => index).sort((a, b) => (shuffle[a] ?? 0) - (shuffle[b] ?? 0));
      const names = nameColumns(one);
      const turned = nameColumns(places.map((place) => one[place]!));
      assert.deepEqual(
        turned,
        places.map((place) => names[place]),
      );
    }),
  );
});

/** The table that a first file with these headers makes. */
function tableOf(headers: readonly string[]): { name: string; header: string }[] {
  return nameColumns(headers).map((name, index) => ({ name, header: headers[index]! }));
}

test("names are legal, different, and stable once a table has them", () => {
  const header = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.constantFrom("a", "A", "a_2", "", "_source_file", "_rescued", "1"),
    fc.string({ unit: fc.constant("long"), maxLength: 100 }),
  );
  fc.assert(
    fc.property(fc.array(header, { maxLength: 12 }), fc.integer(), (headers, seed) => {
      const names = nameColumns(headers);
      assert.equal(new Set(names).size, names.length);
      for (const name of names) {
        assert.match(name, /^[a-z][a-z0-9_]*$/);
        assert.ok(name.length <= NAME_LENGTH_MAX);
        assert.ok(!AUDIT_COLUMNS.some((audit) => audit.name === name));
      }
      const table = names.map((name, index) => ({ name, header: headers[index]! }));
      assert.deepEqual(nameColumns(headers, table), names);
      // Another order of different headers: each still means its own column.
      const distinct = table.filter(({ header }, index) => headers.indexOf(header) === index);
      const turned = distinct.map((_, index) => distinct[(index + Math.abs(seed)) % distinct.length]!);
      assert.deepEqual(
        nameColumns(
          turned.map(({ header }) => header),
          table,
        ),
        turned.map(({ name }) => name),
      );
    }),
  );
});

test("table names begin with a letter and are not too long", () => {
  assert.equal(tableNameOf("Sales 2024"), "sales_2024");
  assert.equal(tableNameOf("2024"), "t_2024");
  for (const bad of ["", "---", "x".repeat(200)]) {
    assert.throws(
      () => tableNameOf(bad),
      (error) => hasCode(error, "TABLE_NAME_INVALID"),
    );
  }
});
