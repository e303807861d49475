/** Rebuild of a table from its raw files, in the order of the table's files. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createHash } from "node:crypto";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { rawKey } from "../../lib/blob/raw-key.ts";
import { systemClock } from "../../lib/clock.ts";
import { TributaryError } from "../../lib/errors.ts";
import { WHOLE_TABLE } from "../../lib/messages/operation.ts";
import { Registry } from "../../lib/process/metrics.ts";
import { parseFile } from "../../lib/parsing/parse-file.ts";
import type { WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { isShadow } from "../../lib/tables.ts";
import type { MicroBatch, Warehouse } from "../../lib/warehouse/warehouse.ts";
import { gatewayMetrics } from "../../services/gateway/metrics.ts";
import { publishOperation } from "../../services/gateway/operations/publish.ts";
import { mortal } from "./mortal.ts";
import { startPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";

const LAYOUTS = [
  { table: "replaced", writeMode: "replace" },
  { table: "upserted", writeMode: "upsert", key: ["id"] },
  { table: "mirrored", writeMode: "upsert", key: ["id"], deleteMissing: true },
  { table: "appended", writeMode: "append" },
];

/** Parses in this thread: starting workers would take most of the time. */
const pool: WorkerPool = {
  parse: (job, source) => parseFile(source, job),
  close: async () => undefined,
};

async function start(t: TestContext, options: PipelineOptions = {}): Promise<Pipeline> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-rebuild-"));
  const pipeline = await startPipeline(folder, { pool, contracts: LAYOUTS, ...options });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return pipeline;
}

const rebuild = (pipeline: Pipeline, table: string, more: object = {}) =>
  pipeline.send("POST", `/v1/tables/${table}/rebuild`, { confirm: table, reason: "types", ...more });

async function typesOf(pipeline: Pipeline, table: string): Promise<Record<string, string>> {
  const { body } = await pipeline.send("GET", `/v1/tables/${table}`);
  const columns = body["columns"] as { name: string; type: string }[];
  return Object.fromEntries(columns.map(({ name, type }) => [name, type]));
}

test("types are found in all files together, and rows that were rejected are in the table", async (t) => {
  const pipeline = await start(t);
  for (const { table, writeMode } of LAYOUTS) {
    await pipeline.put(table, "a.csv", "id,code,v\n1,1,1\n2,2,2\n");
    await pipeline.put(table, "b.csv", "id,code,v\n3,x3,2.5\n4,4,4\n");
    const before = await pipeline.query(`SELECT id FROM ${table} ORDER BY id`);
    assert.deepEqual(before, [[1], [2], [4]], table);
    await untilRecorded(pipeline, table, 2);
    const planned = await rebuild(pipeline, table, { dryRun: true });
    assert.deepEqual(planned.body["columns"], [
      { name: "code", change: "type", from: "INTEGER", to: "VARCHAR" },
      { name: "v", change: "type", from: "INTEGER", to: "DECIMAL(18,2)" },
    ]);
    assert.deepEqual(planned.body["rows"], { now: 3, inFiles: 4, after: writeMode === "upsert" ? null : 4 });
    assert.deepEqual(planned.body["rejects"], { now: 1, after: 0 });
    assert.deepEqual(await pipeline.query(`SELECT id FROM ${table} ORDER BY id`), before, "a dry run writes nothing");
    const done = await rebuild(pipeline, table);
    assert.deepEqual([done.status, done.body.status], [200, "done"], done.text);
    const rows = await pipeline.query(`SELECT id, code, v, _source_file, _source_row FROM ${table} ORDER BY id`);
    assert.deepEqual(rows, [
      [1, "1", "1.00", "a.csv", 1],
      [2, "2", "2.00", "a.csv", 2],
      [3, "x3", "2.50", "b.csv", 1],
      [4, "4", "4.00", "b.csv", 2],
    ]);
    assert.deepEqual(await typesOf(pipeline, table), { id: "INTEGER", code: "VARCHAR", v: "DECIMAL(18,2)" });
    const later = await pipeline.put(table, "c.csv", "id,code,v\n5,y,5\n");
    assert.equal(later.body.status, "committed", later.text);
    const rejects = await pipeline.send("GET", `/v1/tables/${table}/rejects`);
    assert.deepEqual(rejects.body["rejects"], [], table);
    const listed = await pipeline.send("GET", `/v1/files?table=${table}`);
    const known = listed.body["files"] as { sourceFile: string; rowsCommitted: number; rowsRejected: number }[];
    const second = known.find(({ sourceFile }) => sourceFile === "b.csv")!;
    assert.deepEqual([second.rowsCommitted, second.rowsRejected], [2, 0], "as on record");
  }
});

const TWO = ["id,v\n1,1\n2,2\n", "id,v\n3,3.5\n4,4\n"] as const;
const OLD = [[1, "1"], [2, "2"], [4, "4"]]; // prettier-ignore
const NEW = [[1, "1.00"], [2, "2.00"], [3, "3.50"], [4, "4.00"]]; // prettier-ignore

const contents = (pipeline: Pipeline, table: string): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, CAST(v AS VARCHAR) FROM ${table} ORDER BY id`);

async function withTwoFiles(pipeline: Pipeline, table: string): Promise<void> {
  await pipeline.put(table, "a.csv", TWO[0]);
  await pipeline.put(table, "b.csv", TWO[1]);
  assert.deepEqual(await contents(pipeline, table), OLD);
  await untilRecorded(pipeline, table, 2);
}

/** The ledger is written beside the next commit. */
const untilRecorded = (pipeline: Pipeline, table: string, files: number): Promise<void> =>
  untilEqual(() => pipeline.query(`SELECT count(*) FROM _ingest_files WHERE table_name = '${table}'`), [[files]]);

async function untilEqual(read: () => Promise<unknown>, wanted: unknown): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (JSON.stringify(await read()) === JSON.stringify(wanted)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.deepEqual(await read(), wanted);
}

/** Asks for a rebuild without a request that waits for it. */
const ask = (pipeline: Pipeline, table: string) =>
  publishOperation(
    { log: pipeline.log, clock: systemClock, metrics: gatewayMetrics(new Registry()) },
    { table, sourceFile: WHOLE_TABLE },
    { kind: "rebuild", reason: "types", requestedBy: "me" },
  );

test("a process that dies at any step leaves the old table or the new one, and the next one completes it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-rebuild-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const steps: [keyof Warehouse, number][] = [
    ["drop", 1],
    ["ensureTable", 1],
    ["commit", 1],
    ["replaceWith", 1],
    ["record", 1],
    ["record", 2],
  ];
  let n = 0;
  for (const [method, nth] of steps) {
    for (const when of ["before", "after"] as const) {
      const table = `t${++n}`;
      const label = `${when} ${method} ${nth}`;
      const fault = mortal(method, nth, when);
      const first = await startPipeline(folder, { pool, wrapWarehouse: fault.wrap });
      t.after(() => first.stop());
      await withTwoFiles(first, table);
      fault.arm();
      await ask(first, table);
      await untilEqual(async () => fault.hasDied(), true);
      const isReplaced = method === "record" || (method === "replaceWith" && when === "after");
      assert.deepEqual(await contents(first, table), isReplaced ? NEW : OLD, label);
      await first.stop();
      const second = await startPipeline(folder, { pool });
      t.after(() => second.stop());
      await untilEqual(() => contents(second, table), NEW);
      const later = await second.put(table, "c.csv", "id,v\n5,5.25\n");
      assert.equal(later.body.status, "committed", label);
      const recorded = `SELECT file_key, rows_committed, rows_rejected FROM _ingest_files WHERE table_name = '${table}'`;
      await untilEqual(
        () => second.query(`${recorded} ORDER BY source_offset`),
        [
          ["a.csv", 2, 0],
          ["b.csv", 2, 0],
          ["/", 0, 0],
          ["c.csv", 1, 0],
        ],
      );
      assert.deepEqual(
        (await second.warehouse.tables()).filter((name) => name.startsWith("tributary_")),
        [],
        label,
      );
      await second.stop();
    }
  }
});

test("a file whose raw bytes are gone, or that cannot be read any more, leaves the table as it is", async (t) => {
  let store: BlobStore | undefined;
  const pipeline = await start(t, { contracts: [], wrapBlob: (blob) => (store = blob) });
  await withTwoFiles(pipeline, "t");
  await store!.delete(rawKey(createHash("sha256").update(TWO[1]).digest("hex")));
  const planned = await rebuild(pipeline, "t", { dryRun: true });
  assert.deepEqual([planned.status, planned.body["missing"]], [200, ["b.csv"]]);
  const refused = await rebuild(pipeline, "t");
  assert.deepEqual([refused.status, refused.body.code], [409, "REBUILD_REFUSED"]);
  assert.match(String(refused.body.detail), /'b\.csv'/);
  for (const { body } of [planned, refused]) assert.match(String(body["remedy"]), /^Restore the raw bytes/);
  assert.deepEqual([planned.body.code, planned.body.error], ["REBUILD_REFUSED", refused.body.detail]);
  assert.deepEqual(await contents(pipeline, "t"), OLD);
  const unsure = await rebuild(pipeline, "t", { confirm: "other" });
  assert.equal(unsure.status, 400);
  const nothing = await pipeline.send("POST", "/v1/tables/nothing/rebuild", { confirm: "nothing" });
  assert.equal(nothing.status, 404);
});

test("files that are sent while the table is rebuilt follow, read for its new columns", async (t) => {
  const pipeline = await start(t, { contracts: [] });
  await withTwoFiles(pipeline, "t");
  await ask(pipeline, "t");
  const files = Array.from({ length: 5 }, (_, n) => pipeline.put("t", `later${n}.csv`, `id,v\n${10 + n},${n}.5\n`));
  for (const { body, text } of await Promise.all(files)) assert.equal(body.status, "committed", text);
  const later = Array.from({ length: 5 }, (_, n) => [10 + n, `${n}.50`]);
  assert.deepEqual(await contents(pipeline, "t"), [...NEW, ...later]);
});

/** A warehouse whose first answer to a call is lost. */
const forgetful = (method: keyof Warehouse, isMeant: (...given: unknown[]) => boolean) => {
  let left = 1;
  return (warehouse: Warehouse): Warehouse =>
    new Proxy(warehouse, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== method) return value.bind(target) as unknown;
        return async (...given: unknown[]): Promise<unknown> => {
          const answer = await (value as (...args: unknown[]) => Promise<unknown>).apply(target, given);
          if (isMeant(...given) && left-- > 0) throw new TributaryError("WAREHOUSE_TIMEOUT", "no answer");
          return answer;
        };
      },
    });
};

test("a rebuild whose answer is lost after the new table took its place is done, not repeated for ever", async (t) => {
  const pipeline = await start(t, { contracts: [], wrapWarehouse: forgetful("replaceWith", () => true) });
  await withTwoFiles(pipeline, "t");
  const done = await rebuild(pipeline, "t");
  assert.deepEqual([done.status, done.body.status], [200, "done"], done.text);
  assert.deepEqual(await contents(pipeline, "t"), NEW);
});

test("a commit whose answer is lost counts no rows, and the rebuild is done", async (t) => {
  const toShadow = (batch: unknown): boolean => isShadow((batch as MicroBatch).layout.table);
  const pipeline = await start(t, { committer: { filesMax: 1 }, wrapWarehouse: forgetful("commit", toShadow) });
  await pipeline.put("mirrored", "a.csv", "id,v\n1,1\n2,2\n");
  await pipeline.put("mirrored", "a.csv", "id,v\n1,1\n");
  const done = await rebuild(pipeline, "mirrored");
  assert.equal(done.body.status, "done", done.text);
  await untilRecorded(pipeline, "mirrored", 3);
  assert.deepEqual(await contents(pipeline, "mirrored"), [[1, "1"]]);
});

test("the writer says how far the rebuild is, until it has ended", async (t) => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const wrapWarehouse = (warehouse: Warehouse): Warehouse =>
    new Proxy(warehouse, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "replaceWith") return value.bind(target) as unknown;
        return (...given: unknown[]): Promise<unknown> =>
          held.then(() => (value as (...args: unknown[]) => unknown).apply(target, given));
      },
    });
  const pipeline = await start(t, { contracts: [], wrapWarehouse });
  await withTwoFiles(pipeline, "t");
  const before = await pipeline.send("GET", "/v1/tables/t");
  assert.equal(before.body["rebuild"], null);
  const { fileId } = await ask(pipeline, "t");
  const told = async () => (await pipeline.send("GET", "/v1/tables/t")).body["rebuild"] as Running;
  type Running = { fileId: string; progress: { step: string; filesTotal: number; bytesTotal: number } | null } | null;
  await untilEqual(async () => (await told())?.progress?.step, "replace");
  const running = (await told())!;
  const bytesTotal = TWO[0].length + TWO[1].length;
  assert.deepEqual(
    [running.fileId, running.progress?.filesTotal, running.progress?.bytesTotal],
    [fileId, 2, bytesTotal],
  );
  const waits = await pipeline.send("GET", `/v1/files/${fileId}`);
  assert.deepEqual([waits.body["operation"], waits.body["progress"]], ["rebuild", running.progress]);
  release();
  await untilEqual(async () => (await pipeline.send("GET", "/v1/tables/t")).body["rebuild"], null);
  const ended = await pipeline.send("GET", `/v1/files/${fileId}`);
  assert.deepEqual([ended.body.status, ended.body["progress"]], ["committed", null]);
});

test("what a newer version of a file has replaced is not read: neither its types count nor its raw bytes", async (t) => {
  let store: BlobStore | undefined;
  const pipeline = await start(t, { contracts: [], wrapBlob: (blob) => (store = blob) });
  const replaced = "id,code\n1,x\n";
  await pipeline.put("t", "a.csv", replaced);
  await pipeline.put("t", "a.csv", "id,code\n1,5\n");
  await untilRecorded(pipeline, "t", 2);
  await store!.delete(rawKey(createHash("sha256").update(replaced).digest("hex")));
  const planned = await rebuild(pipeline, "t", { dryRun: true });
  assert.deepEqual([planned.body["files"], planned.body["missing"]], [1, []], planned.text);
  assert.deepEqual(planned.body["columns"], [{ name: "code", change: "type", from: "VARCHAR", to: "INTEGER" }]);
  const done = await rebuild(pipeline, "t");
  assert.equal(done.body.status, "done", done.text);
  assert.deepEqual(await pipeline.query("SELECT id, code FROM t"), [[1, 5]]);
});

test("a newest version without a loaded row loads after a change of the contract, else what it did not replace stays", async (t) => {
  for (const [number, text] of ["id,v\nx,1\n", "id,v\n2,9\n"].entries()) {
    const rule = { name: "one", expression: "v != 9", action: "reject" };
    const pipeline = await start(t, { contracts: [{ table: "t", rows: [rule], accept: { empty: "load" } }] });
    await pipeline.put("t", "a.csv", "id,v\n1,1\n");
    const none = await pipeline.put("t", "a.csv", text);
    assert.match(none.text, /the file ended as rejected/);
    await untilRecorded(pipeline, "t", 2);
    const done = await rebuild(pipeline, "t");
    assert.equal(done.body.status, "done", done.text);
    assert.deepEqual(await pipeline.query("SELECT CAST(id AS VARCHAR) FROM t"), [[number === 0 ? "x" : "1"]]);
  }
});

test("upsert: after a rebuild, a correction of an older version does not go over what a newer one repeats", async (t) => {
  const columns = [
    { name: "id", type: "INTEGER" },
    { name: "v", type: "VARCHAR" },
  ];
  const contracts = [{ table: "t", writeMode: "upsert", key: ["id"], columns }];
  const pipeline = await start(t, { contracts, committer: { filesMax: 1 } });
  await pipeline.put("t", "a.csv", "id,v\n1,a\nx,b\n");
  await pipeline.put("t", "b.csv", "id,v\n1,a\n");
  await untilRecorded(pipeline, "t", 2);
  const done = await rebuild(pipeline, "t");
  assert.equal(done.body.status, "done", done.text);
  const sheet = await pipeline.send("GET", "/v1/tables/t/rejects/export?file=a.csv");
  const corrected = sheet.text.replace(/,x,b/, ",1,late");
  assert.notEqual(corrected, sheet.text);
  const sent = await pipeline.send("POST", "/v1/tables/t/rejects/corrections", corrected);
  assert.equal(sent.body["rowsCorrected"], 1, sent.text);
  await untilRecorded(pipeline, "t", 4);
  assert.deepEqual(await contents(pipeline, "t"), [[1, "a"]]);
});
