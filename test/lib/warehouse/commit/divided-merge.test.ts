import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { dividedMerge } from "../../../../lib/warehouse/commit/divided-merge.ts";
import { mergeStatement, type MergeParts } from "../../../../lib/warehouse/commit/merge.ts";

let instance: DuckDBInstance;
let connection: DuckDBConnection;
before(async () => {
  instance = await DuckDBInstance.create(":memory:");
  connection = await instance.connect();
});
after(() => {
  connection.closeSync();
  instance.closeSync();
});

const parts: MergeParts = {
  source: "SELECT * FROM source",
  on: "t.id = s.id",
  when: [
    "WHEN MATCHED AND (s.gone AND t.version < s.version) THEN DELETE",
    "WHEN MATCHED AND t.version < s.version THEN UPDATE SET version = s.version, name = s.name",
    "WHEN NOT MATCHED THEN INSERT (id, version, name) VALUES (s.id, s.version, s.name)",
  ],
  deletes: "s.gone AND t.version < s.version",
  onlyDelete: "s.gone",
};

/** The target's rows after the statements. */
async function outcomeOf(statements: readonly string[]): Promise<unknown[][]> {
  await connection.run(`
    CREATE OR REPLACE TABLE target AS
    FROM (VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 9, 'c'), (4, 1, 'd')) v(id, version, name);
    CREATE OR REPLACE TABLE source AS
    FROM (VALUES (1, 2, 'x', true), (2, 2, 'y', false), (3, 2, 'z', true), (5, 2, 'e', false)) v(id, version, name, gone)`);
  for (const statement of statements) await connection.run(statement);
  return (await connection.runAndReadAll("FROM target ORDER BY id")).getRowsJson();
}

test("a DELETE and a MERGE leave what one MERGE leaves, and a row that only deletes comes not back", async () => {
  const expected = [
    [2, 2, "y"],
    [3, 9, "c"],
    [4, 1, "d"],
    [5, 2, "e"],
  ];
  assert.deepEqual(await outcomeOf([mergeStatement("target", parts)]), expected);
  assert.deepEqual(await outcomeOf(dividedMerge("target", parts, "source")), expected);
});

test("nothing but the DELETE is left of a MERGE that only deletes", () => {
  const only = { ...parts, when: ["WHEN MATCHED THEN DELETE"], deletes: "TRUE", onlyDelete: "TRUE" };
  assert.equal(dividedMerge("target", only, "source").length, 1);
});
