/** A table whose contract gets another write mode: what its files' versions mean afterwards. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { startPipeline, type Pipeline } from "./pipeline.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "v", type: "INTEGER" },
];
const REPLACE = { table: "t", columns: COLUMNS };
const UPSERT = { ...REPLACE, writeMode: "upsert", key: ["id"] };
const APPEND = { ...REPLACE, writeMode: "append" };

/** Two versions of a.csv, of which the newer one lacks a row, and another file. */
async function replaced(t: TestContext): Promise<Pipeline> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-modes-"));
  const pipeline = await startPipeline(folder, { contracts: [REPLACE] });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await pipeline.put("t", "a.csv", "id,v\n1,1\n2,2\n");
  await pipeline.put("t", "a.csv", "id,v\n1,10\n");
  await pipeline.put("t", "b.csv", "id,v\n3,3\n");
  return pipeline;
}

const rowsOf = (pipeline: Pipeline, table = "t"): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, v FROM ${table} ORDER BY id, v`);

async function replayed(pipeline: Pipeline): Promise<string[]> {
  const { body } = await pipeline.send("POST", "/v1/tables/t/replay", {});
  const files = body["files"] as { fileId: string; sourceFile: string }[];
  for (const { fileId } of files) await pipeline.send("GET", `/v1/files/${fileId}?wait=committed&timeout=20s`);
  return files.map(({ sourceFile }) => sourceFile);
}

test("from replace to upsert: rows that a newer version had removed stay away", async (t) => {
  const pipeline = await replaced(t);
  pipeline.declare([UPSERT]);
  const rows = [
    [1, 10],
    [3, 3],
  ];
  assert.deepEqual(await replayed(pipeline), ["a.csv", "b.csv"]);
  assert.deepEqual(await rowsOf(pipeline), rows, "replay");

  await pipeline.put("t", "c.csv", "id,v\n1,99\n2,99\n");
  const undone = await pipeline.send("DELETE", "/v1/tables/t/files/c.csv?reason=mistake");
  assert.equal(undone.body.status, "done");
  assert.deepEqual(await rowsOf(pipeline), rows, "undo");

  const { body } = await pipeline.send("POST", "/v1/tables/t/rebuild", { confirm: "t", reason: "types" });
  assert.equal(body.status, "done", JSON.stringify(body));
  assert.deepEqual(await rowsOf(pipeline), rows, "rebuild");

  // Versions since then are upserts: an older one still has its rows.
  await pipeline.put("t", "a.csv", "id,v\n4,4\n");
  assert.deepEqual(await replayed(pipeline), ["a.csv", "b.csv", "a.csv"]);
  assert.deepEqual(await rowsOf(pipeline), [...rows, [4, 4]]);

  pipeline.declare([UPSERT, { ...UPSERT, table: "renamed" }]);
  const renamed = await pipeline.send("POST", "/v1/tables/t/rename", { to: "renamed", confirm: "t", reason: "name" });
  assert.equal(renamed.status, 200, renamed.text);
  assert.deepEqual(await rowsOf(pipeline, "renamed"), [...rows, [4, 4]], "rename");
});

test("from replace to append: replaced versions are not loaded again", async (t) => {
  const pipeline = await replaced(t);
  pipeline.declare([APPEND]);
  assert.deepEqual(await replayed(pipeline), ["a.csv", "b.csv"]);
});

test("a held version replaces nothing", async (t) => {
  const pipeline = await replaced(t);
  await pipeline.put("t", "b.csv", "id,v\nx,y\n");
  pipeline.declare([UPSERT]);
  const files = await replayed(pipeline);
  assert.deepEqual([...new Set(files)], ["a.csv", "b.csv"]);
  assert.deepEqual(await rowsOf(pipeline), [
    [1, 10],
    [3, 3],
  ]);
});
