/** A column has no type until a file brings a value; then it takes the type of that file's values. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { startPipeline, type Pipeline } from "./pipeline.ts";

async function start(t: TestContext, contracts: object[] = []): Promise<Pipeline> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-untyped-"));
  const pipeline = await startPipeline(folder, { contracts });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return pipeline;
}

const columnsOf = async (pipeline: Pipeline, table: string): Promise<string[] | undefined> =>
  (await pipeline.warehouse.describe(table))?.columns.map(({ name, type }) => `${name} ${type}`);

const put = async (pipeline: Pipeline, name: string, body: string): Promise<unknown> => {
  const [table, file] = name.split("/") as [string, string];
  const answer = await pipeline.put(table, file, body);
  return answer.body.code ?? answer.body.status;
};

for (const [writeMode, more] of [
  ["replace", {}],
  ["append", {}],
  ["upsert", { key: ["id"] }],
] as const) {
  test(`${writeMode}: a column takes the type of its first values`, async (t) => {
    const pipeline = await start(t, [{ table: "t", writeMode, ...more }]);
    assert.equal(await put(pipeline, "t/a.csv", "id,amount,day,note\n1,,,\n2,,  ,\n"), "committed");
    assert.deepEqual(await columnsOf(pipeline, "t"), ["id INTEGER"]);
    assert.equal(await put(pipeline, "t/b.csv", "id,amount,day,note\n3,7,,\n4,,2026-01-31,\n"), "committed");
    assert.deepEqual(await columnsOf(pipeline, "t"), ["id INTEGER", "amount INTEGER", "day DATE"]);
    assert.equal(await put(pipeline, "t/c.csv", "id,amount,day,note\n5,8,,late\n"), "committed");
    const rows = await pipeline.query("SELECT id, amount, CAST(day AS VARCHAR), note FROM t ORDER BY id");
    assert.deepEqual(rows, [
      [1, null, null, null],
      [2, null, null, null],
      [3, 7, null, null],
      [4, null, "2026-01-31", null],
      [5, 8, null, "late"],
    ]);
  });
}

test("a new version of the file brings the values of the column", async (t) => {
  const pipeline = await start(t);
  assert.equal(await put(pipeline, "t/a.csv", "id,amount\n1,\n2,\n"), "committed");
  assert.equal(await put(pipeline, "t/a.csv", "id,amount\n1,12.50\n2,\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "t"), ["id INTEGER", "amount DECIMAL(18,2)"]);
  assert.deepEqual(await pipeline.query("SELECT count(*), count(amount) FROM t"), [[2, 1]]);
});

test("a declared column has its type before it has a value", async (t) => {
  const columns = [{ name: "amount", type: "DECIMAL(18,2)" }];
  const pipeline = await start(t, [{ table: "t", columns }]);
  assert.equal(await put(pipeline, "t/a.csv", "id,amount,day\n1,,\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "t"), ["amount DECIMAL(18,2)", "id INTEGER"]);
});

test("a rule about a column without a value holds, and counts from its first value on", async (t) => {
  const rows = [{ name: "small", expression: "amount < 10 && abs(amount) == amount" }];
  const pipeline = await start(t, [{ table: "t", rows }]);
  assert.equal(await put(pipeline, "t/a.csv", "id,amount\n1,\n2,\n"), "committed");
  assert.equal(await put(pipeline, "t/b.csv", "id,amount\n3,9\n4,11\n5,\n"), "committed");
  assert.deepEqual(await pipeline.query("SELECT id FROM t ORDER BY id"), [[1], [2], [3], [5]]);
});

test("the fields of files without a header keep their places", async (t) => {
  const pipeline = await start(t);
  assert.equal(await put(pipeline, "t/a.csv", "1,,2.5,\n2,,3.5,\n3,,4.5,\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "t"), ["column_1 INTEGER", "column_3 DECIMAL(18,2)"]);
  assert.equal(await put(pipeline, "t/b.csv", "4,7,5.5,\n5,8,6,9\n"), "committed");
  assert.deepEqual((await columnsOf(pipeline, "t"))?.slice(2), ["column_2 INTEGER", "column_4 INTEGER"]);
  assert.equal(await put(pipeline, "t/c.csv", "6,9,6.5,10\n7,,7.5,\n"), "committed");
  const rows = await pipeline.query(
    "SELECT column_1, column_2, column_3::VARCHAR, column_4 FROM t WHERE column_1 > 3 ORDER BY 1",
  );
  assert.deepEqual(rows, [
    [4, 7, "5.50", null],
    [5, 8, "6.00", 9],
    [6, 9, "6.50", 10],
    [7, null, "7.50", null],
  ]);
});

test("without a header and with other fields than the table has columns, a file is held", async (t) => {
  const pipeline = await start(t);
  assert.equal(await put(pipeline, "t/a.csv", "id,note,n\n1,,10\n2,,20\n"), "committed");
  assert.equal(await put(pipeline, "t/b.csv", "3,7,30\n4,8,40\n5,9,50\n"), "FILE_HELD");
});

test("a new table needs a value", async (t) => {
  const pipeline = await start(t);
  const { body } = await pipeline.put("t", "a.csv", "id,amount\n,\n,\n");
  assert.equal(body.code, "FILE_EMPTY");
  assert.match(body.detail ?? "", /none of the file's 2 rows has a value/);
  assert.equal(await put(pipeline, "t/b.csv", "id,amount\n1,2\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "t"), ["id INTEGER", "amount INTEGER"]);
});

test("the preview names the columns without a value", async (t) => {
  const pipeline = await start(t);
  const { body } = await pipeline.send("POST", "/v1/preview?table=t&name=a.csv", Buffer.from("id,Total Sum\n1,\n"));
  assert.deepEqual(body["untyped"], [{ name: "total_sum", header: "Total Sum" }]);
  assert.deepEqual((body["diff"] as { added: object[] }).added, [{ name: "id", type: "INTEGER" }]);
});
