import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnDefinition, ColumnType } from "../../../../../../lib/columns.ts";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const TYPED = { id: "INTEGER", name: "VARCHAR", n: "INTEGER" } as const;
const TEXT = { name: "VARCHAR", city: "VARCHAR" } as const;

/** What is doubted in a file of a table with these columns. */
function doubtsOf(text: string, columns: Record<string, ColumnType>, skipRows?: number): string[] {
  const known = Object.entries(columns).map(([name, type]): ColumnDefinition => ({ name, header: name, type }));
  const requested = skipRows === undefined ? {} : { skipRows };
  const { doubts } = detectStructure({ text, complete: true, encoding: "utf-8", requested, known });
  return doubts.map(({ evidence }) => evidence);
}

const lost = (line: number, header: number): string[] => [
  `line ${line} is above the header in line ${header}, and left out, but may be a row`,
];

test("rows above the table's own header are a doubt, wherever it stands", () => {
  assert.deepEqual(doubtsOf("4,d,7\n5,e,8\nid,name,n\n", TYPED), lost(1, 3), "the header is the last line");
  assert.deepEqual(doubtsOf("4,d,7\nid,name,n\n5,e,8\n6,f,9\n", TYPED), lost(1, 2));
  assert.deepEqual(doubtsOf("Shop 12\n4,d,7\n\nid,name,n\n5,e,8\n", TYPED), lost(2, 4), "a title above it");
  assert.deepEqual(doubtsOf("4,d,7\n5,e,8\nn,id,name\n7,4,d\n", TYPED), lost(1, 3), "in another order");
  assert.deepEqual(doubtsOf("3\nid\n4\n", { id: "INTEGER" }), lost(1, 2), "one column");
  assert.deepEqual(doubtsOf("ann,oslo\nname,city\nbob,bodo\n", TEXT), lost(1, 2), "text");
  const rows = Array.from({ length: 100 }, (_, at) => `x${at},y${at}\n`).join("");
  const evidence = ["line 101 is the table's header, and read as a row"];
  assert.deepEqual(doubtsOf(`${rows}name,city\nz,q\n`, TEXT), evidence, "far below the first row");
});

test("titles, notes and what the sender says is left out above the header are no doubt", () => {
  assert.deepEqual(doubtsOf("Report,,\nMade,2026,\nid,name,n\n5,e,8\n", TYPED), []);
  assert.deepEqual(doubtsOf("Shop,12,2026\nid,name,n\n5,e,8\n", TYPED), []);
  assert.deepEqual(doubtsOf("Account;4711\nName;Ann\n\ntext;n\nrent;5\n", { text: "VARCHAR", n: "INTEGER" }), []);
  assert.deepEqual(doubtsOf("Customers,all\n\nname,city\nbob,bodo\n", TEXT), []);
  assert.deepEqual(doubtsOf("Made by:,Ann\nname,city\nbob,bodo\n", TEXT), []);
  assert.deepEqual(doubtsOf("4,d,7\nid,name,n\n5,e,8\n", TYPED, 1), []);
});

test("a line that names no column of the table is no header without rows", () => {
  const evidence = ["line 1 is the only row, and names no column of the table"];
  assert.deepEqual(doubtsOf("Error: could not connect to the server\n", TYPED), evidence);
  assert.deepEqual(doubtsOf("id,name,n\n", TYPED), []);
  assert.deepEqual(doubtsOf("n,id,price\n", TYPED), []);
});
