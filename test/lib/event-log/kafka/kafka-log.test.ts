/** Behaviour that needs a real Kafka. Set TRIBUTARY_TEST_KAFKA. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import kafkajs, { Kafka, logLevel, type Admin } from "kafkajs";
import { systemClock } from "../../../../lib/clock.ts";
import type { EventLog, LogRecord } from "../../../../lib/event-log/event-log.ts";
import { openEventLog } from "../../../../lib/event-log/open.ts";
import { until } from "../../../support/until.ts";

const broker = process.env["TRIBUTARY_TEST_KAFKA"]?.replace(/^kafka:\/\//, "");
if (!broker && process.env["REQUIRE_STACK"] === "1") throw new Error("TRIBUTARY_TEST_KAFKA is not set");
const options = broker ? {} : { skip: "TRIBUTARY_TEST_KAFKA is not set: no Kafka to test" };

const unique = (what: string): string => `${what}-${randomUUID().slice(0, 8)}`;
const record = (value: string, key: string | null = "k") => ({ key, value: Buffer.from(value) });

async function setUp(t: TestContext): Promise<{ log: EventLog; kafka: Kafka; admin: Admin; topic: string }> {
  const log = await openEventLog(`kafka://${broker!}`, { clock: systemClock });
  t.after(() => log.close());
  const kafka = new Kafka({ brokers: [broker!], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  t.after(() => admin.disconnect());
  return { log, kafka, admin, topic: unique("topic") };
}

async function readAll(log: EventLog, topic: string): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const each of log.read(topic, 0, 0)) records.push(each);
  return records;
}

async function tailed(t: TestContext, log: EventLog, topic: string): Promise<string[]> {
  const seen: string[] = [];
  const tail = await log.tail([topic], ({ value }) => seen.push(value.toString()));
  t.after(() => tail.close());
  await tail.caughtUp();
  return seen;
}

test("topics are created as specified, with a record limit that fits a whole call", options, async (t) => {
  const { log, admin, topic } = await setUp(t);
  await log.createTopics([{ name: topic, partitions: 1, cleanup: "compact", retentionBytes: 12_345_678 }]);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  const config = Object.fromEntries(resources[0]!.configEntries.map((e) => [e.configName, e.configValue]));
  assert.equal(config["cleanup.policy"], "compact");
  assert.equal(config["retention.bytes"], "12345678");
  assert.equal(config["retention.ms"], "-1");
  const value = Buffer.alloc(900_000, 1);
  const places = await log.publish(
    topic,
    [1, 2, 3, 4].map((n) => ({ key: String(n), value })),
  );
  assert.deepEqual(
    places.map(({ offset }) => offset),
    [0, 1, 2, 3],
  );
});

test("a topic with a lower limit accepts records up to recordBytesMax", options, async (t) => {
  const { log, admin, topic } = await setUp(t);
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  const records = [1, 2, 3].map((n) => ({ key: String(n), value: Buffer.alloc(log.recordBytesMax - 1, n) }));
  const places = await log.publish(topic, records);
  assert.deepEqual(
    places.map(({ offset }) => offset),
    [0, 1, 2],
  );
  assert.deepEqual(
    (await readAll(log, topic)).map(({ value }) => value[0]),
    [1, 2, 3],
  );
});

test("gaps from committed and aborted transactions are skipped", options, async (t) => {
  const { log, kafka, topic } = await setUp(t);
  await log.createTopics([{ name: topic, partitions: 1, cleanup: "delete" }]);
  const group = unique("g");
  const producer = kafka.producer({ transactionalId: unique("tx"), idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  t.after(() => producer.disconnect());
  const transact = async (value: string, end: "commit" | "abort") => {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ key: "k", value }] });
    await transaction[end]();
  };
  await transact("a", "commit");
  await transact("never", "abort");
  await log.publish(topic, [record("b")]);
  await transact("never", "abort");
  assert.deepEqual(await tailed(t, log, topic), ["a", "b"], "with a gap at the end");
  assert.deepEqual(
    (await readAll(log, topic)).map(({ value }) => value.toString()),
    ["a", "b"],
  );
  const seen: string[] = [];
  const consumer = await log.consume({ group, topics: [topic] }, (partition) => async (records) => {
    seen.push(...records.map(({ value }) => value.toString()));
    await partition.ack(records.at(-1)!.offset + 1);
  });
  t.after(() => consumer.close());
  await until("both", () => seen.length === 2, 20_000);
  await log.publish(topic, [record("c")]);
  await until("the one behind the gap", () => seen.length === 3, 20_000);
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("compaction by the broker: tails and reads get the newest records and catch up", options, async (t) => {
  const { log, admin, topic } = await setUp(t);
  const configEntries = Object.entries({
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
  }).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: true });
  for (let n = 0; n < 3; n++) {
    for (const key of ["a", "b", "c"]) await log.publish(topic, [record(`${key}${n}`, key)]);
    await systemClock.sleep(120);
  }
  await log.publish(topic, [{ key: "c", value: Buffer.alloc(0) }]);
  await systemClock.sleep(120);
  await log.publish(topic, [record("end", "z")]);
  await until("the cleaner", async () => (await readAll(log, topic)).length < 8, 60_000);
  const view = new Map<string, string>();
  const tail = await log.tail([topic], ({ key, value }) => {
    if (value.length === 0) view.delete(key!);
    else view.set(key!, value.toString());
  });
  t.after(() => tail.close());
  await tail.caughtUp();
  assert.deepEqual(Object.fromEntries(view), { a: "a2", b: "b2", z: "end" });
});

test("a group whose next record was deleted by retention continues from the earliest", options, async (t) => {
  const { log, admin, topic } = await setUp(t);
  await log.createTopics([{ name: topic, partitions: 1, cleanup: "delete" }]);
  const group = unique("g");
  for (const n of [0, 1, 2, 3, 4]) await log.publish(topic, [record(String(n))]);
  await log.resetGroup(group, topic, [{ partition: 0, offset: 1 }]);
  // deleteTopicRecords uses only metadata that another request has loaded.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "3" }] });
  assert.deepEqual(await log.offsets(topic), [{ partition: 0, earliest: 3, next: 5 }]);
  const seen: string[] = [];
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const consumer = await log.consume({ group, topics: [topic], onError }, () => async (records) => {
    seen.push(...records.map(({ value }) => value.toString()));
  });
  t.after(() => consumer.close());
  await until("the kept records", () => seen.length === 2, 20_000);
  assert.deepEqual(seen, ["3", "4"]);
  assert.equal(errors.length, 1, "the loss is reported");
  assert.deepEqual(
    (await readAll(log, topic)).map(({ offset }) => offset),
    [3, 4],
  );
});

test("a killed member is replaced, and its unacked records are delivered again", options, async (t) => {
  const { log, topic } = await setUp(t);
  const group = unique("g");
  await log.createTopics([{ name: topic, partitions: 1, cleanup: "delete" }]);
  for (const n of [0, 1, 2]) await log.publish(topic, [record(String(n))]);
  const script = fileURLToPath(new URL("consume-until-killed.ts", import.meta.url));
  const args = ["--import", "tsx", script, `kafka://${broker!}`, topic, group];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await until("the child to get all", () => output.split("\n").length > 3, 30_000);

  const seen: number[] = [];
  const consumer = await log.consume({ group, topics: [topic] }, () => async (records) => {
    seen.push(...records.map(({ offset }) => offset));
  });
  t.after(() => consumer.close());
  await consumer.joined();
  child.kill("SIGKILL");
  await until("the takeover", () => seen.length === 3, 40_000);
  assert.deepEqual(seen, [0, 1, 2]);
});
