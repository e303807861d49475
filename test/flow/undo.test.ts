/** Undo of a file and drop of a table, in the order of the table's files. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { Registry } from "../../lib/process/metrics.ts";
import { gatewayMetrics } from "../../services/gateway/metrics.ts";
import { versionEvents } from "../../lib/file-versions/events.ts";
import { publishReplays } from "../../services/gateway/replays/replay.ts";
import { startPipeline, type Pipeline } from "./pipeline.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "v", type: "INTEGER" },
];
const CONTRACTS = [
  { table: "replaced", columns: COLUMNS },
  { table: "upserted", columns: COLUMNS, writeMode: "upsert", key: ["id"] },
  { table: "mirrored", columns: COLUMNS, writeMode: "upsert", key: ["id"], deleteMissing: true },
  { table: "appended", columns: COLUMNS, writeMode: "append" },
];
const TABLES = CONTRACTS.map(({ table }) => table);

async function start(t: TestContext): Promise<Pipeline> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-undo-"));
  const pipeline = await startPipeline(folder, { contracts: CONTRACTS });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return pipeline;
}

const valuesOf = (pipeline: Pipeline, table: string): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, v FROM ${table} ORDER BY id, v`);

const undo = (pipeline: Pipeline, table: string, file: string, query = "?reason=mistake") =>
  pipeline.send("DELETE", `/v1/tables/${table}/files/${file}${query}`);

/** The recorded operations. The ledger is written beside the next commit. */
async function operationsOf(pipeline: Pipeline, table: string): Promise<unknown[][]> {
  const recorded = `FROM _ingest_files WHERE table_name = '${table}' AND operation IS NOT NULL`;
  for (;;) {
    const found = await pipeline.query(`SELECT operation, operation_reason ${recorded}`);
    if (found.length > 0) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const ended = async (pipeline: Pipeline, fileId: unknown): Promise<unknown> => {
  await pipeline.send("GET", `/v1/files/${String(fileId)}?wait=committed&timeout=20s`);
  const { body } = await pipeline.send("GET", `/v1/files/${String(fileId)}`);
  return (body["error"] as { code?: string } | null)?.code ?? body["status"];
};

test("the rows of an undone file go, those of other files stay, and the record says why", async (t) => {
  const pipeline = await start(t);
  for (const table of ["replaced", "appended"]) {
    await pipeline.put(table, "a.csv", "id,v\n1,1\n2,2\n");
    await pipeline.put(table, "b.csv", "id,v\n3,3\n");
    await pipeline.put(table, "a.csv", "id,v\n1,1\n2,20\n");
    const planned = await undo(pipeline, table, "a.csv", "?dryRun=true");
    const rows = table === "appended" ? 4 : 2;
    assert.deepEqual([planned.status, planned.body.status, planned.body["rows"]], [200, "planned", rows]);
    assert.equal((await valuesOf(pipeline, table)).length, rows + 1, "a dry run changes nothing");
    const done = await undo(pipeline, table, "a.csv");
    assert.deepEqual([done.status, done.body.status, done.body["rows"]], [200, "done", rows]);
    assert.deepEqual(await valuesOf(pipeline, table), [[3, 3]], table);
    assert.deepEqual(await operationsOf(pipeline, table), [["undo", "mistake"]]);
    const again = await undo(pipeline, table, "a.csv");
    assert.deepEqual([again.status, again.body.code], [404, "NOT_FOUND"]);
  }
});

test("upsert: the version of each key before the undone file comes back", async (t) => {
  const pipeline = await start(t);
  await pipeline.put("upserted", "monday.csv", "id,v\n1,10\n2,20\n");
  await pipeline.put("upserted", "tuesday.csv", "id,v\n2,21\n3,31\n");
  await pipeline.put("upserted", "bad.csv", "id,v\n1,99\n2,99\n3,31\n4,99\n5,55\n");
  // An unchanged row stays the row of the undone file; a changed one does not.
  await pipeline.put("upserted", "thursday.csv", "id,v\n5,55\n2,22\n");
  const planned = await undo(pipeline, "upserted", "bad.csv", "?dryRun=true");
  assert.deepEqual(planned.body["readAgain"], { versions: 3, bytes: 45 });
  const { body } = await undo(pipeline, "upserted", "bad.csv");
  assert.deepEqual([body.status, body["rows"]], ["done", 3]);
  assert.deepEqual(await valuesOf(pipeline, "upserted"), [
    [1, 10],
    [2, 22],
    [3, 31],
    [5, 55],
  ]);
  const owners = await pipeline.query("SELECT id, _source_file FROM upserted ORDER BY id");
  assert.deepEqual(owners, [
    [1, "monday.csv"],
    [2, "thursday.csv"],
    [3, "tuesday.csv"],
    [5, "thursday.csv"],
  ]);
});

test("a replay does not bring an undone file back; an upload or going back does", async (t) => {
  const pipeline = await start(t);
  for (const table of ["replaced", "upserted", "appended"]) {
    const first = await pipeline.put(table, "a.csv", "id,v\n1,1\n");
    await pipeline.put(table, "b.csv", "id,v\n2,2\n");
    await undo(pipeline, table, "a.csv");
    const { body } = await pipeline.send("POST", `/v1/tables/${table}/replay`, {});
    const files = body["files"] as { fileId: string; sourceFile: string }[];
    assert.deepEqual([...new Set(files.map(({ sourceFile }) => sourceFile))], ["b.csv"], table);
    for (const { fileId } of files) await ended(pipeline, fileId);
    assert.deepEqual(await valuesOf(pipeline, table), [[2, 2]], table);
    if (table !== "appended") {
      const to = { offset: Number(first.body["sourceOffset"]) };
      const back = await pipeline.send("POST", `/v1/tables/${table}/replay`, { to, asNewest: true });
      for (const { fileId } of back.body["files"] as { fileId: string }[]) await ended(pipeline, fileId);
      assert.deepEqual(await valuesOf(pipeline, table), [[1, 1], [2, 2]], table); // prettier-ignore
      await undo(pipeline, table, "a.csv");
      assert.deepEqual(await valuesOf(pipeline, table), [[2, 2]], table);
    }
    const again = await pipeline.put(table, "a.csv", "id,v\n1,1\n");
    assert.equal(again.body["repeated"] ?? false, false, "the same bytes are a new version");
    assert.deepEqual(await valuesOf(pipeline, table), [[1, 1], [2, 2]], table); // prettier-ignore
  }
});

test("a correction that was made for an undone file is refused", async (t) => {
  const pipeline = await start(t);
  for (const table of TABLES.filter((name) => name !== "mirrored")) {
    await pipeline.put(table, "a.csv", "id,v\n1,1\n2,bad\n");
    const sheet = await pipeline.send("GET", `/v1/tables/${table}/rejects/export?file=a.csv`);
    await undo(pipeline, table, "a.csv");
    const fixed = sheet.text.replace(",2,bad", ",2,2");
    const { body } = await pipeline.send("POST", `/v1/tables/${table}/rejects/corrections`, fixed);
    const file = body["file"] as { fileId: string } | null | undefined;
    if (file) assert.equal(await ended(pipeline, file.fileId), "FILE_SUPERSEDED", table);
    assert.deepEqual(await valuesOf(pipeline, table), [], table);
  }
});

test("a repetition that was on its way does not bring an undone file back", async (t) => {
  const pipeline = await start(t);
  const publishing = { log: pipeline.log, clock: systemClock, metrics: gatewayMetrics(new Registry()) };
  for (const table of ["replaced", "upserted", "appended"]) {
    await pipeline.put(table, "a.csv", "id,v\n1,1\n");
    const before = await versionEvents(pipeline.log, table);
    await undo(pipeline, table, "a.csv");
    const [replay] = await publishReplays(publishing, before, "repetitions");
    assert.equal(await ended(pipeline, replay!.fileId), "FILE_SUPERSEDED", table);
    assert.deepEqual(await valuesOf(pipeline, table), [], table);
  }
});

test("deleteMissing: the undo is refused beside other files, and works without", async (t) => {
  const pipeline = await start(t);
  await pipeline.put("mirrored", "a.csv", "id,v\n1,1\n");
  await pipeline.put("mirrored", "b.csv", "id,v\n2,2\n");
  const refused = await undo(pipeline, "mirrored", "a.csv");
  assert.deepEqual([refused.status, refused.body.code], [409, "UNDO_REFUSED"]);
  assert.deepEqual(await valuesOf(pipeline, "mirrored"), [[1, 1], [2, 2]]); // prettier-ignore
});

test("a dropped table is gone, and a later upload starts a new one with types of its own", async (t) => {
  const pipeline = await start(t);
  await pipeline.put("plain", "a.csv", "id;v\n1;1\n2;x\n");
  const planned = await pipeline.send("DELETE", "/v1/tables/plain?dryRun=true");
  assert.deepEqual([planned.body["rows"], planned.body["files"]], [2, 1]);
  const unsure = await pipeline.send("DELETE", "/v1/tables/plain?reason=wrong");
  assert.deepEqual([unsure.status, unsure.body.code], [400, "BAD_REQUEST"]);
  const dropped = await pipeline.send("DELETE", "/v1/tables/plain?reason=wrong&confirm=plain");
  assert.deepEqual([dropped.status, dropped.body.status], [200, "done"]);
  assert.equal((await pipeline.send("GET", "/v1/tables/plain")).status, 404);
  assert.deepEqual(await operationsOf(pipeline, "plain"), [["drop", "wrong"]]);
  assert.deepEqual(await pipeline.query("SELECT count(*) FROM _ingest_files"), [[1]]);
  const same = await pipeline.put("plain", "a.csv", "id;v\n1;1\n2;x\n");
  assert.deepEqual([same.body.status, same.body["repeated"] ?? false], ["committed", false]);
  await pipeline.send("DELETE", "/v1/tables/plain?confirm=plain");
  // Sent right after each other: the file after the drop must not see the old columns.
  await pipeline.put("plain", "a.csv", "id,w\n1,1\n2,2\n");
  const { body } = await pipeline.send("GET", "/v1/tables/plain");
  const columns = body["columns"] as { name: string; type: string }[];
  assert.deepEqual(
    columns.map(({ name, type }) => [name, type]),
    [
      ["id", "INTEGER"],
      ["w", "INTEGER"],
    ],
  );
  const missing = await pipeline.send("DELETE", "/v1/tables/nothing?confirm=nothing");
  assert.equal(missing.status, 404);
});
