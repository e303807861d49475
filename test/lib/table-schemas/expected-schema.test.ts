import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnType } from "../../../lib/columns.ts";
import { UncommittedFiles, type ParsedFile } from "../../../lib/table-schemas/expected-schema.ts";
import type { PublishedSchema } from "../../../lib/table-schemas/table-schemas.ts";
import { columns } from "../../support/rows.ts";

const PINNED = { format: "csv", options: { delimiter: ";", encoding: "utf-8" } } as const;
type Types = Record<string, ColumnType>;

const published = (sourceOffset: number, types: Types): PublishedSchema => ({
  sourceOffset,
  columns: columns(types),
  pinned: undefined,
});
const parsed = (sourceOffset: number, types: Types, rowsAccepted = 1): ParsedFile => ({
  sourceOffset,
  columns: columns(types),
  rowsAccepted,
  pinned: PINNED,
});
const typesAt = (files: UncommittedFiles, offset: number, known?: PublishedSchema): Types | undefined => {
  const schema = files.expectedAt(offset, known);
  return schema && Object.fromEntries(schema.columns.map(({ name, type }) => [name, type]));
};

test("files of a new table agree with the first, and with its format", () => {
  const files = new UncommittedFiles("t");
  assert.equal(files.expectedAt(1, undefined), undefined);
  files.add(parsed(1, { a: "VARCHAR" }), undefined);
  files.add(parsed(2, { a: "VARCHAR", b: "INTEGER" }), undefined);
  files.add(parsed(3, { a: "VARCHAR", b: "BIGINT" }), undefined);
  assert.deepEqual(typesAt(files, 4), { a: "VARCHAR", b: "BIGINT" });
  assert.deepEqual(files.expectedAt(4, undefined)?.pinned, PINNED);
  assert.deepEqual(typesAt(files, 2), { a: "VARCHAR" }, "a file that is parsed again does not see later ones");
  assert.equal(typesAt(files, 1), undefined);
});

test("a file that conflicts leaves no trace", () => {
  const files = new UncommittedFiles("t");
  const table = published(1, { a: "VARCHAR" });
  files.add(parsed(2, { a: "INTEGER", b: "DATE" }), table);
  files.add(parsed(3, { a: "VARCHAR", c: "DATE" }), table);
  files.add(parsed(4, { a: "VARCHAR", c: "BOOLEAN", d: "DATE" }), table);
  assert.deepEqual(typesAt(files, 5, table), { a: "VARCHAR", c: "DATE" });
});

test("a file without a loaded row makes no table, and changes none", () => {
  const files = new UncommittedFiles("t");
  files.add(parsed(1, { a: "DATE" }, 0), undefined);
  files.add(parsed(2, { a: "DATE", b: "DATE" }, 0), undefined);
  assert.deepEqual(typesAt(files, 3), undefined);
  const table = published(2, { a: "DATE" });
  files.add(parsed(3, { a: "DATE", c: "DATE" }, 0), table);
  assert.deepEqual(typesAt(files, 4, table), { a: "DATE" });
});

test("what the committer decided replaces what was expected, file by file", () => {
  const files = new UncommittedFiles("t");
  files.add(parsed(1, { a: "VARCHAR" }), undefined);
  files.add(parsed(2, { a: "VARCHAR", b: "DATE" }), undefined);
  files.add(parsed(3, { a: "VARCHAR", b: "DATE" }), undefined);
  assert.deepEqual(typesAt(files, 4, published(2, { a: "VARCHAR" })), { a: "VARCHAR", b: "DATE" }, "3 is not decided");
  assert.deepEqual(typesAt(files, 4, published(3, { a: "VARCHAR" })), { a: "VARCHAR" }, "both failed");
  assert.deepEqual(typesAt(files, 5, published(1, { a: "VARCHAR" })), { a: "VARCHAR" }, "and they stay forgotten");
});

test("of the attempts of one file the first that ended counts", () => {
  const files = new UncommittedFiles("t");
  files.add(parsed(1, { a: "VARCHAR" }), undefined);
  files.add(parsed(2, { a: "VARCHAR", b: "DATE" }), undefined);
  files.add(parsed(1, { a: "INTEGER" }), undefined);
  files.add(parsed(2, { a: "INTEGER", b: "BOOLEAN" }), undefined);
  assert.deepEqual(typesAt(files, 3), { a: "VARCHAR", b: "DATE" });
});

test("a hundred thousand files that bring the same take no more room than one", () => {
  const files = new UncommittedFiles("t");
  for (let offset = 0; offset < 100_000; offset++) files.add(parsed(offset, { a: "VARCHAR" }), undefined);
  const before = performance.now();
  assert.deepEqual(typesAt(files, 100_001), { a: "VARCHAR" });
  assert.ok(performance.now() - before < 50);
});
