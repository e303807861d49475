import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AUDIT_COLUMNS } from "../../../lib/columns.ts";
import { columnNameOf, NAME_LENGTH_MAX, nameColumns, tableNameOf } from "../../../lib/parsing/names.ts";
import { hasCode } from "../../../lib/errors.ts";

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
