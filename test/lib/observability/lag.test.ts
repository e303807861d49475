import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { partitionOfKey } from "../../../lib/event-log/partitioner.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { lagReader, startLagGauges } from "../../../lib/observability/lag.ts";
import { Registry } from "../../../lib/process/metrics.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { withFaults } from "../../support/faults.ts";
import { seriesOf } from "../../support/counted.ts";
import { until } from "../../support/until.ts";

const FILE_EVENTS = TOPICS.fileEvents.name;
const AT_MS = 1_000_000;
const clockAt = (nowMs = AT_MS): FakeClock => new FakeClock(nowMs);

async function worldOf(clock: FakeClock): Promise<FakeEventLog> {
  const log = new FakeEventLog({ clock });
  await log.createTopics([TOPICS.fileEvents, rowsTopic("sales"), rowsTopic("idle")]);
  return log;
}

const publish = (log: EventLog, topic: string, key: string, count = 1) =>
  log.publish(
    topic,
    Array.from({ length: count }, () => ({ key, value: Buffer.from("v") })),
  );

/** A table whose events share the partition of `sales`. */
const neighbour = (() => {
  const partitions = TOPICS.fileEvents.partitions;
  for (let n = 0; ; n++) {
    const name = `t${n}`;
    if (partitionOfKey(name, partitions) === partitionOfKey("sales", partitions)) return name;
  }
})();

test("lag is read from the log: without a live member, before a first ack, and by table in a shared partition", async () => {
  const clock = clockAt();
  const log = await worldOf(clock);
  await publish(log, FILE_EVENTS, "sales", 2);
  clock.advance(5_000);
  await publish(log, FILE_EVENTS, neighbour);
  await publish(log, "rows.sales", "sales", 4);
  await log.resetGroup(GROUPS.committer, "rows.sales", [{ partition: 0, offset: 3 }]);
  clock.advance(1_000);
  const { partitions, tables } = await lagReader(log)(clock.nowMs());
  const partition = partitionOfKey("sales", TOPICS.fileEvents.partitions);
  assert.deepEqual(
    partitions.filter(({ messages }) => messages > 0),
    [
      { group: GROUPS.parser, topic: FILE_EVENTS, partition, messages: 3, seconds: 6 },
      { group: GROUPS.committer, topic: "rows.sales", partition: 0, messages: 1, seconds: 1 },
    ],
  );
  assert.equal(partitions.length, TOPICS.fileEvents.partitions + 2, "every partition, including those without lag");
  const of = (group: string, table: string) => tables.find((one) => one.group === group && one.table === table);
  assert.deepEqual(of(GROUPS.parser, "sales"), { group: GROUPS.parser, table: "sales", messages: 2, seconds: 6 });
  assert.deepEqual(of(GROUPS.parser, neighbour), { group: GROUPS.parser, table: neighbour, messages: 1, seconds: 1 });
  assert.deepEqual(of(GROUPS.committer, "sales"), { group: GROUPS.committer, table: "sales", messages: 1, seconds: 1 });
  assert.equal(of(GROUPS.committer, "idle")?.messages, 0);
});

test("the topics of many tables are read side by side, a limited number at a time", async () => {
  const log = await worldOf(clockAt());
  await log.createTopics(Array.from({ length: 100 }, (_, n) => rowsTopic(`t${n}`)));
  let running = 0;
  let most = 0;
  const slow = withFaults<EventLog>(log, async (method, moment) => {
    if (method !== "offsets") return;
    running += moment === "before" ? 1 : -1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
  });
  const { partitions } = await lagReader(slow)(AT_MS);
  assert.equal(partitions.length, TOPICS.fileEvents.partitions + 102);
  assert.equal(most, 64);
});

test("acked records do not count as lag, and each unacked record is read once", async () => {
  const clock = clockAt();
  const log = await worldOf(clock);
  let read = 0;
  const watched = new Proxy(log, {
    get: (target, name) =>
      name === "read"
        ? (topic: string, partition: number, from: number, to: number) => {
            read += to - from;
            return target.read(topic, partition, from, to);
          }
        : (Reflect.get(target, name) as unknown),
  });
  const measure = lagReader(watched);
  const partition = partitionOfKey("sales", TOPICS.fileEvents.partitions);
  await publish(log, FILE_EVENTS, "sales", 100);
  const messages = async () => (await measure(clock.nowMs())).partitions[partition]!.messages;
  assert.equal(await messages(), 100);
  await publish(log, FILE_EVENTS, "sales", 20);
  assert.equal(await messages(), 120);
  await log.resetGroup(GROUPS.parser, FILE_EVENTS, [{ partition, offset: 110 }]);
  assert.equal(await messages(), 10);
  assert.equal(read, 120);
  await log.resetGroup(GROUPS.parser, FILE_EVENTS, [{ partition, offset: 120 }]);
  clock.advance(1_000);
  assert.deepEqual((await measure(clock.nowMs())).partitions[partition], {
    group: GROUPS.parser,
    topic: FILE_EVENTS,
    partition,
    messages: 0,
    seconds: 0,
  });
});

const SALES = `{group="${GROUPS.committer}",topic="rows.sales",partition="0"}`;

test("a log that fails or never answers removes the lag series", async (t) => {
  const clock = clockAt();
  const log = await worldOf(clock);
  const registry = new Registry();
  let trouble: "none" | "fails" | "hangs" = "none";
  const hanging: (() => void)[] = [];
  const errors: unknown[] = [];
  const faulty = withFaults<EventLog>(log, (method, moment) => {
    if (method !== "offsets" || moment !== "before" || trouble === "none") return undefined;
    if (trouble === "fails") throw new TributaryError("LOG_UNAVAILABLE", "the broker is unavailable");
    return new Promise<void>((resolve) => hanging.push(resolve));
  });
  const onError = (thrown: unknown) => void errors.push(thrown);
  const gauges = startLagGauges({ log: faulty, clock, registry, everyMs: 10_000, onError });
  t.after(async () => {
    trouble = "none";
    for (const resume of hanging) resume();
    await gauges.stop();
  });
  const shown = () => seriesOf(registry, `tributary_consumer_lag_messages${SALES}`);
  await until("a first measurement", async () => (await shown()) === 0);
  await publish(log, "rows.sales", "sales", 7);
  clock.advance(10_000);
  await until("the second", async () => (await shown()) === 7);
  assert.equal(await seriesOf(registry, `tributary_table_lag_messages{group="${GROUPS.committer}",table="sales"}`), 7);

  trouble = "fails";
  clock.advance(10_000);
  await until("the failure is reported", () => errors.length > 0);
  assert.equal(await shown(), 7, "young enough");
  clock.advance(20_001);
  assert.equal(await shown(), undefined);
  assert.ok(!(await registry.metrics()).includes("tributary_table_lag_seconds{"), "none of the four gauges");

  trouble = "none";
  await until("it recovers automatically", async () => {
    clock.advance(10_000);
    return (await shown()) === 7;
  });
  trouble = "hangs";
  clock.advance(10_000);
  await until("a measurement hangs", () => hanging.length > 0);
  clock.advance(30_001);
  assert.equal(await shown(), undefined);
});

test("a deleted topic has no series", async (t) => {
  const clock = clockAt();
  const log = await worldOf(clock);
  const registry = new Registry();
  let gone = false;
  const shrinking = new Proxy(log, {
    get: (target, name) =>
      name === "topics" && gone ? async () => [FILE_EVENTS] : (Reflect.get(target, name) as unknown),
  });
  const gauges = startLagGauges({ log: shrinking, clock, registry, everyMs: 10_000, onError: assert.ifError });
  t.after(() => gauges.stop());
  const shown = () => seriesOf(registry, `tributary_consumer_lag_seconds${SALES}`);
  await until("a measurement", async () => (await shown()) === 0);
  gone = true;
  clock.advance(10_000);
  await until("the series disappears", async () => (await shown()) === undefined);
});
