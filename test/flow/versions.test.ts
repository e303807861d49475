/** Records of other versions, and records that no version wrote, on every topic. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../lib/messages/topics.ts";
import { asNextVersion } from "../support/next-version.ts";
import { until } from "../support/until.ts";
import { startPipeline, type Pipeline } from "./pipeline.ts";

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-versions-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function loads(pipeline: Pipeline, ...files: string[]): Promise<void> {
  for (const file of files) {
    const { status, body } = await pipeline.put("t", file, `id\n${files.indexOf(file)}\n`);
    assert.deepEqual([status, body.status], [200, "committed"], file);
  }
}

const ALL = [...Object.values(TOPICS), rowsTopic("t")];

/** Bytes of no version. Some look like the beginning of a message. */
const JUNK = ["junk", "\u0001", "\u0000", "\u0002a\u0002t\u0002x", "\u00ff".repeat(40)].map((text) => Buffer.from(text, "latin1")); // prettier-ignore

async function litter(log: EventLog): Promise<void> {
  for (const { name } of ALL) {
    for (const value of JUNK) await log.publish(name, [{ key: "t", value }, { key: null, value }]); // prettier-ignore
  }
}

test("damaged records on every topic stop nothing, before the start, while it runs and after a restart", async (t) => {
  const folder = await folderOf(t);
  const log = await openEventLog(`embedded:${folder}/log`, { clock: systemClock });
  await log.createTopics(ALL);
  await litter(log);
  await log.close();
  const first = await startPipeline(folder);
  t.after(() => first.stop());
  await loads(first, "a.csv", "b.csv");
  await litter(first.log);
  await loads(first, "c.csv");
  assert.equal((await first.send("GET", "/readyz")).status, 200);
  await first.stop();
  const second = await startPipeline(folder);
  t.after(() => second.stop());
  await loads(second, "d.csv");
  const failed = await second.query("SELECT count(*) FROM _ingest_files WHERE error_code = 'FILE_POISON'");
  assert.deepEqual(failed, [[2 * JUNK.length]], "each damaged event of the table is on record");
  await second.stop();
});

test("services read what the next version writes, on every topic, and continue after a rollback", async (t) => {
  const folder = await folderOf(t);
  const newer = await startPipeline(folder, { drops: true, wrapLog: asNextVersion });
  t.after(() => newer.stop());
  await loads(newer, "a.csv", "b.csv");
  await newer.stop();
  const older = await startPipeline(folder, { drops: true });
  t.after(() => older.stop());
  await loads(older, "c.csv");
  assert.deepEqual(await older.query("SELECT count(*), count(DISTINCT _source_file) FROM t"), [[3, 3]]);
  await allRead(older);
  await older.stop();
});

/** Resolves when parser and committer have acked every record. */
async function allRead({ log }: Pipeline): Promise<void> {
  for (const [group, topic] of [
    [GROUPS.parser, TOPICS.fileEvents.name],
    [GROUPS.committer, rowsTopic("t").name],
  ] as const) {
    await until(`${group} has read ${topic}`, async () => {
      const acked = new Map((await log.groupOffsets(group, topic)).map(({ partition, offset }) => [partition, offset]));
      const ends = await log.offsets(topic);
      return ends.every(({ partition, next }) => next === 0 || acked.get(partition) === next) ? true : undefined;
    });
  }
}
