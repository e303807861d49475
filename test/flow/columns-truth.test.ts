/** A table's columns are those of the warehouse: whatever fails, is taken back or gets lost leaves no trace. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { FollowedSchemas } from "../../lib/table-schemas/followed-schemas.ts";
import { until } from "../support/until.ts";
import { startPipeline, type Pipeline } from "./pipeline.ts";

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-columns-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const columnsOf = async (pipeline: Pipeline, table: string): Promise<string[]> =>
  (await pipeline.warehouse.describe(table))!.columns.map(({ name, type }) => `${name} ${type}`);

/** What became of an upload, as a user sees it. */
const put = async (pipeline: Pipeline, name: string, body: string): Promise<unknown> => {
  const [table, file] = name.split("/") as [string, string];
  const answer = await pipeline.put(table, file, body);
  return answer.body.code ?? answer.body.status;
};

const preview = async (pipeline: Pipeline, table: string, body: string) =>
  (await pipeline.send("POST", `/v1/preview?table=${table}`, Buffer.from(body))).body as unknown as {
    error: { code: string; message: string } | null;
    diff: Record<"added" | "widened" | "conflicting", { name: string }[]>;
    renamed: { header: string; former: string }[];
  };

test("a contract with a wrong type fails a file; taken back, the files that loaded before load again", async (t) => {
  const folder = await folderFor(t);
  const file = (amount: string) => `id,amount\n1,${amount}\n`;
  let pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  assert.equal(await put(pipeline, "money/a.csv", file("12 EUR")), "committed");
  await pipeline.stop();

  const columns = [
    { name: "id", type: "INTEGER" },
    { name: "amount", type: "INTEGER" },
  ];
  pipeline = await startPipeline(folder, { contracts: [{ table: "money", columns }] });
  const promised = await preview(pipeline, "money", file("13"));
  assert.equal(promised.error?.code, "SCHEMA_CONFLICT", "the preview promises nothing that the upload refuses");
  assert.deepEqual([promised.diff.added, promised.diff.widened], [[], []]);
  assert.equal(await put(pipeline, "money/b.csv", file("13")), "SCHEMA_CONFLICT");
  assert.equal(await put(pipeline, "money/b.csv", file("13")), "SCHEMA_CONFLICT", "again");
  await pipeline.stop();

  pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  assert.equal((await preview(pipeline, "money", file("14"))).error, null);
  assert.equal(await put(pipeline, "money/c.csv", file("14 EUR")), "committed");
  assert.equal(await put(pipeline, "money/d.csv", file("15")), "committed");
  assert.deepEqual(await pipeline.query("SELECT amount FROM money ORDER BY 1"), [["12 EUR"], ["14 EUR"], ["15"]]);
  assert.deepEqual(await columnsOf(pipeline, "money"), ["id INTEGER", "amount VARCHAR"]);
});

test("a log that was lost takes no column's type with it", async (t) => {
  const folder = await folderFor(t);
  let pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  assert.equal(await put(pipeline, "t/a.csv", "code;amount\nA1;12.50\nB2;1.25\n"), "committed");
  assert.equal(await put(pipeline, "other/a.csv", "n\n1\n"), "committed");
  await pipeline.stop();
  await rm(join(folder, "log"), { recursive: true });

  pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  assert.equal((await pipeline.send("POST", "/v1/log/adopt-recreated")).status, 200);
  assert.equal(await put(pipeline, "t/b.csv", "code;amount\n8;4\n"), "committed", "digits only");
  assert.equal(await put(pipeline, "t/c.csv", "code;amount\nC3;9.75\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "t"), ["code VARCHAR", "amount DECIMAL(18,2)"]);
  assert.deepEqual(await pipeline.query("SELECT count(*) FROM t"), [[4]]);
});

test("a file without a loaded row changes no columns of a table that exists", async (t) => {
  const pipeline = await startPipeline(await folderFor(t));
  t.after(() => pipeline.stop());
  assert.equal(await put(pipeline, "titanic/a.csv", "id,age\n1,30\n2,31\n"), "committed");
  const wrong = "breed,age\nAyrshire,old\nJersey,young\n";
  const { diff } = await preview(pipeline, "titanic", wrong);
  assert.deepEqual(diff.added, [], "the preview says so too");
  assert.equal(await put(pipeline, "titanic/cows.csv", wrong), "FILE_NOT_COMMITTED", "all rows are rejected");
  assert.equal(await put(pipeline, "titanic/header.csv", "id,age,breed\n"), "committed", "a header without rows");
  assert.deepEqual(await columnsOf(pipeline, "titanic"), ["id INTEGER", "age INTEGER"]);
  assert.equal(await put(pipeline, "titanic/b.csv", "id,age,breed\n3,32,7\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "titanic"), ["id INTEGER", "age INTEGER", "breed INTEGER"]);
  assert.equal(await put(pipeline, "titanic/a.csv", "id,age\n"), "FILE_HELD", "its rows stay until somebody decides");
  assert.deepEqual(await pipeline.query("SELECT id FROM titanic ORDER BY id"), [[1], [2], [3]]);
});

test("a table that was dropped by hand is made again, with new types", async (t) => {
  const folder = await folderFor(t);
  let pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  assert.equal(await put(pipeline, "t/a.csv", "id,qty\nx,NA\n"), "committed");
  await pipeline.stop();
  const instance = await DuckDBInstance.create(join(folder, "warehouse.duckdb"));
  const connection = await instance.connect();
  await connection.run(`DROP TABLE "warehouse"."lakehouse"."t"`);
  connection.closeSync();
  instance.closeSync();

  pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  const schemas = await FollowedSchemas.follow(pipeline.log, () => undefined);
  t.after(() => schemas.close());
  await schemas.of("t");
  await until("the committer says that the table is gone", () => (schemas.known("t")?.columns ?? []).length === 0);
  assert.equal(await put(pipeline, "t/b.csv", "id,qty\n1,2\n"), "committed");
  assert.equal(await put(pipeline, "t/c.csv", "id,qty\n2,3\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "t"), ["id INTEGER", "qty INTEGER"]);
});

test("a burst of files into a new table agrees on its types, also over a restart in between", async (t) => {
  const folder = await folderFor(t);
  let pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  const send = (n: number, code: string) =>
    pipeline.send("PUT", `/v1/tables/burst/files/${n}.csv`, Buffer.from(`id,code\n${n},${code}\n`));
  assert.equal((await send(0, "A1")).status, 202);
  for (let n = 1; n < 12; n++) assert.equal((await send(n, String(n))).status, 202);
  await pipeline.stop();
  pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  for (let n = 12; n < 24; n++) assert.equal((await send(n, String(n))).status, 202);
  assert.equal(await put(pipeline, "burst/last.csv", "id,code\n99,99\n"), "committed");
  assert.deepEqual(await columnsOf(pipeline, "burst"), ["id INTEGER", "code VARCHAR"]);
  assert.deepEqual(await pipeline.query("SELECT count(*) FROM burst"), [[25]]);
});

test("files whose headers are alike but different fill different columns, also when they are parsed together", async (t) => {
  const contracts = [{ table: "weather", accept: { newColumns: "load" } }];
  const pipeline = await startPipeline(await folderFor(t), { contracts });
  t.after(() => pipeline.stop());
  const files = ["n,Temp+,C++\n1,10,100\n", "n,Temp-,C\n2,20,200\n", "N,temp+\n3,30\n"];
  await Promise.all(files.map((body, index) => put(pipeline, `weather/${index}.csv`, body)));
  const { columns } = (await pipeline.warehouse.describe("weather"))!;
  const nameOf = (header: string): string => columns.find((column) => column.header.toLowerCase() === header)!.name;
  const wanted = ["temp+", "temp-", "c++", "c"].map(nameOf);
  assert.deepEqual(await pipeline.query(`SELECT ${wanted.join(", ")} FROM weather ORDER BY n`), [
    [10, null, 100, null],
    [null, 20, null, 200],
    [30, null, null, null],
  ]);
  assert.equal(columns.length, 5);
  const shown = await preview(pipeline, "weather", "n,Temp (+)\n4,40\n");
  assert.equal(shown.renamed[0]?.header, "Temp (+)", "proposed, not guessed");
});
