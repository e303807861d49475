import assert from "node:assert/strict";
import { test } from "node:test";
import { fileRecords } from "../../../../lib/warehouse/reads/file-records.ts";
import { duckdb } from "../../../../lib/warehouse/duckdb-engine/dialect.ts";

test("a ledger of an earlier release is read without the columns that it lacks", async () => {
  const statements: string[] = [];
  const names = ["file_id", "table_name", "file_key", "status", "source_offset"];
  const records = fileRecords({
    dialect: duckdb,
    describe: async (table) => ({
      table,
      columns: names.map((name) => ({ name, header: name, type: "VARCHAR" as const })),
      rowCount: 1,
      partitioning: [],
    }),
    query: async (sql) => {
      statements.push(sql);
      return { columns: [], rows: [["id", "t", "a.csv", "committed"]], truncated: false };
    },
  });
  const found = await records.find("id", { timeoutMs: 1_000 });
  assert.match(statements[0]!, /^SELECT file_id, table_name, file_key, status, NULL, NULL, NULL, source_offset,/);
  assert.deepEqual([found?.fileId, found?.writeMode, found?.operation], ["id", null, null]);
});
