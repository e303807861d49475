/**
 * Hostile senders: concurrent uploads of one name, files that change during the read, files that kill their
 * parser.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { TOPICS } from "../../lib/messages/topics.ts";
import { deadLetters } from "../../lib/messages/avro.ts";
import { workerPool, type WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { until } from "../support/until.ts";
import { startPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";

async function start(t: TestContext, options: PipelineOptions = {}): Promise<Pipeline & { folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-senders-"));
  const pipeline = await startPipeline(folder, options);
  t.after(async () => {
    await pipeline.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { ...pipeline, folder };
}

const numbered = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test("twenty concurrent uploads of one name make twenty versions; the table holds the newest, complete", async (t) => {
  const { put, query } = await start(t);
  const textOf = (n: number): string =>
    `id,sender\n${numbered(50 + n)
      .map((id) => `${id},${n}\n`)
      .join("")}`;
  const answers = await Promise.all(numbered(20).map((n) => put("t", "same.csv", textOf(n))));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const versions = answers.map(({ body }, sender) => ({ sender, offset: body["sourceOffset"] as number, body }));
  const newest = versions.reduce((a, b) => (a.offset > b.offset ? a : b));
  assert.deepEqual(await query("SELECT sender, count(*) FROM t GROUP BY 1"), [[newest.sender, 50 + newest.sender]]);
  const ledger = () => query("SELECT source_offset, rows_read, rows_committed FROM _ingest_files ORDER BY 1");
  await until("all versions are recorded", async () => (await ledger()).length === 20);
  const expected = versions
    .toSorted((a, b) => a.offset - b.offset)
    .map((one) => [one.offset, 50 + one.sender, 50 + one.sender]);
  assert.deepEqual(await ledger(), expected);
});

test("concurrent uploads of one content under twenty names make twenty files", async (t) => {
  const { put, query } = await start(t);
  const names = numbered(20).map((n) => `${n}.csv`);
  const answers = await Promise.all(names.map((name) => put("t", name, "id\n1\n2\n")));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.deepEqual(await query("SELECT count(*), count(DISTINCT _source_file) FROM t"), [[40, 20]]);
});

test("a dropped file that grows during the read is loaded in its final version only", async (t) => {
  const { folder, query } = await start(t, {
    drops: true,
    env: { TRIBUTARY_DROPS_POLL: "20ms", TRIBUTARY_DROPS_SETTLE: "40ms" },
  });
  mkdirSync(join(folder, "drops", "t"), { recursive: true });
  const path = join(folder, "drops", "t", "growing.csv");
  writeFileSync(path, "id,part\n");
  for (const part of numbered(30)) {
    appendFileSync(
      path,
      numbered(200)
        .map((id) => `${part * 200 + id},${part}\n`)
        .join(""),
    );
    // Some pauses exceed TRIBUTARY_DROPS_SETTLE, so that an intermediate version is ingested.
    await new Promise((resolve) => setTimeout(resolve, part % 7 === 0 ? 120 : 5));
  }
  await until("all rows are in the table", async () => {
    const counts = await query("SELECT count(*), count(DISTINCT id), max(id) FROM t").catch(() => []);
    return JSON.stringify(counts) === "[[6000,6000,5999]]";
  });
  const files = await query("SELECT rows_read, rows_committed + rows_rejected FROM _ingest_files");
  for (const [read, ended] of files) assert.equal(read, ended);
});

test("a file that kills its worker thread is set aside after a few tries, and the files behind it are loaded", async (t) => {
  const deaths: Error[] = [];
  const sound = workerPool({ size: 1, heapMibMax: 256 });
  const starved = workerPool({ size: 1, heapMibMax: 1, onCrash: (thrown) => deaths.push(thrown) });
  const pool: WorkerPool = {
    parse: (job, source, signal) => (job.fileName === "poison.csv" ? starved : sound).parse(job, source, signal),
    close: async () => {
      await Promise.all([sound.close(), starved.close()]);
    },
  };
  const { put, query, log } = await start(t, { pool });
  const [poison, ...others] = await Promise.all([
    put("t", "poison.csv", "id\n1\n"),
    put("t", "behind.csv", "id\n2\n"),
    put("elsewhere", "other.csv", "id\n3\n"),
  ]);
  assert.deepEqual([poison.status, poison.body.code], [422, "FILE_POISON"]);
  assert.match(poison.body.detail!, /the parser crashed 3 times on this file: .*memory/);
  assert.equal(deaths.length, 3, "number of worker deaths");
  assert.deepEqual(
    others.map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual(await query("SELECT id FROM t"), [[2]]);
  const letters = [];
  for await (const { value } of log.read(TOPICS.deadLetters.name, 0, 0)) letters.push(deadLetters.decode(value));
  assert.deepEqual(
    letters.map(({ sourceFile, errorCode }) => [sourceFile, errorCode]),
    [["poison.csv", "FILE_POISON"]],
  );
  assert.ok(letters[0]!.event.length > 0, "it can be replayed from there");
});
