/** Rename of a table: both tables are there until its end, and nothing that comes meanwhile is lost. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { rawKey } from "../../lib/blob/raw-key.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { fileEvents } from "../../lib/messages/avro.ts";
import { operationIn } from "../../lib/messages/operation.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { parseFile } from "../../lib/parsing/parse-file.ts";
import type { WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { until } from "../support/until.ts";
import { mortal } from "./mortal.ts";
import { startPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";

const MODES: Record<string, object> = {
  replaced: {},
  upserted: { writeMode: "upsert", key: ["id"] },
  mirrored: { writeMode: "upsert", key: ["id"], deleteMissing: true },
  appended: { writeMode: "append" },
};
const CONTRACTS = Object.entries(MODES).flatMap(([table, more]) => [
  { table, ...more },
  { table: `${table}_new`, ...more },
]);

/** Parses in this thread: starting workers would take most of the time. */
const pool: WorkerPool = {
  parse: (job, source) => parseFile(source, job),
  close: async () => undefined,
};

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-rename-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function start(t: TestContext, options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await startPipeline(await folderOf(t), { pool, contracts: CONTRACTS, ...options });
  t.after(() => pipeline.stop());
  return pipeline;
}

/** A rename takes several commits and their records, each on a disk that may be busy. */
const WAIT_MS_MAX = 60_000;

const rename = (pipeline: Pipeline, table: string, to: string, more: object = {}) =>
  pipeline.send("POST", `/v1/tables/${table}/rename`, { to, confirm: table, reason: "new name", ...more });

async function renamed(pipeline: Pipeline, table: string, to: string): Promise<void> {
  let text = "";
  await until(
    `'${table}' is renamed`,
    async () => {
      const answer = await rename(pipeline, table, to);
      text = answer.text;
      assert.ok(answer.status < 300 || answer.body.code === "OVERLOADED", text);
      return answer.body.status === "done";
    },
    WAIT_MS_MAX,
  ).catch((thrown: unknown) => assert.fail(`${String(thrown)}: ${text}`));
}

const rowsOf = (pipeline: Pipeline, table: string): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, code, CAST(v AS VARCHAR), _source_file, _source_row FROM ${table} ORDER BY ALL`);

const tablesOf = async ({ warehouse }: Pipeline): Promise<string[]> =>
  (await warehouse.tables()).filter((name) => !name.startsWith("_"));

async function correct(pipeline: Pipeline, table: string, file: string, wrong: string, right: string): Promise<void> {
  let sheet = "";
  await until("the rejects are recorded", async () => {
    const { status, text } = await pipeline.send("GET", `/v1/tables/${table}/rejects/export?file=${file}`);
    sheet = text;
    return status === 200 && text.includes(wrong);
  });
  const path = `/v1/tables/${table}/rejects/corrections`;
  const { body, text } = await pipeline.send("POST", path, sheet.replace(wrong, right));
  const { fileId } = (body["file"] ?? {}) as { fileId?: string };
  assert.ok(fileId, text);
  const status = async (): Promise<unknown> => (await pipeline.send("GET", `/v1/files/${fileId}`)).body.status;
  await until("the correction is committed", async () => (await status()) === "committed");
}

/** Versions, a correction, an undone file, types that the first file decided, rejects, and a row for each. */
async function fill(pipeline: Pipeline, table: string): Promise<void> {
  await pipeline.put(table, "a.csv", "id,code,v\n1,x1,1\n2,x2,bad\n3,x3,3\n4,x4,4\n");
  await pipeline.put(table, "b.csv", "id,code,v\n5,5,5\n6,6,6\nbad,7,7\n");
  if (table !== "mirrored") await pipeline.put(table, "gone.csv", "id,code,v\n1,9,9\n8,8,8\n");
  await pipeline.put(table, "b.csv", "id,code,v\n5,5,50\n6,6,6\nworse,7,7\n");
  if (table !== "mirrored") {
    const undone = await pipeline.send("DELETE", `/v1/tables/${table}/files/gone.csv?reason=wrong`);
    assert.equal(undone.body.status, "done", undone.text);
  }
}

for (const table of Object.keys(MODES)) {
  test(`${table}: a renamed table has the rows, the types and the rejects of the old one, and takes files`, async (t) => {
    const pipeline = await start(t);
    const to = `${table}_new`;
    await pipeline.put(table, "types.csv", "id,code,v\n9,x,9.5\n10,y,10\n");
    await pipeline.put(table, "types.csv", "id,code,v\n9,9,9\n10,10,10\n");
    await fill(pipeline, table);
    await correct(pipeline, table, "b.csv", ",worse,7,7", ",7,7,7");
    const before = await rowsOf(pipeline, table);
    const columns = (await pipeline.send("GET", `/v1/tables/${table}`)).body["columns"];
    const planned = await rename(pipeline, table, to, { dryRun: true });
    assert.deepEqual(
      [planned.body.status, planned.body["rows"], planned.body["problems"]],
      ["planned", before.length, []],
    );
    assert.deepEqual(await tablesOf(pipeline), [table], "a dry run changes nothing");
    await renamed(pipeline, table, to);
    assert.deepEqual(await rowsOf(pipeline, to), before);
    assert.deepEqual(await tablesOf(pipeline), [to]);
    assert.deepEqual((await pipeline.send("GET", `/v1/tables/${to}`)).body["columns"], columns);
    const { body } = await pipeline.send("GET", `/v1/tables/${to}/rejects`);
    const lines = (body["rejects"] as { sourceFile: string; line: number }[]).map(({ sourceFile, line }) => [
      sourceFile,
      line,
    ]);
    assert.deepEqual(lines, [["a.csv", 3]]);
    await correct(pipeline, to, "a.csv", ",2,x2,bad", ",2,x2,2");
    await pipeline.put(to, "c.csv", "id,code,v\n11,11,11\n");
    const after = (await rowsOf(pipeline, to)).map(([id]) => Number(id));
    const wanted = [...before.map(([id]) => Number(id)), 2, 11].sort((a, b) => a - b);
    assert.deepEqual(after, wanted, "corrections and uploads continue under the new name");
  });
}

const TWO = { "a.csv": "id,v\n1,1\n2,2\n", "b.csv": "id,v\n3,3.5\n4,4\n" };
const contents = (pipeline: Pipeline, table: string): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, CAST(v AS VARCHAR) FROM ${table} ORDER BY ALL`);
const ONLY_OLD = [[1, "1.00"], [2, "2.00"], [3, "3.50"], [4, "4.00"]]; // prettier-ignore

async function withTwoFiles(pipeline: Pipeline, table: string): Promise<void> {
  await pipeline.put(table, "b.csv", TWO["b.csv"]);
  await pipeline.put(table, "a.csv", TWO["a.csv"]);
  assert.deepEqual(await contents(pipeline, table), ONLY_OLD);
}

const STEPS: [keyof Warehouse, number, "before" | "after"][] = [
  ["ensureTable", 1, "after"],
  ["record", 1, "after"],
  ["commit", 1, "before"],
  ["commit", 1, "after"],
  ["record", 2, "after"],
  ["drop", 1, "before"],
  ["drop", 1, "after"],
];

test("a process that is killed at any step leaves the rows, and the repeated rename continues and ends", async (t) => {
  const folder = await folderOf(t);
  let n = 0;
  for (const [method, nth, when] of STEPS) {
    const [from, to, label] = [`t${++n}`, `t${n}_new`, `${when} ${method} ${nth}`];
    const fault = mortal(method, nth, when);
    const first = await startPipeline(folder, { pool, wrapWarehouse: fault.wrap });
    let asked: Promise<unknown> | undefined;
    try {
      await withTwoFiles(first, from);
      fault.arm();
      asked = rename(first, from, to).catch(() => undefined);
      await until(`it dies ${label}`, async () => fault.hasDied(), WAIT_MS_MAX);
      const tables = await tablesOf(first);
      const whole = tables.includes(from) ? from : to;
      assert.deepEqual(await contents(first, whole), ONLY_OLD, label);
    } finally {
      await first.stop();
      await asked;
    }
    const second = await startPipeline(folder, { pool });
    try {
      await renamed(second, from, to);
      assert.deepEqual(await contents(second, to), ONLY_OLD, label);
      assert.ok(!(await tablesOf(second)).includes(from), label);
      const files = `SELECT file_key, rows_committed FROM _ingest_files WHERE table_name = '${to}' AND operation IS NULL`;
      assert.deepEqual(await second.query(`${files} ORDER BY file_key`), [["a.csv", 2], ["b.csv", 2]], label); // prettier-ignore
      const later = await second.put(to, "c.csv", "id,v\n5,5\n");
      assert.equal(later.body.status, "committed", later.text);
    } finally {
      await second.stop();
    }
  }
});

/** A log that does something before the last step of a rename is published. */
function before(act: () => Promise<unknown>) {
  let isDone = false;
  return (log: EventLog): EventLog =>
    new Proxy(log, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "publish") return value.bind(target) as unknown;
        return async (topic: string, records: { value: Buffer }[]): Promise<unknown> => {
          const isEnd = topic === TOPICS.fileEvents.name && records.some((record) => isLastStep(record.value));
          if (isEnd && !isDone) {
            isDone = true;
            await act();
          }
          return (value as (...args: unknown[]) => unknown).call(target, topic, records);
        };
      },
    });
}

function isLastStep(value: Buffer): boolean {
  const operation = operationIn(fileEvents.decode(value));
  return operation?.kind === "rename" && operation.step === "end";
}

test("a file that comes to the old name just before its table goes is in the new table", async (t) => {
  const wrapLog = before(async () => {
    const late = await pipeline.put("t", "late.csv", "id,v\n5,5.5\n");
    assert.equal(late.body.status, "committed", late.text);
    const newer = await pipeline.put("t", "a.csv", "id,v\n1,1\n2,2\n6,6\n");
    assert.equal(newer.body.status, "committed", newer.text);
  });
  const pipeline = await start(t, { wrapLog });
  await withTwoFiles(pipeline, "t");
  await renamed(pipeline, "t", "u");
  assert.deepEqual(await contents(pipeline, "u"), [...ONLY_OLD, [5, "5.50"], [6, "6.00"]]);
  assert.deepEqual(await tablesOf(pipeline), ["u"]);
});

test("a request that plans while the last step takes place says that the table is renamed", async (t) => {
  let [isArmed, isHeld, release] = [false, false, (): void => undefined];
  const ended = new Promise<void>((resolve) => (release = resolve));
  const holding = (warehouse: Warehouse): Warehouse =>
    new Proxy(warehouse, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        const call = (...given: unknown[]): unknown => Reflect.apply(value, target, given);
        if (name !== "describe") return call;
        return async (table: string): Promise<unknown> => {
          if (isArmed && table === "t") {
            [isArmed, isHeld] = [false, true];
            await ended;
          }
          return call(table);
        };
      },
    });
  let second: ReturnType<typeof rename> | undefined;
  const wrapLog = before(async () => {
    isArmed = true;
    second = rename(pipeline, "t", "u");
    await until("the second request plans", () => isHeld);
  });
  const folder = await folderOf(t);
  const opened = async (): Promise<Warehouse> => holding(await openWarehouse(`duckdb:${folder}/warehouse.duckdb`));
  const pipeline = await startPipeline(folder, { pool, wrapLog, openWarehouse: opened });
  t.after(() => pipeline.stop());
  await withTwoFiles(pipeline, "t");
  await renamed(pipeline, "t", "u");
  release();
  const { status, body } = await second!;
  assert.deepEqual([status, body.status], [200, "done"]);
});

test("files that are sent to the old name while it is renamed are all in one of the two tables", async (t) => {
  const pipeline = await start(t);
  await withTwoFiles(pipeline, "t");
  const asked = renamed(pipeline, "t", "u");
  const names = Array.from({ length: 12 }, (_, n) => n);
  for (const n of names) {
    const { body, text } = await pipeline.put("t", `later${n}.csv`, `id,v\n${10 + n},1.5\n`);
    assert.equal(body.status, "committed", text);
  }
  await asked;
  const rows = await Promise.all((await tablesOf(pipeline)).map((table) => contents(pipeline, table)));
  const ids = rows.flat().map(([id]) => Number(id)).sort((a, b) => a - b); // prettier-ignore
  assert.deepEqual(ids, [1, 2, 3, 4, ...names.map((n) => 10 + n)]);
});

test("a rename that comes after a file of the new name changes neither table", async (t) => {
  const pipeline = await start(t);
  await withTwoFiles(pipeline, "t");
  await pipeline.put("u", "u.csv", "id,v\n9,9\n");
  for (const dryRun of [true, false]) {
    const taken = await rename(pipeline, "t", "u", { dryRun });
    assert.deepEqual([taken.status, taken.body.code], [409, "TABLE_EXISTS"]);
  }
  await renamed(pipeline, "t", "v");
  const again = await rename(pipeline, "t", "v");
  assert.deepEqual([again.status, again.body.status], [200, "done"], "the same request again says that it is done");
  await pipeline.put("t", "new.csv", "id,v\n1,text\n");
  const onto = await rename(pipeline, "t", "v");
  assert.deepEqual([onto.status, onto.body.code], [409, "TABLE_EXISTS"]);
  assert.deepEqual(await contents(pipeline, "t"), [[1, "text"]], "a table of the old name is a new one");
  assert.deepEqual(await contents(pipeline, "v"), ONLY_OLD);
  assert.deepEqual(await contents(pipeline, "u"), [[9, "9"]]);
  for (const [table, to, status] of [
    ["t", "t", 400],
    ["t", "Not a name", 400],
    ["t", "tributary_x", 400],
    ["nothing", "w", 404],
  ] as const) {
    assert.equal((await rename(pipeline, table, to)).status, status, `${table} to ${to}`);
  }
  assert.equal((await rename(pipeline, "t", "w", { confirm: "other" })).status, 400);
});

test("a file under the new name is never overwritten by an older one of the old name", async (t) => {
  let sent = false;
  const wrapLog = before(async () => {
    await pipeline.put("t", "late.csv", "id,v\n5,5.5\n");
    await pipeline.put("u", "late.csv", "id,v\n5,55.5\n");
    sent = true;
  });
  const pipeline = await start(t, { wrapLog });
  await withTwoFiles(pipeline, "t");
  const refused = await rename(pipeline, "t", "u");
  assert.ok(sent);
  assert.deepEqual([refused.status, refused.body.code], [409, "RENAME_REFUSED"], refused.text);
  assert.match(String(refused.body.detail), /'late\.csv' came to 'u' before the rest of 't': drop 'u'/);
  assert.deepEqual(await contents(pipeline, "u"), [...ONLY_OLD, [5, "55.50"]]);
  assert.deepEqual(await contents(pipeline, "t"), [...ONLY_OLD, [5, "5.50"]]);
  const dropped = await pipeline.send("DELETE", "/v1/tables/u?confirm=u");
  assert.equal(dropped.body.status, "done", dropped.text);
  await renamed(pipeline, "t", "u");
  assert.deepEqual(await contents(pipeline, "u"), [...ONLY_OLD, [5, "5.50"]]);
});

test("a new table that is dropped before the end takes no row of the old one with it", async (t) => {
  const wrapLog = before(async () => {
    const dropped = await pipeline.send("DELETE", "/v1/tables/u?confirm=u");
    assert.equal(dropped.body.status, "done", dropped.text);
  });
  const pipeline = await start(t, { wrapLog });
  await withTwoFiles(pipeline, "t");
  const refused = await rename(pipeline, "t", "u");
  assert.deepEqual([refused.status, refused.body.code], [409, "RENAME_REFUSED"], refused.text);
  assert.deepEqual(await contents(pipeline, "t"), ONLY_OLD);
  await pipeline.put("t", "c.csv", "id,v\n5,5\n");
  await renamed(pipeline, "t", "u");
  assert.deepEqual(await contents(pipeline, "u"), [...ONLY_OLD, [5, "5.00"]]);
});

test("what keeps a table from its new name is said before anything changes", async (t) => {
  let store: BlobStore | undefined;
  const contracts = [{ table: "keyed", writeMode: "upsert", key: ["id"] }];
  const pipeline = await start(t, { contracts, wrapBlob: (blob) => (store = blob) });
  await pipeline.put("keyed", "a.csv", "id,v\n1,1\n");
  await pipeline.put("t", "a.csv", "id,v\n1,1\n");
  const held = await pipeline.put("t", "a.csv", "id,v\n");
  assert.equal(held.body.code, "FILE_HELD");
  await pipeline.put("t", "broken.csv", Buffer.from([0x1f, 0x8b, 0, 0, 1, 2, 3]));
  const problemsOf = async (table: string): Promise<[string[], string[]]> => {
    const { body, text } = await rename(pipeline, table, "u", { dryRun: true });
    assert.equal(body.status, "planned", text);
    return [body["problems"] as string[], body["failed"] as string[]];
  };
  await until("the broken file is on record", async () => (await problemsOf("t"))[1].length === 1);
  const [problems, failed] = await problemsOf("t");
  assert.deepEqual([problems, failed], [["accept or refuse the held file 'a.csv' first"], ["broken.csv"]]);
  assert.match((await problemsOf("keyed"))[0].join(), /contract of 'u' differs .* copy it to contracts\/u\.yml/);
  const bytes = createHash("sha256").update("id,v\n1,1\n").digest("hex");
  await store!.delete(rawKey(bytes));
  assert.match((await problemsOf("t"))[0].join(), /the raw bytes of 'a\.csv' are gone/);
  const refused = await rename(pipeline, "t", "u");
  assert.deepEqual([refused.status, refused.body.code], [409, "RENAME_REFUSED"]);
  assert.deepEqual((await tablesOf(pipeline)).sort(), ["keyed", "t"]);
});

test("doubts and guards that were settled under the old name are not raised again", async (t) => {
  const guards = { accept: { shrinkMax: 0.1, rowsMin: 2 } };
  const pipeline = await start(t, { contracts: [{ table: "t", ...guards }, { table: "u", ...guards }] }); // prettier-ignore
  await pipeline.put("t", "a.csv", "id,v\n1,1\n2,2\n3,3\n");
  for (const [file, text] of [
    ["a.csv", "id,v\n1,10\n"],
    ["b.csv", "id,v\n7,7\n"],
  ] as const) {
    const held = await pipeline.put("t", file, text);
    const { fileId } = held.body["file"] as { fileId: string };
    const accepted = await pipeline.send("POST", `/v1/files/${fileId}/accept`, {});
    assert.equal(accepted.body.status, "committed", accepted.text);
  }
  await until("both decisions are on record", async () => {
    const { body } = await rename(pipeline, "t", "u", { dryRun: true });
    return (body["problems"] as string[]).length === 0;
  });
  await renamed(pipeline, "t", "u");
  assert.deepEqual(await pipeline.query("SELECT id, v FROM u ORDER BY id"), [[1, 10], [7, 7]]); // prettier-ignore
  const shrunk = await pipeline.put("u", "b.csv", "id,v\n");
  assert.equal(shrunk.body.code, "FILE_HELD", "a new version is in doubt as ever");
});

test("a table can have its old name back, and the name in between is free", async (t) => {
  const pipeline = await start(t);
  await withTwoFiles(pipeline, "t");
  await renamed(pipeline, "t", "u");
  await pipeline.put("u", "c.csv", "id,v\n5,5\n");
  await renamed(pipeline, "u", "t");
  assert.deepEqual(await contents(pipeline, "t"), [...ONLY_OLD, [5, "5.00"]]);
  const rebuilt = await pipeline.send("POST", "/v1/tables/t/rebuild", { confirm: "t" });
  assert.equal(rebuilt.body.status, "done", rebuilt.text);
  const undone = await pipeline.send("DELETE", "/v1/tables/t/files/c.csv?reason=wrong");
  assert.equal(undone.body.status, "done", undone.text);
  assert.deepEqual(await contents(pipeline, "t"), ONLY_OLD);
  await renamed(pipeline, "t", "u");
  assert.deepEqual(await contents(pipeline, "u"), ONLY_OLD);
});
