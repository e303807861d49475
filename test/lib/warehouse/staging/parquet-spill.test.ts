import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { openBlobStore } from "../../../../lib/blob/open.ts";
import type { RowBatch } from "../../../../lib/messages/generated.ts";
import { stagedColumnsOf } from "../../../../lib/warehouse/staging/batch-groups.ts";
import { ParquetSpill, type SpilledRows } from "../../../../lib/warehouse/staging/parquet-spill.ts";
import { columns, rowBatches, type Row } from "../../../support/rows.ts";

const ORIGIN = { sourceFile: "a.csv", sourceOffset: 1 };

async function spooling(t: TestContext): Promise<{ spool: ParquetSpill; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-test-"));
  const spool = new ParquetSpill();
  t.after(async () => {
    await spool.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { spool, folder };
}

/** Stores the rows with the types of the batches and gives what `query` finds in the file. */
async function stored(folder: string, rows: SpilledRows, query: string): Promise<unknown[]> {
  const blobs = await openBlobStore(`file:${folder}`);
  const target = rows.columns.map(({ column: name, type }) => ({ name, type }));
  await rows.store(blobs, "rows.parquet", target);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const answer = await connection.runAndReadAll(`SELECT ${query} FROM '${join(folder, "rows.parquet")}'`);
  connection.closeSync();
  instance.closeSync();
  await blobs.close();
  return answer.getRowsJson()[0] as unknown[];
}

const numbered = (from: number, count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, price: `${from + i}.25` }));
const two = columns({ id: "BIGINT", price: "DECIMAL(12,2)" });

test("spool: pieces become one file with every row once", async (t) => {
  const { spool, folder } = await spooling(t);
  const batches = rowBatches(two, numbered(0, 5000), ORIGIN, 700);
  const rows = spool.open(stagedColumnsOf(batches[0]!.writerSchema));
  await rows.add(batches.slice(0, 3));
  await rows.add(batches.slice(3));
  const sums = await stored(folder, rows, "count(*), count(DISTINCT id), sum(price)::VARCHAR, max(_source_row)");
  assert.deepEqual(sums, ["5000", "5000", "12498750.00", "5000"]);
  await rows.drop();
});

test("spool: the fingerprint is that of the rows, whatever the batches and pieces", async (t) => {
  const { spool } = await spooling(t);
  const printOf = async (rowsPerBatch: number, rowsInFirst: number): Promise<string> => {
    const batches = rowBatches(two, numbered(0, 1000), ORIGIN, rowsPerBatch);
    const rows = spool.open(stagedColumnsOf(batches[0]!.writerSchema));
    await rows.add(batches.slice(0, rowsInFirst / rowsPerBatch));
    await rows.add(batches.slice(rowsInFirst / rowsPerBatch));
    return rows.fingerprint();
  };
  assert.equal(await printOf(100, 300), await printOf(250, 750));
});

test("spool: a batch that cannot be read adds nothing", async (t) => {
  const { spool, folder } = await spooling(t);
  const [good, next] = rowBatches(two, numbered(0, 200), ORIGIN, 100) as [RowBatch, RowBatch];
  const rows = spool.open(stagedColumnsOf(good.writerSchema));
  const print = rows.fingerprint();
  await assert.rejects(rows.add([good, { ...next, rows: next.rows.subarray(0, 7) }]));
  assert.equal(rows.fingerprint(), print);
  await rows.add([good, next]);
  assert.deepEqual(await stored(folder, rows, "count(*)"), ["200"]);
});

test("spool: 2,000 columns, and rows of 100 KB, need no more memory than others", async (t) => {
  const { spool, folder } = await spooling(t);
  const names = Array.from({ length: 2000 }, (_, at) => `c${at}`);
  const wide = columns(Object.fromEntries(names.map((name, at) => [name, at % 2 === 0 ? "VARCHAR" : "BIGINT"])));
  const row = Object.fromEntries(names.map((name, at) => [name, at % 2 === 0 ? `text of ${name}` : at]));
  const [batch] = rowBatches(wide, Array<Row>(60).fill(row), ORIGIN) as [RowBatch];
  const rows = spool.open(stagedColumnsOf(batch.writerSchema));
  for (let piece = 0; piece < 3; piece++) await rows.add(Array<RowBatch>(5).fill(batch));
  assert.deepEqual(await stored(folder, rows, "count(*), count(c1998), sum(c1999)::BIGINT"), [
    "900",
    "900",
    String(900 * 1999),
  ]);

  const long = columns({ text: "VARCHAR" });
  const [longs] = rowBatches(long, Array<Row>(70).fill({ text: "x".repeat(100_000) }), ORIGIN) as [RowBatch];
  const others = spool.open(stagedColumnsOf(longs.writerSchema));
  for (let piece = 0; piece < 30; piece++) await others.add([longs]);
  await rm(join(folder, "rows.parquet"), { force: true });
  assert.deepEqual(await stored(folder, others, "count(*), sum(length(text))::BIGINT"), ["2100", "210000000"]);
});

test("spool: keys are unique, or not, over all pieces", async (t) => {
  const { spool } = await spooling(t);
  const wide = columns({ id: "BIGINT", name: "VARCHAR", ratio: "DOUBLE" });
  const rowsOf = async (...pieces: Row[][]): Promise<SpilledRows> => {
    const batches = pieces.map((piece) => rowBatches(wide, piece, ORIGIN)[0]!);
    const rows = spool.open(stagedColumnsOf(batches[0]!.writerSchema));
    for (const batch of batches) await rows.add([batch]);
    return rows;
  };
  const first = [
    { id: 1, name: "a", ratio: 1 },
    { id: 1, name: null, ratio: 2 },
    { id: 2, name: "a", ratio: 3 },
  ];
  const once = await rowsOf(first, [{ id: 2, name: "b", ratio: 4 }]);
  assert.equal(await once.areUnique(["id", "name"]), true);
  assert.equal(await once.areUnique(["id"]), false);
  assert.equal(await once.areUnique(["ratio"]), false, "not asked of floating point");
  assert.equal(await once.areUnique(["id", "other"]), false, "not known of a column that the rows lack");
  const twice = await rowsOf(first, [{ id: 1, name: null, ratio: 4 }]);
  assert.equal(await twice.areUnique(["id", "name"]), false);
});
