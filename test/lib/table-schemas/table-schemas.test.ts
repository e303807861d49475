import assert from "node:assert/strict";
import { test } from "node:test";
import { tableSchemas } from "../../../lib/messages/avro.ts";
import { foldTableSchema, type NewestSchemas } from "../../../lib/table-schemas/table-schemas.ts";

const dialect = { delimiter: ",", quote: '"', escape: '"', encoding: "utf-8", header: true };
const recordOf = (sourceOffset: number, ...names: string[]) => ({
  key: "t",
  value: tableSchemas.encode({
    table: "t",
    sourceOffset,
    columns: names.map((name) => ({ name, type: "VARCHAR", header: name })),
    dialectJson: JSON.stringify(dialect),
  }),
});
const namesIn = (schemas: NewestSchemas) => schemas.get("t")?.columns.map(({ name }) => name);

test("the schema of the newest file counts, in whatever order the records come", () => {
  const schemas: NewestSchemas = new Map();
  foldTableSchema(schemas, recordOf(6, "a", "b"));
  foldTableSchema(schemas, recordOf(5, "a"));
  assert.deepEqual(namesIn(schemas), ["a", "b"]);
  foldTableSchema(schemas, recordOf(6, "a", "b", "c"));
  assert.deepEqual(namesIn(schemas), ["a", "b", "c"], "the same file parsed again");
  assert.deepEqual(schemas.get("t")?.pinned, { format: "csv", options: dialect });
});

test("an empty value removes the table's schema, and a damaged record changes nothing", () => {
  const schemas: NewestSchemas = new Map();
  foldTableSchema(schemas, recordOf(6, "a"));
  assert.throws(() => foldTableSchema(schemas, { key: "t", value: Buffer.from([255]) }));
  assert.deepEqual(namesIn(schemas), ["a"]);
  foldTableSchema(schemas, { key: null, value: Buffer.alloc(0) });
  assert.deepEqual(namesIn(schemas), ["a"]);
  foldTableSchema(schemas, { key: "t", value: Buffer.alloc(0) });
  assert.equal(schemas.size, 0);
});
