import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test, type TestContext } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { hasCode } from "../../../../lib/errors.ts";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import { PlanLoader } from "../../../../lib/warehouse/staging/plan-loader.ts";
import { plannedValues, type PlannedFile } from "../../../../lib/warehouse/staging/planned-rows.ts";

async function prepared(t: TestContext): Promise<{ folder: string; file: PlannedFile }> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-plan-loader-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "raw");
  await writeFile(path, "id\n1\n2\n");
  const plan = {
    ...{ blobKey: "raw", contentHash: "", delimiter: ",", quote: '"', header: true, rowCount: 2 },
    fields: [{ column: "id", type: "INTEGER", nullMarkers: [], padded: false }],
    ...{ excluded: [], ragged: [], recordBytesMax: 10, textBytes: 8, rowsOffset: 1, receivedAtMs: 1 },
  };
  return { folder, file: { plan, path, compression: "none", sourceFile: "a.csv" } };
}

test("a loader that could not open opens at the next load", async (t) => {
  const { folder, file } = await prepared(t);
  const plans = join(folder, "plans");
  const loader = new PlanLoader(plans);
  await writeFile(plans, "in the way");
  await assert.rejects(loader.write(file), (thrown) => hasCode(thrown, "LOAD_PLAN_FAILED"));
  await rm(plans);
  assert.ok(existsSync((await loader.write(file)).path));
  await loader.close();
  assert.ok(!existsSync(plans));
});

test("a warehouse that closes leaves no rows of load plans behind", async (t) => {
  const { folder, file } = await prepared(t);
  const path = join(folder, "warehouse.duckdb");
  const warehouse = await openWarehouse(`duckdb:${path}`);
  await warehouse.stage("t", "run").load(file);
  assert.ok(existsSync(`${path}.plans`));
  await warehouse.close();
  assert.ok(!existsSync(`${path}.plans`));
});

async function rowsOf(folder: string, file: PlannedFile): Promise<unknown[][]> {
  const loader = new PlanLoader(join(folder, "plans"));
  try {
    const { rows } = await loader.write(file);
    return await read(`SELECT "id", "_source_row" FROM (${rows}) ORDER BY "_source_row"`);
  } finally {
    await loader.close();
  }
}

async function read(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

test("a value that cannot be read fails the plan, unless its row is left out", async (t) => {
  const { folder, file } = await prepared(t);
  await writeFile(file.path, "id\n1\nx\n3\n");
  const leaving = (excluded: number[]): PlannedFile => ({ ...file, plan: { ...file.plan, excluded } });
  assert.deepEqual(await rowsOf(folder, leaving([2])), [
    [1, "1"],
    [3, "3"],
  ]);
  for (const excluded of [[], [1], [3]])
    await assert.rejects(rowsOf(folder, leaving(excluded)), (thrown) => hasCode(thrown, "LOAD_PLAN_FAILED"));
});

test("values with line breaks load, wherever the threads of a reader begin", async (t) => {
  const { folder, file } = await prepared(t);
  // Read from its middle, such a value looks like rows.
  const value = `b,\n1,2\n${'"",""\n'.repeat(3)}`;
  const rowCount = 100_000;
  const lines = Array.from({ length: rowCount }, (_, n) => `"${value}",${n}\n`);
  await writeFile(file.path, `text,id\n${lines.join("")}`);
  const fields = ["text", "id"].map((column) => ({ column, type: "VARCHAR", nullMarkers: [], padded: false }));
  const plan = { ...file.plan, fields, rowCount, recordBytesMax: 100 };
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const { rows } = await loader.write({ ...file, plan });
  const whole = value.replaceAll('""', '"').replaceAll("'", "''");
  const sql = `SELECT count(*) FILTER (WHERE "text" = '${whole}' AND "id" = CAST("_source_row" - 1 AS VARCHAR))`;
  assert.deepEqual(await read(`${sql} FROM (${rows})`), [[String(rowCount)]]);
});

test("several threads read a file that is larger than a buffer, whatever the length of its rows", async (t) => {
  const { file } = await prepared(t);
  const rowCount = 30_000;
  for (const length of [10, 171, 250]) {
    const filling = "x".repeat(length);
    const lines = Array.from({ length: rowCount }, (_, n) => `${n},${n % 1_013},${filling},${n % 7}\n`);
    const text = `a,b,c,d\n${lines.join("")}`;
    await writeFile(file.path, text);
    const fields = ["a", "b", "c", "d"].map((column) => ({ ...file.plan.fields[0]!, column, type: "VARCHAR" }));
    const plan = { ...file.plan, fields, rowCount, recordBytesMax: length + 30, textBytes: text.length };
    const values = plannedValues({ ...file, plan }, "several");
    const [row] = await read(`SELECT count(*), sum(f0::INTEGER), min(f2), max(f2), max(f3) FROM (${values})`);
    assert.deepEqual(row, [String(rowCount), String((rowCount * (rowCount - 1)) / 2), filling, filling, "6"]);
  }
});

test("rows keep their order where values are compared with many others", async (t) => {
  const { folder, file } = await prepared(t);
  const rowCount = 400_000;
  const lines = Array.from({ length: rowCount }, (_, n) => `${n + 1},yes\n`);
  const text = `id,flag\n${lines.join("")}`;
  await writeFile(file.path, text);
  const flag = { column: "flag", type: "BOOLEAN", nullMarkers: ["a", "b", "c", "d", "e", "f", "g"], padded: false };
  const plan = { ...file.plan, rowCount, textBytes: text.length, fields: [file.plan.fields[0]!, flag] };
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const { rows } = await loader.write({ ...file, plan });
  const right = `count(*) FILTER (WHERE "id" = "_source_row" AND "flag")`;
  assert.deepEqual(await read(`SELECT ${right} FROM (${rows})`), [[String(rowCount)]]);
});

test("the sign of zero is kept where values repeat", async (t) => {
  const { folder, file } = await prepared(t);
  await writeFile(file.path, `x\n${"0.0\n-0.0\n".repeat(50)}`);
  const fields = [{ column: "x", type: "DOUBLE", nullMarkers: [], padded: false }];
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const { rows } = await loader.write({ ...file, plan: { ...file.plan, fields, rowCount: 100 } });
  const negative = await read(`SELECT count(*) FROM (${rows}) WHERE "x"::VARCHAR = '-0.0'`);
  assert.deepEqual(negative, [["50"]]);
});

test("rows that are whole are those that a table takes", async (t) => {
  const { folder, file } = await prepared(t);
  await writeFile(file.path, "id\n1\nx\n3\n");
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const path = await loader.writeWhole({ ...file, plan: { ...file.plan, excluded: [2] } });
  assert.deepEqual(await readdir(join(folder, "plans")), [basename(path)], "the values are removed");
  const rows = await read(`SELECT "id", "_source_file", "_source_row" FROM '${path}' ORDER BY "_source_row"`);
  assert.deepEqual(rows, [
    [1, "a.csv", "1"],
    [3, "a.csv", "3"],
  ]);
});

test("a load is interrupted by its signal, leaves no file, and the next one runs; a load tells how far it is", async (t) => {
  const { folder, file } = await prepared(t);
  const ROWS = 3_000_000;
  const path = join(folder, "long");
  await writeFile(path, `id\n${Array.from({ length: ROWS }, (_, at) => at).join("\n")}\n`);
  const long = { ...file, path, plan: { ...file.plan, rowCount: ROWS } };
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const stopping = new AbortController();
  const seen: number[] = [];
  const onRows = (rows: number): void => {
    seen.push(rows);
    stopping.abort();
  };
  await assert.rejects(loader.write({ ...long, signal: stopping.signal, onRows }));
  assert.ok(seen[0]! > 0 && seen[0]! <= ROWS);
  assert.deepEqual(
    (await readdir(join(folder, "plans"))).filter((name) => name.endsWith(".parquet")),
    [],
  );
  await assert.rejects(loader.write({ ...long, signal: AbortSignal.abort() }), "it does not begin");
  assert.ok(existsSync((await loader.write(file)).path));
});

test("a row group holds few rows if they are long, and many if they are short", async (t) => {
  const { folder, file } = await prepared(t);
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const rowCount = 10_000;
  const groupsOf = async (cellChars: number): Promise<unknown[][]> => {
    const lines = Array.from({ length: rowCount }, (_, row) => String(row).padEnd(cellChars, "x"));
    const text = `id\n${lines.join("\n")}\n`;
    await writeFile(file.path, text);
    const fields = file.plan.fields.map((field) => ({ ...field, type: "VARCHAR" }));
    const plan = { ...file.plan, fields, rowCount, textBytes: text.length };
    const { path } = await loader.write({ ...file, plan });
    return read(`SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('${path}') ORDER BY ALL`);
  };
  assert.deepEqual(await groupsOf(5), [["0", "10000"]]);
  const long = await groupsOf(3_000);
  assert.ok(long.length >= 3, `${long.length} row groups`);
  for (const [, rows] of long) assert.ok(Number(rows) <= 4_096, `${String(rows)} rows in a group`);
});

test("a file of 2,000 columns has enough memory", async (t) => {
  const { folder, file } = await prepared(t);
  const names = Array.from({ length: 2_000 }, (_, at) => `c${at}`);
  const rowCount = 3_000;
  const cells = names.map((_, at) => String(at * 7)).join(",");
  const text = `${names.join(",")}\n${`${cells}\n`.repeat(rowCount)}`;
  await writeFile(file.path, text);
  const fields = names.map((column) => ({ column, type: "BIGINT", nullMarkers: [], padded: false }));
  const plan = { ...file.plan, fields, rowCount, recordBytesMax: cells.length, textBytes: text.length };
  const loader = new PlanLoader(join(folder, "plans"));
  t.after(() => loader.close());
  const { path } = await loader.write({ ...file, plan });
  assert.deepEqual(await read(`SELECT count(*), max(f1999) FROM '${path}'`), [["3000", "13993"]]);
});
