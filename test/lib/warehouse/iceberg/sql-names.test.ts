import assert from "node:assert/strict";
import { test } from "node:test";
import { withPhysicalNames } from "../../../../lib/warehouse/iceberg/sql-names.ts";

test("tables of the schema get their names in the catalog; strings, columns and comments stay", () => {
  const tables = { sqlOf: (table: string) => `<${table}>` };
  const translated = (sql: string): string => withPhysicalNames(sql, tables);
  assert.equal(translated(`SELECT * FROM "lakehouse"."a""b" AS t`), `SELECT * FROM <a"b> AS t`);
  for (const sql of [
    `SELECT '"lakehouse"."a"'`,
    `SELECT 1 -- "lakehouse"."a"`,
    `SELECT x."lakehouse"."a"`,
    `SELECT "lakehouse" . "a"`,
    `SELECT "lakehouse".a`,
  ])
    assert.equal(translated(sql), sql);
});
