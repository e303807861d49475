/** An undo whose repetitions would lose rows of other files: refused before, and never answered as done. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { fileEvents } from "../../lib/messages/avro.ts";
import { operationIn } from "../../lib/messages/operation.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { startPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";

/** The contract of the table, with a rule on the column `v`. */
const contract = (rule?: object, more: object = {}) => ({
  ...{ table: "t", writeMode: "upsert", key: ["k"], ...more },
  columns: [
    { name: "k", type: "INTEGER" },
    { name: "v", type: "INTEGER", ...(rule ? { rule } : {}) },
  ],
});

async function start(t: TestContext, options: PipelineOptions = {}): Promise<Pipeline> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-undo-check-"));
  const pipeline = await startPipeline(folder, { contracts: [contract()], ...options });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return pipeline;
}

const valuesOf = (pipeline: Pipeline): Promise<unknown[][]> => pipeline.query("SELECT k, v FROM t ORDER BY k");

const undo = (pipeline: Pipeline, query = "") => pipeline.send("DELETE", `/v1/tables/t/files/b.csv${query}`);

const lostFiles = (body: Record<string, unknown>): string[] =>
  (body["lost"] as { file: string }[]).map(({ file }) => file);

/** Refused, by the dry run too, and the table is as it was. */
async function assertRefused(pipeline: Pipeline, why: RegExp): Promise<void> {
  const before = await valuesOf(pipeline);
  const planned = await undo(pipeline, "?dryRun=true");
  assert.deepEqual([planned.status, planned.body.status, planned.body.code], [200, "planned", "UNDO_REFUSED"]);
  assert.match(String(planned.body["error"]), why);
  assert.deepEqual([lostFiles(planned.body), planned.body["complete"]], [["a.csv"], true]);
  const refused = await undo(pipeline);
  assert.deepEqual(
    [refused.status, refused.body.code, refused.body.detail],
    [409, "UNDO_REFUSED", planned.body["error"]],
  );
  assert.match(String(refused.body["remedy"]), /correct it, or undo with `--lossy`/);
  assert.deepEqual(await valuesOf(pipeline), before);
}

test("a row that the present contract rejects refuses the undo, unless its loss is asked for", async (t) => {
  const pipeline = await start(t);
  await pipeline.put("t", "a.csv", "k,v\n1,-10\n2,20\n");
  await pipeline.put("t", "b.csv", "k,v\n1,99\n");
  pipeline.declare([contract({ min: 0 })]);
  await assertRefused(pipeline, /file 'a\.csv', line 2: .*\(rejected rows: 1, before: 0\)/);

  const lossy = await undo(pipeline, "?lossy=true");
  assert.deepEqual([lossy.status, lossy.body.status, lostFiles(lossy.body)], [200, "done", ["a.csv"]], lossy.text);
  assert.deepEqual(await valuesOf(pipeline), [[2, 20]]);
});

test("a file that the present contract refuses whole refuses the undo; the contract corrected, it works", async (t) => {
  const pipeline = await start(t);
  await pipeline.put("t", "a.csv", "k,v\n1,1\n2,x\n3,3\n");
  await pipeline.put("t", "b.csv", "k,v\n1,9\n");
  pipeline.declare([contract(undefined, { rejects: { shareMax: 0.1 } })]);
  await assertRefused(pipeline, /file 'a\.csv', REJECTS_ABOVE_THRESHOLD/);

  pipeline.declare([contract()]);
  const { body, text } = await undo(pipeline);
  assert.deepEqual([body.status, body["error"], lostFiles(body)], ["done", null, []], text);
  assert.deepEqual(await valuesOf(pipeline), [[1, 1], [3, 3]]); // prettier-ignore
});

test("another row rejected in place of the one before refuses the undo, too", async (t) => {
  const pipeline = await start(t, { contracts: [contract({ max: 10 })] });
  await pipeline.put("t", "a.csv", "k,v\n1,1\n2,20\n3,7\n");
  await pipeline.put("t", "b.csv", "k,v\n1,9\n");
  pipeline.declare([contract({ min: 5 })]);
  await assertRefused(pipeline, /file 'a\.csv', line 2: .*\(rejected rows: 1, before: 1\)/);
});

test("an undo whose repetition fails nevertheless says so, and a replay brings the rows back", async (t) => {
  let strict = (): void => undefined;
  // The contract changes after the check, with the first step of the undo.
  const wrapLog = (log: EventLog): EventLog =>
    new Proxy(log, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "publish") return value.bind(target) as unknown;
        return async (...given: Parameters<EventLog["publish"]>) => {
          const [topic, records] = given;
          const isFile = topic === TOPICS.fileEvents.name;
          const operations = isFile ? records.map((record) => operationIn(fileEvents.decode(record.value))) : [];
          if (operations.some((one) => one?.kind === "undo" && one.step === "demote")) strict();
          return target.publish(...given);
        };
      },
    });
  const pipeline = await start(t, { wrapLog });
  strict = () => pipeline.declare([contract(undefined, { rejects: { shareMax: 0.1 } })]);
  await pipeline.put("t", "a.csv", "k,v\n1,1\n2,x\n");
  await pipeline.put("t", "b.csv", "k,v\n1,9\n");
  const { body, status, text } = await undo(pipeline);
  assert.deepEqual([status, body.status, lostFiles(body)], [200, "failed", ["a.csv"]], text);
  assert.match(String(body["error"]), /file 'a\.csv', REJECTS_ABOVE_THRESHOLD/);
  assert.match(String(body["remedy"]), /tributary replay <table> --only <file>/);
  assert.deepEqual(await valuesOf(pipeline), []);

  pipeline.declare([contract()]);
  const replay = await pipeline.send("POST", "/v1/tables/t/replay", { onlyFile: "a.csv" });
  for (const { fileId } of replay.body["files"] as { fileId: string }[])
    await pipeline.send("GET", `/v1/files/${fileId}?wait=committed&timeout=20s`);
  assert.deepEqual(await valuesOf(pipeline), [[1, 1]]);
});
