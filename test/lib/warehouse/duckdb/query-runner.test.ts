/** Users' queries on DuckDB run in processes of their own: what one does to its process touches nothing else. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { systemClock } from "../../../../lib/clock.ts";
import { QueryRunner, type QueryTables } from "../../../../lib/warehouse/duckdb-engine/queries/query-runner.ts";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../lib/warehouse/warehouse.ts";
import { columns } from "../../../support/rows.ts";
import { TestTable } from "../../../support/test-table.ts";

const LIMITS = { rowsMax: 10, timeoutMs: 30_000 };
let folder: string;
let warehouse: Warehouse;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-queries-"));
  warehouse = await openWarehouse(`duckdb:${join(folder, "w.duckdb")}`);
});
after(async () => {
  await warehouse.close();
  assert.deepEqual(readdirSync(folder), ["w.duckdb"], "copies go with the warehouse");
  rmSync(folder, { recursive: true });
});

const filled = async (): Promise<TestTable> => {
  const table = new TestTable(warehouse, columns({ id: "INTEGER", name: "VARCHAR" }));
  await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, name: "x" }] });
  return table;
};

test("a query that crashes DuckDB, or needs more memory than it may, fails alone", async () => {
  const table = await filled();
  const deep = "repeat('[', 200000) || repeat(']', 200000)";
  for (const sql of [
    `SELECT json_structure(${deep})`,
    `SELECT (${deep})::JSON::VARIANT`,
    "SELECT len(range(1000000000))",
    "SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(20000)",
  ]) {
    await assert.rejects(warehouse.query(sql, LIMITS), { code: "QUERY_FAILED", retryable: false }, sql);
    const { rows } = await warehouse.query(`SELECT count(*) FROM ${table.name}`, LIMITS);
    assert.deepEqual(rows, [[1]], "the next query has its answer");
  }
});

test("a call that DuckDB cannot interrupt ends at its deadline; queries after it, commits and checkpoints do not wait", async () => {
  const table = await filled();
  const endless = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))";
  const asked = [1, 2, 3].map(() => warehouse.query(endless, { rowsMax: 1, timeoutMs: 2_000 }));
  const ended = Promise.allSettled(asked);
  await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [{ id: 2, name: "y" }] });
  assert.equal(
    (await warehouse.maintain(table.name, "optimize", { retentionMs: 0, snapshotsMax: 1 })).status,
    "completed",
  );
  assert.deepEqual(await table.query("SELECT count(*) FROM $t"), [[2]]);
  for (const one of await ended) {
    assert.equal(one.status, "rejected");
    assert.equal((one.reason as { code: string }).code, "QUERY_TIMEOUT", "the wait for a turn counts");
  }
});

test("the SQL of a check does not wait for users' queries, however many there are", async () => {
  const table = await filled();
  const giveUp = new AbortController();
  const endless = "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))";
  const options = { rowsMax: 1, timeoutMs: 60_000, signal: giveUp.signal };
  const users = Promise.allSettled([1, 2, 3, 4].map(() => warehouse.query(endless, options)));
  const measured = { table: table.name, columns: table.columns };
  const check = { type: "custom_sql", sql: `SELECT id FROM ${table.name}` } as const;
  const { failing } = await warehouse.measure(measured, [check], { nowMs: 0, timeoutMs: 30_000 });
  assert.deepEqual(failing, [1]);
  giveUp.abort();
  for (const { status } of await users) assert.equal(status, "rejected", "they were still running or waiting");
});

test("every query sees what was committed before it, over checkpoints and large commits", async () => {
  const table = new TestTable(warehouse, columns({ id: "INTEGER", name: "VARCHAR" }), { mode: "append" });
  let count = 0;
  for (let offset = 1; offset <= 12; offset++) {
    const rows = Array.from({ length: offset === 5 ? 300_000 : 10 }, (_, id) => ({ id, name: `n${id}` }));
    await table.ingest({ sourceFile: `f${offset}`, sourceOffset: offset, rows });
    count += rows.length;
    assert.deepEqual((await warehouse.query(`SELECT count(*) FROM ${table.name}`, LIMITS)).rows, [[count]]);
    if (offset % 4 === 0) await warehouse.maintain(table.name, "optimize", { retentionMs: 0, snapshotsMax: 1 });
  }
});

test("nothing is copied until a running checkpoint has ended", async () => {
  const path = join(folder, "checkpointed.duckdb");
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  await connection.run("CREATE SCHEMA lakehouse; CREATE TABLE lakehouse.t AS SELECT 42 AS x");
  connection.closeSync();
  instance.closeSync();
  // The file is elsewhere until the checkpoint ends: a copy that begins earlier finds no file.
  const elsewhere = `${path}.elsewhere`;
  renameSync(path, elsewhere);
  const whileCopying = async (copy: () => Promise<void>): Promise<void> => {
    await warehouse.query("SELECT 1", LIMITS);
    renameSync(elsewhere, path);
    await copy();
  };
  const tables: QueryTables = {
    folder: `${path}.queries`,
    sourceOf: async () => ({ kind: "file", file: path }),
    whileCopying,
    checkpoint: async () => undefined,
  };
  const runner = new QueryRunner(tables, systemClock);
  const { rows } = await runner.query("SELECT x FROM t", LIMITS);
  assert.deepEqual(rows, [[42]]);
  await runner.close();
  rmSync(path);
});

test("what a killed query has spilled is removed", async () => {
  const sorted = "SELECT * FROM range(100000) a(x), range(100000) b(y) ORDER BY hash(x, y)";
  await assert.rejects(warehouse.query(sorted, { rowsMax: 1, timeoutMs: 1_500 }), { code: "QUERY_TIMEOUT" });
  const spilled = (): string[] => {
    const copies = join(folder, "w.duckdb.queries");
    return readdirSync(copies).filter((one) => existsSync(join(copies, one, "spill")));
  };
  for (let tries = 0; spilled().length > 0 && tries < 100; tries++) await warehouse.query("SELECT 1", LIMITS);
  assert.deepEqual(spilled(), []);
});
