import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "../../../../lib/warehouse/duckdb/database.ts";

const MIB = 1024 * 1024;

test("commits to more new tables than the memory has blocks for all succeed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-checkpoint-"));
  const database = await openDatabase(join(folder, "w.duckdb"), { memoryBytesMax: 24 * MIB, threads: 1 });
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });
  // Each takes 150 KiB until the next checkpoint, and the log stays short.
  const tables = Array.from({ length: 250 }, (_, table) => `t${table}`);
  const columns = Array.from({ length: 8 }, (_, column) => `c${column} BIGINT`).join(", ");
  for (const table of tables) {
    await database.transaction(async (connection) => {
      await connection.run(`CREATE TABLE ${table} (${columns})`);
      await connection.run(`INSERT INTO ${table} (c0) VALUES (1)`);
    });
  }
  const counts = tables.map((table) => `SELECT count(*) AS n FROM ${table}`).join(" UNION ALL ");
  assert.deepEqual(await database.rows(`SELECT sum(n)::INTEGER FROM (${counts})`), [[tables.length]]);
});
