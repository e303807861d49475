/** Regular files load by a plan: their rows are not in the log, and the table is as if they had been. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { TributaryError } from "../../lib/errors.ts";
import { rowMessages } from "../../lib/messages/avro.ts";
import { rowsTopic } from "../../lib/messages/topics.ts";
import { until } from "../support/until.ts";
import { startPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";

const UPSERTED = {
  table: "upserted",
  columns: [{ name: "id", type: "INTEGER" }],
  writeMode: "upsert",
  key: ["id"],
};

/** More than one block of text. `lines` replace rows by their ordinal, from 1. */
function file(rows: number, lines: Record<number, string> = {}): string {
  const row = (n: number): string =>
    `${n},2026-01-${String((n % 28) + 1).padStart(2, "0")},${n % 100}.50,"city ""${n}"""`;
  const all = Array.from({ length: rows }, (_, at) => lines[at + 1] ?? row(at + 1));
  return ["id,day,amount,note", ...all, ""].join("\n");
}

const ROWS = 40_000;

async function start(t: TestContext, options: PipelineOptions = {}): Promise<Pipeline> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-plan-"));
  const pipeline = await startPipeline(folder, { contracts: [UPSERTED], ...options });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return pipeline;
}

/** How many messages of a table's rows are plans, and how many batches of rows. */
async function sent({ log }: Pipeline, table: string): Promise<{ plans: number; batches: number }> {
  const counts = { plans: 0, batches: 0 };
  for await (const { value } of log.read(rowsTopic(table).name, 0, 0)) {
    const { body, loadPlan } = rowMessages.decode(value);
    if (loadPlan) counts.plans++;
    else if ("tributary.RowBatch" in body) counts.batches++;
  }
  return counts;
}

const SUMS = "count(*), sum(id), sum(amount), min(_source_row), max(_source_row), count(DISTINCT note)";
const sums = async (pipeline: Pipeline, table: string, where = "true"): Promise<number[]> =>
  (await pipeline.query(`SELECT ${SUMS} FROM ${table} WHERE ${where}`))[0]!.map(Number);

test("plain and compressed files load by a plan, in every mode; the rejects are those of the parser", async (t) => {
  const pipeline = await start(t);
  const clean = await pipeline.put("plain", "a.csv", file(ROWS));
  assert.deepEqual([clean.body.status, clean.body["rowsCommitted"]], ["committed", ROWS], clean.text);
  assert.deepEqual(await sent(pipeline, "plain"), { plans: 1, batches: 0 });
  const whole = [ROWS, (ROWS * (ROWS + 1)) / 2, ROWS * 49.5 + ROWS / 2, 1, ROWS, ROWS];
  assert.deepEqual(await sums(pipeline, "plain"), whole);
  assert.deepEqual(await pipeline.query(`SELECT note FROM plain WHERE id = 7 AND _source_row = 7`), [['city "7"']]);
  const bad = {
    5: "x,2026-01-01,1.50,a",
    9: "9,2026-01-01",
    30_000: "1,2026-01-01,1.50,a,b",
    30_001: "1,2026-01-01,1.50,a,",
  };
  const second = await pipeline.put("plain", "b.csv.gz", gzipSync(file(ROWS, bad)));
  assert.deepEqual([second.body["rowsCommitted"], second.body["rowsRejected"]], [ROWS - 4, 4], second.text);
  assert.deepEqual(await sent(pipeline, "plain"), { plans: 2, batches: 0 });
  const moved = await pipeline.query("SELECT id FROM plain WHERE _source_file = 'b.csv.gz' AND id <> _source_row");
  assert.deepEqual(moved, []);
  const rejects = await until("rejects on record", async () => {
    const found = await pipeline.query("SELECT source_row, line, reason FROM _rejected_rows ORDER BY 1");
    return found.length > 0 && found.map((row) => row.join(" "));
  });
  assert.deepEqual(rejects, [
    "5 6 type_mismatch",
    "9 10 too_few_fields",
    "30000 30001 too_many_fields",
    "30001 30002 too_many_fields",
  ]);
  const replaced = await pipeline.put("plain", "a.csv", file(ROWS + 1));
  assert.equal(replaced.body["rowsCommitted"], ROWS + 1, replaced.text);
  assert.equal((await sums(pipeline, "plain", "_source_file = 'a.csv'"))[0], ROWS + 1);

  await pipeline.put("upserted", "a.csv", file(ROWS, { 20_000: "1,2026-02-02,9.00,later" }));
  await pipeline.put("upserted", "b.csv", file(ROWS + 5, { 1: "1,2026-03-03,7.00,latest" }));
  assert.deepEqual(await sent(pipeline, "upserted"), { plans: 2, batches: 0 });
  assert.equal((await sums(pipeline, "upserted"))[0], ROWS + 5);
  assert.deepEqual(await pipeline.query("SELECT note FROM upserted WHERE id = 1"), [["latest"]]);
});

test("a file that turns out irregular, or is short, is sent row by row", async (t) => {
  const pipeline = await start(t);
  const stray = await pipeline.put("t", "stray.csv", file(ROWS, { 39_000: '39000,2026-01-01,1.50,"a" b' }));
  assert.equal(stray.body.status, "committed", stray.text);
  assert.equal((await sent(pipeline, "t")).plans, 0);
  assert.equal((await pipeline.put("t", "short.csv", file(100))).body["rowsCommitted"], 100);
  assert.equal((await sent(pipeline, "t")).plans, 0);
});

/**
 * A blob store whose `get` answers as `change` says, from its second call of a key on: the parser's is the
 * first.
 */
function changedLater(blob: BlobStore, change: (key: string) => Promise<never> | undefined): BlobStore {
  const seen = new Set<string>();
  const get: BlobStore["get"] = (key, options) => {
    const changed = seen.has(key) ? change(key) : undefined;
    seen.add(key);
    return changed ?? blob.get(key, options);
  };
  return new Proxy(blob, {
    get: (object, name) => {
      if (name === "get") return get;
      const member: unknown = Reflect.get(object, name);
      return typeof member === "function" ? (member.bind(object) as unknown) : member;
    },
  });
}

test("a raw file that is gone ends its file with what to do", async (t) => {
  const gone = (key: string): Promise<never> => Promise.reject(new TributaryError("BLOB_NOT_FOUND", `no ${key}`));
  const pipeline = await start(t, { wrapBlob: (blob) => changedLater(blob, gone) });
  const { body, text } = await pipeline.put("t", "a.csv", file(ROWS));
  assert.deepEqual([body.status, body.code], [422, "BLOB_MISSING"], text);
  assert.match(text, /send the file again/);
});

test("while the raw files are out of reach a plan waits, and then loads", async (t) => {
  let outages = 3;
  const away = (): Promise<never> | undefined =>
    outages-- > 0 ? Promise.reject(new TributaryError("BLOB_UNAVAILABLE", "away")) : undefined;
  const pipeline = await start(t, { wrapBlob: (blob) => changedLater(blob, away) });
  const { body, text } = await pipeline.put("t", "a.csv", file(ROWS));
  assert.equal(body["rowsCommitted"], ROWS, text);
});

test("a plan that does not load its file is replaced by the file's rows", async (t) => {
  const pipeline = await start(t, {
    wrapLog: (log) =>
      new Proxy(log, {
        get: (object, name) => {
          if (name === "publish") {
            const publish: typeof log.publish = (topic, records) =>
              log.publish(topic, topic.startsWith("rows.") ? records.map(withFewerFields) : records);
            return publish;
          }
          const member: unknown = Reflect.get(object, name);
          return typeof member === "function" ? (member.bind(object) as unknown) : member;
        },
      }),
  });
  const { body, text } = await pipeline.put("t", "a.csv", file(ROWS));
  assert.deepEqual([body.status, body["rowsCommitted"]], ["committed", ROWS], text);
  assert.equal((await sums(pipeline, "t"))[4], ROWS);
});

/** A plan as of a parser that splits records in another way. */
function withFewerFields<T extends { value: Buffer }>(record: T): T {
  const message = rowMessages.decode(record.value);
  if (!message.loadPlan) return record;
  const loadPlan = { ...message.loadPlan, fields: message.loadPlan.fields.slice(1) };
  return { ...record, value: rowMessages.encode({ ...message, loadPlan }) };
}
