import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../lib/warehouse/warehouse.ts";
import { columns, rowBatches } from "../../../support/rows.ts";
import { assertCounts, READ_ALL, TestTable } from "../../../support/test-table.ts";

const COLUMNS = columns({ id: "INTEGER", text: "VARCHAR" });
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-duckdb-"));
});
after(() => rm(folder, { recursive: true, force: true }));

let files = 0;
const newFile = (): string => join(folder, `database ${(files += 1)}`, "it's.duckdb");
/** With a warehouse for the time of `use`. */
async function withWarehouse<T>(file: string, use: (warehouse: Warehouse) => Promise<T>): Promise<T> {
  const warehouse = await openWarehouse(`duckdb:${file}`);
  try {
    return await use(warehouse);
  } finally {
    await warehouse.close();
  }
}
const rowsOf = async (warehouse: Warehouse, sql: string): Promise<unknown[][]> =>
  (await warehouse.query(sql, READ_ALL)).rows;

describe("a DuckDB file", () => {
  test("is there again after closing, and snapshot ids keep growing", async () => {
    const file = newFile();
    const { layout, first } = await withWarehouse(file, async (warehouse) => {
      const table = new TestTable(warehouse, COLUMNS);
      const receipt = await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, text: "x" }] });
      return { layout: table.layout, first: Number(receipt.snapshotId) };
    });
    assert.ok(!existsSync(`${file}.wal`), "closed without a checkpoint");
    await withWarehouse(file, async (warehouse) => {
      const table = new TestTable(warehouse, COLUMNS, layout);
      assert.deepEqual((await warehouse.describe(table.name))?.columns, COLUMNS);
      const receipt = await table.ingest({ sourceFile: "a", sourceOffset: 2, rows: [{ id: 2, text: "x" }] });
      assert.ok(Number(receipt.snapshotId) > first);
      assert.deepEqual(await table.rows(["id"]), [[2]]);
      assert.equal(await warehouse.watermark(table.name), 2);
    });
  });

  test("keeps the file's columns first and the audit columns last, also when it grew", async () => {
    await withWarehouse(newFile(), async (warehouse) => {
      const table = new TestTable(warehouse, COLUMNS);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, text: "x" }] });
      await warehouse.ensureTable(table.layout, columns({ more: "DATE", id: "BIGINT" }));
      const { columns: seen, rows } = await warehouse.query(`SELECT * FROM ${table.name}`, READ_ALL);
      assert.deepEqual(
        seen.map((column) => column.name),
        ["id", "text", "more", "_source_file", "_source_offset", "_source_row", "_ingested_at"],
      );
      assert.deepEqual(rows[0]?.slice(0, 5), [1, "x", null, "a", 1]);
      const [[comment] = []] = await rowsOf(
        warehouse,
        "SELECT comment FROM duckdb_columns() WHERE column_name = 'more'",
      );
      assert.equal(comment, "MORE");
    });
  });

  test("stores a header only if the column's name does not tell it", async () => {
    const file = newFile();
    const mixed = COLUMNS.map((column, at) => (at === 0 ? { ...column, header: column.name } : column));
    const layout = await withWarehouse(file, async (warehouse) => {
      const table = new TestTable(warehouse, mixed);
      await warehouse.ensureTable(table.layout, mixed);
      const sql = `SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '${table.name}' LIMIT 2`;
      const [first, second] = mixed;
      assert.deepEqual(await rowsOf(warehouse, sql), [
        [first!.name, null],
        [second!.name, second!.header],
      ]);
      return table.layout;
    });
    await withWarehouse(file, async (warehouse) => {
      assert.deepEqual((await warehouse.describe(layout.table))?.columns, mixed);
    });
  });

  test("opens once: not again in this process, nor in another, whatever a query did", async () => {
    const file = newFile();
    await withWarehouse(file, async (warehouse) => {
      await assert.rejects(openWarehouse(`duckdb:${file}`), { code: "WAREHOUSE_IN_USE" });
      for (const name of [file, `${file}.wal`]) {
        const path = name.replaceAll("'", "''");
        for (const sql of [
          `FROM read_blob('${path}')`,
          `FROM "read_csv"('${path}')`,
          `FROM '${path}'`,
          `FROM glob('${path}')`,
        ]) {
          await assert.rejects(
            warehouse.query(sql, READ_ALL),
            /QUERY_|not allowed|Cannot access file|does not exist/,
            sql,
          );
        }
      }
      const other = spawn(process.execPath, ["--import", "tsx", childProgram, file], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let complaint = "";
      other.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
      const code = await new Promise((resolve) => other.on("exit", resolve));
      assert.equal(code, 1);
      assert.match(complaint, /WAREHOUSE_IN_USE/);
      assert.match(complaint, new RegExp(`process ${process.pid}`));
    });
    await withWarehouse(file, (warehouse) => warehouse.ready());
  });

  test("leaves nothing in the temporary folder, and clears what a killed process left there", async () => {
    const file = newFile();
    await mkdir(`${file}.tmp`, { recursive: true });
    await writeFile(join(`${file}.tmp`, "left"), "x");
    await withWarehouse(file, async () => assert.ok(!existsSync(join(`${file}.tmp`, "left"))));
    assert.ok(!existsSync(`${file}.tmp`));
  });

  test("takes rows for a very wide table after a checkpoint too, in half of what DuckDB's usual blocks need", async () => {
    const wide = columns(Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`c${index}`, "INTEGER"])));
    const warehouse = await openWarehouse(`duckdb:${newFile()}`, { duckdb: { memoryBytesMax: 64 * 2 ** 20 } });
    const table = new TestTable(warehouse, wide);
    for (const sourceOffset of [1, 2, 3]) {
      const rows = [{ c0: sourceOffset, c249: 1 }];
      assertCounts(await table.ingest({ sourceFile: `${sourceOffset}`, sourceOffset, rows }), 1, 0, 0);
      const { status, details } = await warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      assert.equal(status, "completed", details);
    }
    assert.deepEqual(await table.rows(["c0", "c1", "c249"]), [
      [1, null, 1],
      [2, null, 1],
      [3, null, 1],
    ]);
    await warehouse.close();
  });

  test("of another block size is taken as it is", async () => {
    const file = newFile();
    await mkdir(join(file, ".."), { recursive: true });
    const instance = await DuckDBInstance.create(file);
    instance.closeSync();
    await withWarehouse(file, async (warehouse) => {
      const table = new TestTable(warehouse, COLUMNS);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, text: "x" }] });
      assert.deepEqual(await table.rows(["id"]), [[1]]);
      const sizes = "SELECT block_size FROM pragma_database_size() WHERE database_name = 'warehouse'";
      assert.deepEqual(await rowsOf(warehouse, sizes), [[262_144]]);
    });
  });

  test("that is no database is refused, and stays as it was", async () => {
    const file = newFile();
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, "id,name\n1,x\n".repeat(1000));
    await assert.rejects(openWarehouse(`duckdb:${file}`), /not a valid DuckDB database file/);
    await assert.rejects(openWarehouse("duckdb:"), { code: "CONFIG_INVALID" });
  });
});

describe("closing", () => {
  test("is idempotent, ends running queries, and afterwards everything is refused", async () => {
    const warehouse = await openWarehouse("duckdb::memory:");
    const endless = warehouse.query(
      "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1",
      {
        rowsMax: 1,
        timeoutMs: 60_000,
      },
    );
    const ended = assert.rejects(endless);
    await warehouse.ready();
    await Promise.all([warehouse.close(), warehouse.close()]);
    await warehouse.close();
    await ended;
    await assert.rejects(warehouse.ready(), { code: "WAREHOUSE_UNAVAILABLE" });
    await assert.rejects(warehouse.query("SELECT 1", READ_ALL), { code: "WAREHOUSE_UNAVAILABLE" });
    await assert.rejects(warehouse.watermarks(), { code: "WAREHOUSE_UNAVAILABLE" });
  });

  test("an aborted commit changes nothing and can be done again", async () => {
    const warehouse = await openWarehouse("duckdb::memory:");
    const table = new TestTable(warehouse, COLUMNS);
    const versions = await table.files({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, text: "x" }] });
    await warehouse.ensureTable(table.layout, COLUMNS);
    const batch = { layout: table.layout, files: versions };
    await assert.rejects(warehouse.commit(batch, { signal: AbortSignal.abort() }), { code: "WAREHOUSE_TIMEOUT" });
    assert.deepEqual(await table.rows(), []);
    assertCounts(await warehouse.commit(batch, { signal: new AbortController().signal }), 1, 0, 0);
    await warehouse.close();
  });
});

describe("optimize", () => {
  test("completes between the commits of other tables", async () => {
    await withWarehouse(newFile(), async (warehouse) => {
      const [busy, idle] = [new TestTable(warehouse, COLUMNS), new TestTable(warehouse, COLUMNS)];
      await idle.ingest({ sourceFile: "a", sourceOffset: 1, fileId: "idle", rows: [{ id: 1, text: "x" }] });
      let writing = true;
      const writer = (async () => {
        for (const sourceOffset of [1, 2, 3, 4, 5]) {
          const rows = Array.from({ length: 500 }, (_, id) => ({ id, text: `version ${sourceOffset}` }));
          await busy.ingest({ sourceFile: "a", sourceOffset, rows });
        }
      })().finally(() => (writing = false));
      while (writing) {
        const { status, details } = await warehouse.maintain(idle.name, "optimize", { retentionMs: 0 });
        assert.equal(status, "completed", details);
      }
      await writer;
    });
  });

  test("says so where a query still reads what was before, and blocks neither", async () => {
    await withWarehouse(newFile(), async (warehouse) => {
      const table = new TestTable(warehouse, COLUMNS);
      const rows = Array.from({ length: 3000 }, (_, id) => ({ id, text: "x" }));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows });
      const cancel = new AbortController();
      const long = `SELECT count(*) FROM ${table.name} a, range(100000000) b WHERE a.id + b.range = -1`;
      const asked = assert.rejects(warehouse.query(long, { ...READ_ALL, signal: cancel.signal }), {
        code: "QUERY_TIMEOUT",
      });
      for (const sourceOffset of [2, 3]) {
        await table.ingest({
          sourceFile: "a",
          sourceOffset,
          rows: rows.map((row) => ({ ...row, text: `${sourceOffset}` })),
        });
        const { status } = await warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
        assert.ok(["completed", "not_applicable"].includes(status), status);
      }
      cancel.abort();
      await asked;
      const { status } = await warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      assert.equal(status, "completed");
    });
  });
});

describe("staging", () => {
  test("staged rows are out of every query's reach", async () => {
    const warehouse = await openWarehouse("duckdb::memory:", { duckdb: { stageBytesHeldMax: 0 } });
    const table = new TestTable(warehouse, COLUMNS);
    const [version] = await table.files({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, text: "secret" }] });
    const inMemory = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory'";
    assert.deepEqual(await rowsOf(warehouse, inMemory), [], "queries run in another process");
    for (const from of ["memory.main.stage_1", "MEMORY.stage_1", '"memory"."main"."stage_1"']) {
      for (const sql of [
        `SELECT * FROM ${from}`,
        `WITH q AS (FROM ${from}) FROM q`,
        `SELECT (SELECT max(text) FROM ${from})`,
      ]) {
        await assert.rejects(warehouse.query(sql, READ_ALL), { code: "QUERY_NOT_READ_ONLY" }, sql);
      }
    }
    await version?.stage?.discard();
    await warehouse.close();
  });

  test("far more rows than memory are staged and committed, from disk", async () => {
    const file = newFile();
    const memoryBytesMax = 32 * 2 ** 20;
    const warehouse = await openWarehouse(`duckdb:${file}`, { duckdb: { memoryBytesMax, threads: 2 } });
    const table = new TestTable(warehouse, COLUMNS);
    const rows = Array.from({ length: 2000 }, (_, id) => ({
      id,
      text: Buffer.alloc(1000, `${id * 7919} `).toString(),
    }));
    const batches = rowBatches(COLUMNS, rows, { sourceFile: "a", sourceOffset: 1 });
    const stage = warehouse.stage(table.name, "run");
    while (stage.sizeBytes < 3 * memoryBytesMax) for (const batch of batches) await stage.append(batch);
    assert.ok(existsSync(`${file}.tmp`), "nothing went to disk");
    await warehouse.ensureTable(table.layout, COLUMNS);
    const version = { fileId: "1", sourceFile: "a", sourceOffset: 1, columns: COLUMNS, stage };
    assertCounts(await warehouse.commit({ layout: table.layout, files: [version] }), stage.rowCount, 0, 0);
    await stage.discard();
    assert.deepEqual(await table.query("SELECT count(*), count(DISTINCT text), min(length(text)) FROM $t"), [
      [stage.rowCount, 2000, 1000],
    ]);
    await warehouse.close();
  });

  test("rows of every length of string around the twelve bytes that DuckDB keeps inline", async () => {
    const warehouse = await openWarehouse("duckdb::memory:");
    const table = new TestTable(warehouse, columns({ id: "INTEGER", a: "VARCHAR", b: "VARCHAR" }));
    const rows = Array.from({ length: 5000 }, (_, id) => ({
      id,
      a: id % 11 === 0 ? null : "é".repeat(id % 9) + "x".repeat(id % 5),
      b: id < 2100 ? "short" : `${id}`.repeat(id % 6),
    }));
    await table.ingest({ sourceFile: "f", sourceOffset: 1, rows, rowsPerBatch: 4100 });
    assert.deepEqual(
      await table.query("SELECT id, a, b FROM $t ORDER BY id"),
      rows.map((row) => [row.id, row.a, row.b]),
    );
    await warehouse.close();
  });
});

describe("query values", () => {
  test("every DuckDB type comes out as JSON can carry it", async () => {
    const warehouse = await openWarehouse("duckdb::memory:");
    const [[...row] = []] = await rowsOf(
      warehouse,
      `SELECT 170141183460469231731687303715884105727::HUGEINT, sum(1::BIGINT), [1, NULL, 9007199254740993], {'a': DATE '2024-01-31', 'b': [1.50]},
         MAP {'k': 1}, 'NaN'::DOUBLE, '-Infinity'::DOUBLE, DATE '0044-03-15 (BC)', TIMESTAMP '0044-03-15 (BC) 00:00:00', TIME '12:00:00.5',
         INTERVAL 3 DAY, '00000000-0000-0000-0000-000000000001'::UUID, 'a\\x00'::BLOB, TIMESTAMP_S '2024-01-31 12:00:00',
         TIMESTAMP_MS '2024-01-31 12:00:00.123', TIMESTAMPTZ '2024-01-31 12:00:00+02', 'x'::ENUM ('x', 'y')`,
    );
    assert.deepEqual(row, [
      "170141183460469231731687303715884105727",
      1,
      [1, null, "9007199254740993"],
      { a: "2024-01-31", b: ["1.50"] },
      { k: 1 },
      "NaN",
      "-Infinity",
      "0044-03-15 (BC)",
      "0044-03-15 (BC) 00:00:00",
      "12:00:00.5",
      "3 days",
      "00000000-0000-0000-0000-000000000001",
      "YQA=",
      "2024-01-31T12:00:00",
      "2024-01-31T12:00:00.123000",
      "2024-01-31T10:00:00Z",
      "x",
    ]);
    assert.ok(JSON.stringify(await rowsOf(warehouse, "SELECT * FROM test_all_types()")).length > 0);
    await warehouse.close();
  });

  test("words that are also functions remain good names and texts", async () => {
    const warehouse = await openWarehouse("duckdb::memory:");
    const sql = "SELECT query, sniff_csv, 'read_csv (x)' FROM (SELECT 1 AS query, 2 AS sniff_csv) WHERE query IN (1)";
    assert.deepEqual(await rowsOf(warehouse, sql), [[1, 2, "read_csv (x)"]]);
    await warehouse.close();
  });
});

const childProgram = fileURLToPath(new URL("../../../support/crashing-warehouse.ts", import.meta.url));

describe("kill -9", () => {
  /** Lets the program commit until `stop` says so of what it reported, kills it, and gives the last version it reported committed. */
  async function runAndKill(file: string, first: number, stop: (line: string) => boolean): Promise<number> {
    const child = spawn(process.execPath, ["--import", "tsx", childProgram, file, String(first)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const gone = new Promise((resolve) => child.on("exit", resolve));
    let committed = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const version = /^committed (\d+)$/.exec(line)?.[1];
      if (version !== undefined) committed = Number(version);
      if (stop(line)) child.kill("SIGKILL");
    }
    await gone;
    return committed;
  }

  test("at any moment leaves whole versions, nothing acknowledged lost", { timeout: 120_000 }, async () => {
    const file = newFile();
    let next = 1;
    for (const [round, stop] of [
      /^committed 3$/,
      /^recorded \d*7$/,
      /^committed \d*[05]$/,
      /^recorded \d*2$/,
    ].entries()) {
      const committed = await runAndKill(file, next, (line) => stop.test(line));
      await withWarehouse(file, async (warehouse) => {
        const [[count, texts, text] = []] = await rowsOf(
          warehouse,
          "SELECT count(*), count(DISTINCT text), min(text) FROM t",
        );
        assert.deepEqual([count, texts], [2000, 1], `round ${round}`);
        const version = Number(/\d+/.exec(text as string)?.[0]);
        assert.ok(version === committed || version === committed + 1, `${version} after ${committed} was acknowledged`);
        const watermark = (await warehouse.watermark("t")) ?? 0;
        assert.ok(watermark >= committed - 1 && watermark <= version, `watermark ${watermark}, version ${version}`);
        const table = new TestTable(warehouse, COLUMNS, { table: "t" });
        const rows = Array.from({ length: 2000 }, (_, id) => ({ id, text: text as string }));
        assertCounts(await table.commit({ sourceFile: "f", sourceOffset: version, rows }), 0, 0, 0);
        next = version + 1;
      });
    }
  });
});
