import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock, type Clock } from "../../../../lib/clock.ts";
import { hasCode } from "../../../../lib/errors.ts";
import { EmbeddedEventLog } from "../../../../lib/event-log/embedded/embedded-log.ts";
import type { EventLog, LogRecord } from "../../../../lib/event-log/event-log.ts";
import { openEventLog } from "../../../../lib/event-log/open.ts";
import { GROUPS, rowsTopic } from "../../../../lib/messages/topics.ts";
import { until } from "../../../support/until.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-log-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function openLog(t: TestContext, clock: Clock = systemClock): Promise<EmbeddedEventLog> {
  const log = new EmbeddedEventLog(await tempFolder(t), { clock });
  t.after(() => log.close());
  return log;
}

async function readAll(log: EventLog, topic: string, partition = 0): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of log.read(topic, partition, 0)) records.push(record);
  return records;
}

/** A clock that the test sets. */
function clockAt(nowMs: number): Clock & { set(nowMs: number): void } {
  let now = nowMs;
  return { ...systemClock, nowMs: () => now, set: (next) => void (now = next) };
}

interface Acknowledged {
  value: string;
  partition: number;
  offset: number;
}

async function publisher(folder: string): Promise<{ child: ChildProcess; acknowledged: Acknowledged[] }> {
  const script = fileURLToPath(new URL("publish-until-killed.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, folder], { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged: Acknowledged[] = [];
  let ready = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "ready") ready = true;
    const [value, partition, offset] = line.split(" ");
    // A line truncated by the kill acknowledges nothing.
    if (offset !== undefined)
      acknowledged.push({ value: value!, partition: Number(partition), offset: Number(offset) });
  });
  await until("the child to be ready", () => ready || child.exitCode !== null, 30_000);
  return { child, acknowledged };
}

test("kill -9 while publishing loses no acknowledged record, leaves no gap and no lock", async (t) => {
  const folder = await tempFolder(t);
  const all: Acknowledged[] = [];
  for (let round = 0; round < 2; round++) {
    const { child, acknowledged } = await publisher(folder);
    await until("some records", () => acknowledged.length > 200, 30_000);
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
    all.push(...acknowledged.slice(0, -1));
  }
  const log = await openEventLog(`embedded:${folder}`, { clock: systemClock });
  t.after(() => log.close());
  const partitions = await Promise.all([0, 1, 2].map((partition) => readAll(log, "events", partition)));
  for (const records of partitions) {
    assert.deepEqual(
      records.map(({ offset }) => offset),
      [...records.keys()],
    );
  }
  for (const { value, partition, offset } of all) {
    assert.equal(partitions[partition]![offset]?.value.toString().replace(/\.+$/, ""), value);
  }
});

test("a second process and a second log in the same process are refused with the folder in the message", async (t) => {
  const folder = await tempFolder(t);
  const { child } = await publisher(folder);
  const closed = once(child, "close");
  const isInUse = (thrown: unknown) => hasCode(thrown, "LOG_IN_USE") && thrown.message.includes(folder);
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(openEventLog(`embedded:${folder}`, { clock: systemClock }), isInUse);
  }
  child.kill("SIGKILL");
  await closed;
  const log = await openEventLog(`embedded:${folder}`, { clock: systemClock });
  const alias = join(await tempFolder(t), "alias");
  await symlink(folder, alias);
  await assert.rejects(openEventLog(`embedded:${alias}`, { clock: systemClock }), isInUse);
  await log.close();
  await (await openEventLog(`embedded:${alias}`, { clock: systemClock })).close();
});

test("openEventLog: unknown schemes and unusable folders are refused", async (t) => {
  const folder = await tempFolder(t);
  for (const url of ["redis://x", "embedded:", "", "folder"]) {
    await assert.rejects(openEventLog(url, { clock: systemClock }), (e) => hasCode(e, "URL_SCHEME_UNKNOWN"), url);
  }
  await writeFile(join(folder, "file"), "");
  await assert.rejects(openEventLog(`embedded:${folder}/file`, { clock: systemClock }), (error) =>
    hasCode(error, "FOLDER_UNUSABLE"),
  );
  await mkdir(join(folder, "with.dots and spaces"));
  const log = await openEventLog(`embedded:${folder}/with.dots and spaces`, { clock: systemClock });
  assert.ok(log.url.endsWith("with.dots and spaces"));
  await log.close();
});

test("retention by age deletes old records, keeps offsets contiguous and never lowers the end", async (t) => {
  const clock = clockAt(1_000_000);
  const log = await openLog(t, clock);
  await log.createTopics([{ name: "short", partitions: 1, cleanup: "delete", retentionMs: 1000 }]);
  await log.createTopics([{ name: "for-ever", partitions: 1, cleanup: "delete" }]);
  for (const n of [0, 1, 2]) {
    clock.set(1_000_000 + 500 * n);
    for (const topic of ["short", "for-ever"]) await log.publish(topic, [{ key: null, value: Buffer.from(String(n)) }]);
  }
  await log.applyRetention(1_000_000 + 1200);
  assert.deepEqual(await log.offsets("short"), [{ partition: 0, earliest: 1, next: 3 }]);
  assert.deepEqual(
    (await readAll(log, "short")).map(({ offset }) => offset),
    [1, 2],
  );
  await log.applyRetention(1_000_000 + DAY_MS);
  assert.deepEqual(await log.offsets("short"), [{ partition: 0, earliest: 3, next: 3 }]);
  assert.deepEqual(await log.publish("short", [{ key: null, value: Buffer.from("3") }]), [{ partition: 0, offset: 3 }]);
  assert.equal((await readAll(log, "for-ever")).length, 3);
});

test("retention removes nothing that a topic's reader has not acked, however old", async (t) => {
  const log = await openLog(t, clockAt(1_000_000));
  const topic = rowsTopic("t");
  await log.createTopics([topic]);
  for (const n of [0, 1, 2]) await log.publish(topic.name, [{ key: "t", value: Buffer.from(String(n)) }]);
  await log.applyRetention(1_000_000 + 30 * DAY_MS);
  assert.deepEqual(await log.offsets(topic.name), [{ partition: 0, earliest: 0, next: 3 }]);
  await log.resetGroup(GROUPS.committer, topic.name, [{ partition: 0, offset: 2 }]);
  await log.applyRetention(1_000_000 + 30 * DAY_MS);
  assert.deepEqual(await log.offsets(topic.name), [{ partition: 0, earliest: 2, next: 3 }]);
});

test("after retention of everything and a restart the end is unchanged", async (t) => {
  const folder = await tempFolder(t);
  const before = new EmbeddedEventLog(folder, { clock: systemClock });
  await before.createTopics([{ name: "t", partitions: 2, cleanup: "delete", retentionMs: 1 }]);
  await before.publish("t", [{ key: "a", value: Buffer.from("x") }]);
  const offsets = await before.offsets("t");
  await before.applyRetention(Date.now() + DAY_MS);
  await before.close();
  const after = new EmbeddedEventLog(folder, { clock: systemClock });
  t.after(() => after.close());
  assert.deepEqual(
    await after.offsets("t"),
    offsets.map(({ partition, next }) => ({ partition, earliest: next, next })),
  );
});

test("retention by size keeps the newest; a group behind it continues from the earliest", async (t) => {
  const log = await openLog(t);
  await log.createTopics([{ name: "big", partitions: 1, cleanup: "delete", retentionBytes: 1_000_000 }]);
  const value = Buffer.alloc(100_000);
  for (let n = 0; n < 25; n++) await log.publish("big", [{ key: null, value }]);
  await log.resetGroup("g", "big", [{ partition: 0, offset: 2 }]);
  await log.applyRetention(Date.now());
  const [bounds] = await log.offsets("big");
  assert.deepEqual(bounds, { partition: 0, earliest: 16, next: 25 });
  const got: number[] = [];
  const consumer = await log.consume({ group: "g", topics: ["big"] }, () => async (records) => {
    got.push(...records.map(({ offset }) => offset));
  });
  await until("the kept records", () => got.length >= 9);
  await consumer.close();
  assert.deepEqual(got, [16, 17, 18, 19, 20, 21, 22, 23, 24]);
});

test("compaction keeps the newest record of each key and its offset; a tombstone is deleted after a day", async (t) => {
  const clock = clockAt(1_000_000);
  const log = await openLog(t, clock);
  await log.createTopics([{ name: "views", partitions: 1, cleanup: "compact", retentionMs: 1 }]);
  const put = (key: string | null, value: string) => log.publish("views", [{ key, value: Buffer.from(value) }]);
  for (const value of ["1", "2", "3"]) for (const key of ["a", "b", "c"]) await put(key, `${key}${value}`);
  await put(null, "no key");
  await put("b", "");
  const kept = async () => (await readAll(log, "views")).map(({ offset, value }) => `${offset} ${value.toString()}`);
  await log.applyRetention(clock.nowMs());
  assert.deepEqual(await kept(), ["6 a3", "8 c3", "9 no key", "10 "]);
  await log.applyRetention(clock.nowMs() + 2 * DAY_MS);
  assert.deepEqual(await kept(), ["6 a3", "8 c3", "9 no key"]);
  assert.deepEqual(await log.offsets("views"), [{ partition: 0, earliest: 0, next: 11 }]);
  const seen: string[] = [];
  const tail = await log.tail(["views"], ({ value }) => seen.push(value.toString()));
  await tail.caughtUp();
  assert.deepEqual(seen, ["a3", "c3", "no key"]);
  assert.deepEqual(await put("a", "a4"), [{ partition: 0, offset: 11 }]);
  await tail.caughtUp();
  assert.equal(seen.at(-1), "a4");
});

test("retention runs periodically by the clock and reports its failures", async (t) => {
  const sleeps: (() => void)[] = [];
  const clock: Clock = {
    nowMs: () => 5 * DAY_MS,
    monotonicMs: () => 0,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        sleeps.push(resolve);
        signal?.addEventListener("abort", () => resolve());
      }),
  };
  const log = await openLog(t, clock);
  await log.createTopics([{ name: "t", partitions: 1, cleanup: "delete", retentionBytes: 0 }]);
  await log.publish("t", [{ key: null, value: Buffer.from("x") }]);
  sleeps[0]!();
  await until("retention", async () => (await log.offsets("t"))[0]!.earliest === 1);
  await until("the next sleep", () => sleeps.length === 2);
});

test("later reads and writes do not change records that a handler keeps", async (t) => {
  const log = await openLog(t);
  await log.createTopics([{ name: "t", partitions: 1, cleanup: "delete", retentionBytes: 0 }]);
  const given = Buffer.alloc(50_000, 7);
  const publishing = log.publish("t", [{ key: "k", value: given }]);
  await publishing;
  given.fill(9);
  const [kept] = await readAll(log, "t");
  await log.applyRetention(Date.now());
  for (let n = 0; n < 20; n++) await log.publish("t", [{ key: "k", value: Buffer.alloc(50_000, n) }]);
  await readAll(log, "t");
  assert.ok(kept!.value.equals(Buffer.alloc(50_000, 7)));
});

test("a waiting consumer gets a new record as soon as publish resolves", async (t) => {
  const log = await openLog(t);
  await log.createTopics([{ name: "t", partitions: 1, cleanup: "delete" }]);
  let arrived: () => void = () => undefined;
  const consumer = await log.consume({ group: "g", topics: ["t"] }, () => async () => arrived());
  t.after(() => consumer.close());
  const delays: number[] = [];
  for (let n = 0; n < 20; n++) {
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    await log.publish("t", [{ key: null, value: Buffer.from("x") }]);
    const published = performance.now();
    await arrival;
    delays.push(performance.now() - published);
  }
  const median = delays.sort((a, b) => a - b)[10]!;
  assert.ok(median < 5, `median ${median.toFixed(2)} ms from durable to handed over`);
});

test("topics that are added later go to the members with the fewest partitions and move none", async (t) => {
  const log = await openLog(t);
  const assigned: string[][] = [[], []];
  for (const member of assigned) {
    const consumer = await log.consume({ group: "g", topics: /^t/ }, ({ topic }) => {
      member.push(topic);
      return async () => undefined;
    });
    t.after(() => consumer.close());
  }
  const names = Array.from({ length: 20 }, (_, n) => `t${n}`);
  for (const name of names) await log.createTopics([{ name, partitions: 1, cleanup: "delete" }]);
  await log.createTopics(names.map((name) => ({ name, partitions: 1, cleanup: "delete" as const })));
  await until("all topics are assigned", () => assigned.flat().length === 20);
  assert.equal(assigned[0]!.length, 10);
  assert.deepEqual(assigned.flat().toSorted(), names.toSorted());
});

test("publishes of many callers share one transaction", async (t) => {
  const log = await openLog(t);
  await log.createTopics([{ name: "t", partitions: 1, cleanup: "delete" }]);
  const publish = (n: number) => log.publish("t", [{ key: null, value: Buffer.from(String(n)) }]);
  const time = async (work: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const alone = await time(async () => {
    for (let n = 0; n < 50; n++) await publish(n);
  });
  const together = await time(() => Promise.all(Array.from({ length: 50 }, (_, n) => publish(n))));
  assert.ok(together < alone, `50 at once took ${together.toFixed(1)} ms, one by one ${alone.toFixed(1)} ms`);
});
