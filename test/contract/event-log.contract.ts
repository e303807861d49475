import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, describe, test, type TestContext } from "node:test";
import { hasCode, type ErrorCode } from "../../lib/errors.ts";
import type {
  AssignedPartition,
  ConsumeOptions,
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
} from "../../lib/event-log/event-log.ts";
import { partitionOfKey } from "../../lib/event-log/partitioner.ts";
import type { TopicSpec } from "../../lib/messages/topics.ts";
import { until } from "../support/until.ts";

/** One event log under test. */
export interface EventLogSubject {
  /** Opens the log as a process does. After `close` it can be opened again with its data. */
  open(): Promise<EventLog>;
  /** The connection of a second process, if the log supports that; otherwise the log itself. */
  peer(log: EventLog): Promise<EventLog>;
  /** Time limit for a rebalance. */
  patienceMs: number;
  /** Releases the subject's resources; all logs are already closed. */
  dispose(): Promise<void>;
}

interface Bench {
  /** A separate subject that the test can open and close. */
  subject(t: TestContext): Promise<EventLogSubject>;
  peer(log: EventLog): Promise<EventLog>;
  /** The log shared by most tests. */
  log(): Promise<EventLog>;
  /** Creates a new topic for one test. */
  topic(spec?: Partial<TopicSpec>): Promise<string>;
  waitFor<T>(what: string, condition: () => T | Promise<T>): Promise<Exclude<T, false | null | undefined>>;
}

/** The contract of every event log (lib/event-log/event-log.ts). */
export function eventLogContract(name: string, makeSubject: () => Promise<EventLogSubject>, skip?: string): void {
  describe(`EventLog contract: ${name}`, skip === undefined ? {} : { skip }, () => {
    let made: Promise<{ subject: EventLogSubject; log: EventLog }> | undefined;
    const get = () => (made ??= makeSubject().then(async (subject) => ({ subject, log: await subject.open() })));
    const bench: Bench = {
      async subject(t) {
        const subject = await makeSubject();
        t.after(() => subject.dispose());
        return subject;
      },
      peer: async (log) => (await get()).subject.peer(log),
      log: async () => (await get()).log,
      async topic(spec = {}) {
        const topic = unique("topic");
        await (await get()).log.createTopics([{ name: topic, partitions: 1, cleanup: "delete", ...spec }]);
        return topic;
      },
      async waitFor(what, condition) {
        return until(what, condition, (await get()).subject.patienceMs);
      },
    };
    after(async () => {
      if (!made) return;
      const { subject, log } = await made;
      await log.close();
      await subject.dispose();
    });
    publishing(bench);
    consuming(bench);
    sharing(bench);
    failing(bench);
    tailing(bench);
    positions(bench);
    closing(bench);
  });
}

const unique = (what: string): string => `${what}-${randomUUID().slice(0, 8)}`;
const text = (value: string, key: string | null = "k"): NewRecord => ({ key, value: Buffer.from(value) });
const texts = (records: readonly LogRecord[]): string[] => records.map(({ value }) => value.toString());
const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => String(from + i));
const code = (expected: ErrorCode) => (thrown: unknown) =>
  hasCode(thrown, expected) || assert.fail(`expected ${expected}, got ${String(thrown)}`);

async function readAll(log: EventLog, topic: string, partition = 0, from = 0, to?: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of log.read(topic, partition, from, to)) records.push(record);
  return records;
}

interface Collected {
  consumer: Consumer;
  records: LogRecord[];
  assignments: AssignedPartition[];
  errors: unknown[];
}

/** A consumer that records what it receives and acks it by default. */
async function collect(
  t: TestContext,
  log: EventLog,
  options: Omit<ConsumeOptions, "onError">,
  handle: (records: LogRecord[], partition: AssignedPartition) => Promise<unknown> = (records, partition) =>
    partition.ack(records.at(-1)!.offset + 1),
): Promise<Collected> {
  const records: LogRecord[] = [];
  const assignments: AssignedPartition[] = [];
  const errors: unknown[] = [];
  const consumer = await log.consume({ ...options, onError: (error) => errors.push(error) }, (partition) => {
    assignments.push(partition);
    return async (batch) => {
      records.push(...batch);
      await handle(batch, partition);
    };
  });
  t.after(() => consumer.close());
  return { consumer, records, assignments, errors };
}

function publishing(bench: Bench): void {
  test("publish: positions are in order and contiguous from 0, and read returns the records", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    const first = await log.publish(topic, [text("a"), text("b"), text("c")]);
    const second = await log.publish(topic, [text("d")]);
    assert.deepEqual(
      [...first, ...second],
      [0, 1, 2, 3].map((offset) => ({ partition: 0, offset })),
    );
    const records = await readAll(log, topic);
    assert.deepEqual(texts(records), ["a", "b", "c", "d"]);
    for (const [offset, record] of records.entries()) {
      assert.deepEqual(
        { topic: record.topic, partition: record.partition, offset: record.offset, key: record.key },
        { topic, partition: 0, offset, key: "k" },
      );
      assert.ok(Math.abs(record.timestampMs - Date.now()) < 60_000, "written just now");
    }
    assert.deepEqual(await log.publish(topic, []), []);
  });

  test("publish: headers are returned unchanged, with and without a key, only on their records", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-ü": "größe\n" };
    const value = Buffer.from("v");
    const given = [
      { key: "k", value, headers },
      { key: "k", value },
      { key: null, value, headers },
      { key: "k", value: Buffer.alloc(0), headers },
      { key: "", value, headers },
    ];
    await log.publish(topic, given);
    const handed: LogRecord[] = [];
    const tail = await log.tail([topic], (record) => handed.push(record));
    await tail.caughtUp();
    await tail.close();
    for (const records of [await readAll(log, topic), handed]) {
      assert.deepEqual(
        records.map(({ key, value, headers }) => (headers ? { key, value, headers } : { key, value })),
        given,
      );
    }
  });

  test("publish: a key always maps to the same partition, on every log", async () => {
    const [log, topic] = [await bench.log(), await bench.topic({ partitions: 5 })];
    const keys = [...numbers(40).map((n) => `table_${n}`), "ключ", "", "表"];
    for (let round = 0; round < 2; round++) {
      const places = await log.publish(
        topic,
        keys.map((key) => text("x", key)),
      );
      assert.deepEqual(
        places.map(({ partition }) => partition),
        keys.map((key) => partitionOfKey(key, 5)),
      );
    }
    const byPartition = await Promise.all([0, 1, 2, 3, 4].map((partition) => readAll(log, topic, partition)));
    byPartition.forEach((records, partition) => {
      assert.deepEqual(
        records.map(({ offset }) => offset),
        [...records.keys()],
      );
      assert.ok(
        records.every(({ key }) => partitionOfKey(key!, 5) === partition),
        "keys in place",
      );
    });
    assert.equal(byPartition.flat().length, 2 * keys.length);
  });

  test("publish: large, empty and binary values, empty keys and null keys are returned unchanged", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    const big = Buffer.alloc(log.recordBytesMax - 1);
    for (let i = 0; i < big.length; i += 4093) big[i] = i % 251;
    const records: NewRecord[] = [
      { key: "k", value: Buffer.alloc(0) },
      { key: null, value: Buffer.from([0, 255, 13, 10, 0]) },
      { key: "", value: Buffer.from("empty key") },
      { key: null, value: Buffer.alloc(0) },
      { key: "b", value: big },
    ];
    for (const record of records) await log.publish(topic, [record]);
    const back = await readAll(log, topic);
    assert.deepEqual(
      back.map(({ key }) => key),
      records.map(({ key }) => key),
    );
    back.forEach((record, index) => assert.ok(record.value.equals(records[index]!.value), `value ${index}`));
  });

  test("publish: records with null keys go to any partition, and all arrive", async () => {
    const [log, topic] = [await bench.log(), await bench.topic({ partitions: 3 })];
    await log.publish(
      topic,
      numbers(20).map((n) => text(n, null)),
    );
    const all = (await Promise.all([0, 1, 2].map((partition) => readAll(log, topic, partition)))).flat();
    assert.deepEqual(
      texts(all)
        .map(Number)
        .sort((a, b) => a - b),
      numbers(20).map(Number),
    );
  });

  test("publish: a record above recordBytesMax makes the whole call fail", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    assert.ok(log.recordBytesMax >= 1_000_000, "a megabyte at least");
    const large = { key: null, value: Buffer.alloc(log.recordBytesMax + 1) };
    await assert.rejects(log.publish(topic, [text("small"), large]), code("LOG_RECORD_TOO_LARGE"));
    assert.deepEqual(await readAll(log, topic), []);
  });

  test("publish: concurrent publishers keep their order and leave no gap", async () => {
    const [log, topic] = [await bench.log(), await bench.topic({ partitions: 2 })];
    await Promise.all(
      numbers(8).map(async (publisher) => {
        for (let n = 0; n < 10; n++) {
          await log.publish(topic, [
            text(`${publisher}:${2 * n}`, publisher),
            text(`${publisher}:${2 * n + 1}`, publisher),
          ]);
        }
      }),
    );
    const partitions = await Promise.all([0, 1].map((partition) => readAll(log, topic, partition)));
    for (const records of partitions)
      assert.deepEqual(
        records.map(({ offset }) => offset),
        [...records.keys()],
      );
    for (const publisher of numbers(8)) {
      const mine = partitions.flat().filter(({ key }) => key === publisher);
      assert.deepEqual(
        texts(mine),
        numbers(20).map((n) => `${publisher}:${n}`),
      );
    }
  });

  test("publish: calls made without waiting keep their order", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    await Promise.all(numbers(30).map((n) => log.publish(topic, [text(n)])));
    assert.deepEqual(texts(await readAll(log, topic)), numbers(30));
  });

  test("topics: created once, listed; an unknown one fails with LOG_TOPIC_UNKNOWN everywhere", async () => {
    const [log, topic] = [await bench.log(), await bench.topic({ partitions: 2 })];
    await log.publish(topic, [text("kept")]);
    await log.createTopics([{ name: topic, partitions: 7, cleanup: "compact" }]);
    assert.equal((await log.offsets(topic)).length, 2, "an existing topic is not changed");
    assert.ok((await log.topics()).includes(topic), "listed");
    const missing = unique("missing");
    await assert.rejects(log.publish(missing, [text("x")]), code("LOG_TOPIC_UNKNOWN"));
    await assert.rejects(log.offsets(missing), code("LOG_TOPIC_UNKNOWN"));
    await assert.rejects(log.groupOffsets("g", missing), code("LOG_TOPIC_UNKNOWN"));
    await assert.rejects(
      log.tail([missing], () => undefined),
      code("LOG_TOPIC_UNKNOWN"),
    );
    await assert.rejects(readAll(log, missing), code("LOG_TOPIC_UNKNOWN"));
    await assert.rejects(readAll(log, topic, 2), code("LOG_TOPIC_UNKNOWN"));
    const options = { group: unique("g"), topics: [missing] };
    await assert.rejects(
      log.consume(options, () => async () => undefined),
      code("LOG_TOPIC_UNKNOWN"),
    );
    assert.ok(!(await log.topics()).includes(missing), "a request creates no topic");
    await log.ready();
  });
}

function consuming(bench: Bench): void {
  test("consume: from the earliest in order, then new records, then from the ack", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    await log.publish(
      topic,
      numbers(5).map((n) => text(n)),
    );
    const first = await collect(t, log, { group, topics: [topic] });
    await first.consumer.joined();
    await bench.waitFor("the backlog", () => first.records.length >= 5);
    await log.publish(
      topic,
      numbers(5, 5).map((n) => text(n)),
    );
    await bench.waitFor("the news", () => first.records.length >= 10);
    await first.consumer.close();
    assert.deepEqual(texts(first.records), numbers(10));
    assert.deepEqual(await log.groupOffsets(group, topic), [{ partition: 0, offset: 10 }]);

    await log.publish(topic, [text("10")]);
    const second = await collect(t, log, { group, topics: [topic] });
    await bench.waitFor("the rest", () => second.records.length >= 1);
    assert.deepEqual(texts(second.records), ["10"]);
    assert.deepEqual([first.errors, second.errors], [[], []]);
  });

  test("consume: unacked records are delivered again to the next consumer, acked ones are not", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    await log.publish(
      topic,
      numbers(6).map((n) => text(n)),
    );
    const first = await collect(t, log, { group, topics: [topic] }, async (records, partition) => {
      if (records[0]!.offset < 4) await partition.ack(4);
    });
    await bench.waitFor("all records, the first time", () => first.records.length >= 6);
    await first.consumer.close();
    const second = await collect(t, log, { group, topics: [topic] });
    await bench.waitFor("the unacked records, again", () => second.records.length >= 2);
    assert.deepEqual(texts(second.records), ["4", "5"]);
  });

  test("consume: after a restart unacked records are delivered again, and nothing is lost", async (t) => {
    const [subject, topic, group] = [await bench.subject(t), unique("topic"), unique("g")];
    const before = await subject.open();
    await before.createTopics([{ name: topic, partitions: 1, cleanup: "delete" }]);
    await before.publish(
      topic,
      numbers(4).map((n) => text(n)),
    );
    const first = await collect(t, before, { group, topics: [topic] }, async (records, partition) => {
      if (records[0]!.offset === 0) await partition.ack(1);
    });
    await bench.waitFor("all records", () => first.records.length >= 4);
    await before.close();

    const log = await subject.open();
    t.after(() => log.close());
    const [place] = await log.publish(topic, [text("4")]);
    assert.equal(place!.offset, 4);
    assert.deepEqual(await log.groupOffsets(group, topic), [{ partition: 0, offset: 1 }]);
    const second = await collect(t, log, { group, topics: [topic] });
    await bench.waitFor("the unacked", () => second.records.length >= 4);
    assert.deepEqual(texts(second.records), ["1", "2", "3", "4"]);
  });

  test("consume: groups are independent", async (t) => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    await log.publish(
      topic,
      numbers(3).map((n) => text(n)),
    );
    const both = await Promise.all(["a", "b"].map((g) => collect(t, log, { group: unique(g), topics: [topic] })));
    await bench.waitFor("both groups", () => both.every(({ records }) => records.length >= 3));
    for (const { records } of both) assert.deepEqual(texts(records), numbers(3));
  });

  test("consume: one handler call at a time, in bounded batches; the next records wait for it", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    const value = Buffer.alloc(10_000, 1);
    for (let n = 0; n < 10; n++)
      await log.publish(
        topic,
        numbers(20).map(() => ({ key: "k", value })),
      );
    let running = 0;
    let batchMax = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const got = await collect(t, log, { group, topics: [topic], fetchBytesMax: 50_000 }, async (records, partition) => {
      assert.equal(++running, 1);
      batchMax = Math.max(batchMax, records.length);
      if (records[0]!.offset === 0) await held;
      await partition.ack(records.at(-1)!.offset + 1);
      running--;
    });
    await bench.waitFor("the first batch", () => got.records.length > 0);
    const early = got.records.length;
    await log.publish(topic, [text("more")]);
    assert.equal(got.records.length, early, "the handler was still running");
    release();
    await bench.waitFor("all", () => got.records.length >= 201);
    assert.deepEqual(
      got.records.map(({ offset }) => offset),
      [...Array(201).keys()],
    );
    assert.ok(batchMax <= 10, `${batchMax} records of 10 kB at once, with about 50 kB allowed`);
    assert.deepEqual(got.errors, []);
  });

  test("consume: a slow partition does not delay another", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 2 }), unique("g")];
    const keys = ["a", "b", "c", "d", "e"];
    const slow = partitionOfKey("a", 2);
    const other = keys.find((key) => partitionOfKey(key, 2) !== slow)!;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const got = await collect(t, log, { group, topics: [topic] }, async (records, { partition }) => {
      if (records[0]!.partition === slow) await held;
      assert.equal(records[0]!.partition, partition);
    });
    for (const n of numbers(5)) await log.publish(topic, [text(n, "a"), text(n, other)]);
    await bench.waitFor("the fast partition", () => got.records.filter(({ key }) => key === other).length >= 5);
    release();
    await bench.waitFor("both", () => got.records.length >= 10);
  });

  test("consume: a pattern includes topics created later", async (t) => {
    const [log, prefix, group] = [await bench.log(), unique("rows"), unique("g")];
    await log.createTopics([{ name: `${prefix}.one`, partitions: 1, cleanup: "delete" }]);
    await log.publish(`${prefix}.one`, [text("1")]);
    const got = await collect(t, log, { group, topics: new RegExp(`^${prefix}\\.[a-z]+$`) });
    await got.consumer.joined();
    await bench.waitFor("the existing topic", () => got.records.length >= 1);
    await log.createTopics([
      { name: `${prefix}.two`, partitions: 1, cleanup: "delete" },
      { name: `${prefix}-else`, partitions: 1, cleanup: "delete" },
    ]);
    await log.publish(`${prefix}-else`, [text("no")]);
    await log.publish(`${prefix}.two`, [text("2")]);
    await log.publish(`${prefix}.one`, [text("3")]);
    await bench.waitFor("the new topic", () => new Set(texts(got.records)).size >= 3);
    assert.deepEqual([...new Set(texts(got.records))].sort(), ["1", "2", "3"]);
  });

  test("consume: a pattern that matches nothing joins, and receives the first matching topic later", async (t) => {
    const [log, prefix, group] = [await bench.log(), unique("late"), unique("g")];
    const got = await collect(t, log, { group, topics: new RegExp(`^${prefix}`) });
    await got.consumer.joined();
    await log.createTopics([{ name: `${prefix}.x`, partitions: 1, cleanup: "delete" }]);
    await log.publish(`${prefix}.x`, [text("1")]);
    await bench.waitFor("the record", () => got.records.length >= 1);
  });
}

function sharing(bench: Bench): void {
  test("groups: partitions that do not move are not interrupted by new topics and members", async (t) => {
    const [log, prefix, group] = [await bench.log(), unique("calm"), unique("g")];
    const peer = await bench.peer(log);
    t.after(() => (peer === log ? undefined : peer.close()));
    const make = (name: string) => log.createTopics([{ name: `${prefix}.${name}`, partitions: 1, cleanup: "delete" }]);
    await make("a");
    const topics = new RegExp(`^${prefix}`);
    const first = await collect(t, log, { group, topics });
    await bench.waitFor("the first topic", () => first.assignments.length === 1);
    await make("b");
    await bench.waitFor("the second topic", () => first.assignments.length === 2);
    const second = await collect(t, peer, { group, topics });
    await bench.waitFor("a partition for the second member", () => second.assignments.length === 1);
    const kept = first.assignments.filter(({ signal }) => !signal.aborted);
    assert.equal(kept.length, 1, "one stays");
    await second.consumer.close();
    await bench.waitFor("the takeover", () => first.assignments.length === 3);
    await log.publish(kept[0]!.topic, [text("still here")]);
    await bench.waitFor("its record", () => first.records.length === 1);
    await bench.waitFor("its ack", async () => (await log.groupOffsets(group, kept[0]!.topic)).length === 1);
    assert.equal(kept[0]!.signal.aborted, false);
    assert.deepEqual([first.errors, second.errors], [[], []]);
  });

  test("groups: two members share the partitions without overlap; the remaining one takes over", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 4 }), unique("g")];
    const peer = await bench.peer(log);
    t.after(() => (peer === log ? undefined : peer.close()));
    const keys = numbers(24).map((n) => `key${n}`);
    const first = await collect(t, log, { group, topics: [topic] });
    await first.consumer.joined();
    const second = await collect(t, peer, { group, topics: [topic] });
    await second.consumer.joined();
    const live = ({ assignments }: Collected) => assignments.filter(({ signal }) => !signal.aborted);
    const places = (of: Collected) => live(of).map(({ partition }) => partition);
    await bench.waitFor("an even share", () => places(first).length === 2 && places(second).length === 2);
    assert.deepEqual([...places(first), ...places(second)].sort(), [0, 1, 2, 3]);

    await log.publish(
      topic,
      keys.map((key) => text("1", key)),
    );
    const all = () => [...first.records, ...second.records];
    await bench.waitFor("every record once", () => all().length >= 24);
    assert.equal(new Set(all().map(({ key }) => key)).size, 24);
    assert.ok(first.records.length > 0 && second.records.length > 0, "both members received records");

    await second.consumer.close();
    await bench.waitFor("the takeover", () => places(first).length === 4);
    await log.publish(
      topic,
      keys.map((key) => text("2", key)),
    );
    const later = () => first.records.filter(({ value }) => value.toString() === "2");
    await bench.waitFor("the rest", () => later().length >= 24);
    assert.equal(new Set(later().map(({ key }) => key)).size, 24);
  });

  test("groups: the live members are listed with what each one owns", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 4 }), unique("g")];
    assert.deepEqual(await log.groupMembers(group), []);
    const peer = await bench.peer(log);
    t.after(() => (peer === log ? undefined : peer.close()));
    const first = await collect(t, log, { group, topics: [topic] });
    const second = await collect(t, peer, { group, topics: [topic] });
    const owned = async () => (await log.groupMembers(group)).map(({ partitions }) => partitions);
    await bench.waitFor("an even share", async () => (await owned()).filter((own) => own.length === 2).length === 2);
    const places = (await owned()).flat().map((place) => `${place.topic} ${place.partition}`);
    assert.deepEqual(
      places.sort(),
      [0, 1, 2, 3].map((partition) => `${topic} ${partition}`),
    );
    assert.equal(new Set((await log.groupMembers(group)).map(({ id }) => id)).size, 2);
    await second.consumer.close();
    await bench.waitFor("one member", async () => (await owned()).length === 1);
    await first.consumer.close();
  });

  test("groups: joining and leaving members lose nothing and keep each key's order", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 3 }), unique("g")];
    const keys = ["a", "b", "c", "d", "e", "f"];
    const seen = new Map<string, number[]>(keys.map((key) => [key, []]));
    const join = () =>
      collect(t, log, { group, topics: [topic] }, async (records, partition) => {
        for (const { key, value } of records) seen.get(key!)!.push(Number(value.toString()));
        await partition.ack(records.at(-1)!.offset + 1).catch(() => undefined);
      });
    const stay = await join();
    await stay.consumer.joined();
    for (let round = 0; round < 3; round++) {
      const visitor = await join();
      for (let n = 0; n < 5; n++)
        await log.publish(
          topic,
          keys.map((key) => text(String(5 * round + n), key)),
        );
      await visitor.consumer.joined();
      await visitor.consumer.close();
    }
    const acked = async () => (await log.groupOffsets(group, topic)).reduce((sum, { offset }) => sum + offset, 0);
    await bench.waitFor("everything acked", async () => (await acked()) === 15 * keys.length);
    for (const key of keys) {
      const first = seen.get(key)!.filter((n, at, all) => all.indexOf(n) === at);
      assert.deepEqual(first, [...Array(15).keys()], `first sight of each record of key ${key} is in order`);
    }
  });

  test("groups: an ack through a moved assignment throws and changes nothing", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 2 }), unique("g")];
    const peer = await bench.peer(log);
    t.after(() => (peer === log ? undefined : peer.close()));
    await log.publish(
      topic,
      numbers(20).map((n) => text(n, n)),
    );
    const nothing = async () => undefined;
    const first = await collect(t, log, { group, topics: [topic] }, nothing);
    await bench.waitFor("all records", () => first.records.length >= 20);
    const before = [...first.assignments];
    const second = await collect(t, peer, { group, topics: [topic] });
    await second.consumer.joined();
    const moved = await bench.waitFor("a partition to move", () => before.find(({ signal }) => signal.aborted));
    await bench.waitFor("its records again", () => second.records.length > 0);
    const end = (await log.offsets(topic))[moved.partition]!.next;
    const isAcked = async () => (await log.groupOffsets(group, topic)).some(({ offset }) => offset === end);
    await bench.waitFor("all records acked", isAcked);
    const acked = await log.groupOffsets(group, topic);
    await assert.rejects(moved.ack(1), code("ASSIGNMENT_LOST"));
    await assert.rejects(moved.confirm(), code("ASSIGNMENT_LOST"));
    const kept = first.assignments.find(({ signal }) => !signal.aborted);
    await kept!.confirm();
    assert.deepEqual(await log.groupOffsets(group, topic), acked);
  });

  test("groups: an ack never lowers a position", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    await log.publish(
      topic,
      numbers(5).map((n) => text(n)),
    );
    const got = await collect(t, log, { group, topics: [topic] }, async () => undefined);
    await bench.waitFor("the records", () => got.records.length >= 5);
    const [partition] = got.assignments;
    await partition!.ack(4);
    await partition!.ack(2);
    await Promise.all([partition!.ack(5), partition!.ack(3)]);
    assert.deepEqual(await log.groupOffsets(group, topic), [{ partition: 0, offset: 5 }]);
  });
}

function failing(bench: Bench): void {
  test("failure: a handler that throws ends its assignment; a new one starts at the ack after a pause", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 2 }), unique("g")];
    const [bad, good] = [partitionOfKey("bad", 2), 1 - partitionOfKey("bad", 2)];
    const goodKey = numbers(20).find((key) => partitionOfKey(key, 2) === good)!;
    await log.publish(
      topic,
      numbers(6).map((n) => text(n, "bad")),
    );
    let failures = 0;
    const at: number[] = [];
    const got = await collect(t, log, { group, topics: [topic] }, async (records, partition) => {
      if (partition.partition === good) return partition.ack(records.at(-1)!.offset + 1);
      if (failures === 0) await partition.ack(2);
      at.push(performance.now());
      if (++failures <= 3) throw new Error(`failure ${failures}`);
      await partition.ack(records.at(-1)!.offset + 1);
    });
    await bench.waitFor("the first failure", () => failures >= 1);
    await log.publish(topic, [text("meanwhile", goodKey)]);
    await bench.waitFor("the end", async () => {
      const acked = await log.groupOffsets(group, topic);
      return acked.some(({ partition, offset }) => partition === bad && offset === 6) && got.records.at(-1);
    });
    const mine = got.records.filter(({ partition }) => partition === bad);
    assert.deepEqual(texts(mine.slice(0, 2)), ["0", "1"]);
    assert.deepEqual(texts(mine.slice(-4)), ["2", "3", "4", "5"], "from the last ack on");
    assert.ok(mine.filter(({ offset }) => offset === 0).length === 1, "acked records are not delivered again");
    const mineAssigned = got.assignments.filter(({ partition }) => partition === bad);
    assert.equal(mineAssigned.length, 4);
    assert.deepEqual(
      mineAssigned.map(({ signal }) => signal.aborted),
      [true, true, true, false],
    );
    await assert.rejects(mineAssigned[0]!.ack(6), code("ASSIGNMENT_LOST"));
    assert.deepEqual(
      got.errors.map((error) => (error as Error).message),
      ["failure 1", "failure 2", "failure 3"],
    );
    const pauses = at.slice(1).map((ms, index) => ms - at[index]!);
    assert.ok(pauses[0]! >= 80 && pauses[2]! > pauses[0]!, `growing pauses: ${pauses.map(Math.round).join(", ")} ms`);
    const others = got.assignments.filter(({ partition }) => partition === good);
    assert.deepEqual(
      others.map(({ signal }) => signal.aborted),
      [false],
      "the other partition continues",
    );
    await bench.waitFor("the other partition's record", () => got.records.some(({ partition }) => partition === good));
  });

  test("failure: an `assigned` that throws is retried", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    await log.publish(topic, [text("x")]);
    const errors: unknown[] = [];
    const got: string[] = [];
    const consumer = await log.consume({ group, topics: [topic], onError: (error) => errors.push(error) }, () => {
      if (errors.length < 1) throw new Error("not yet");
      return async (records) => void got.push(...texts(records));
    });
    t.after(() => consumer.close());
    await bench.waitFor("the record", () => got.length > 0);
    assert.deepEqual([got, errors.length], [["x"], 1]);
  });
}

function tailing(bench: Bench): void {
  test("tail: everything from the earliest, caughtUp, then new records", async (t) => {
    const [log, one, two] = [await bench.log(), await bench.topic({ partitions: 3 }), await bench.topic()];
    await log.publish(
      one,
      numbers(30).map((n) => text(n, n)),
    );
    await log.publish(
      two,
      numbers(3).map((n) => text(n)),
    );
    const records: LogRecord[] = [];
    const tail = await log.tail([one, two], (record) => void records.push(record));
    t.after(() => tail.close());
    await tail.caughtUp();
    assert.equal(records.length, 33);
    for (const partition of [0, 1, 2]) {
      const mine = records.filter((record) => record.topic === one && record.partition === partition);
      assert.deepEqual(
        mine.map(({ offset }) => offset),
        [...mine.keys()],
      );
    }
    await log.publish(two, [text("news")]);
    await tail.caughtUp();
    assert.equal(records.at(-1)!.value.toString(), "news");
    await tail.close();
    await log.publish(two, [text("too late")]);
    await tail.close();
    assert.equal(records.length, 34);
  });

  test("tail: caught up immediately with empty topics and with no topics", async (t) => {
    const [log, topic] = [await bench.log(), await bench.topic({ partitions: 4 })];
    const tails = [await log.tail([topic], () => assert.fail("no records")), await log.tail([], () => undefined)];
    for (const tail of tails) t.after(() => tail.close());
    await Promise.all(tails.map((tail) => tail.caughtUp()));
  });

  test("tail: a record that its reader cannot take hides no other", async (t) => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    await log.publish(
      topic,
      numbers(5).map((n) => text(n)),
    );
    const seen: number[] = [];
    const tail = await log.tail([topic], ({ offset }) => {
      if (offset === 1 || offset === 5) throw new Error("unreadable");
      seen.push(offset);
    });
    t.after(() => tail.close());
    await tail.caughtUp();
    await log.publish(topic, [text("unreadable"), text("readable")]);
    await tail.caughtUp();
    assert.deepEqual(seen, [0, 2, 3, 4, 6]);
  });

  test("tail: caughtUp resolves while others publish", async (t) => {
    const [log, topic] = [await bench.log(), await bench.topic({ partitions: 2 })];
    const seen = new Set<string>();
    const tail = await log.tail([topic], ({ value }) => void seen.add(value.toString()));
    t.after(() => tail.close());
    await Promise.all(
      numbers(4).map(async (publisher) => {
        for (let n = 0; n < 10; n++) {
          const value = `${publisher}:${n}`;
          await log.publish(topic, [text(value, publisher)]);
          await tail.caughtUp();
          assert.ok(seen.has(value), `${value} was published before caughtUp was asked`);
        }
      }),
    );
    assert.equal(seen.size, 40);
  });

  test("compaction: the newest record of each key stays; a deleted key is empty or absent", async () => {
    const [log, topic] = [await bench.log(), await bench.topic({ cleanup: "compact" })];
    for (let n = 0; n < 5; n++)
      await log.publish(
        topic,
        ["a", "b", "c"].map((key) => text(`${key}${n}`, key)),
      );
    await log.publish(topic, [{ key: "c", value: Buffer.alloc(0) }]);
    const view = new Map<string, string>();
    const tail = await log.tail([topic], ({ key, value }) => {
      if (value.length === 0) view.delete(key!);
      else view.set(key!, value.toString());
    });
    await tail.caughtUp();
    await tail.close();
    assert.deepEqual(
      [...view],
      [
        ["a", "a4"],
        ["b", "b4"],
      ],
    );
  });
}

function positions(bench: Bench): void {
  test("read: any range, up to the end at the time of the call", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    await log.publish(
      topic,
      numbers(10).map((n) => text(n)),
    );
    const values = async (from: number, to?: number) => texts(await readAll(log, topic, 0, from, to));
    assert.deepEqual(await values(0), numbers(10));
    assert.deepEqual(await values(3, 6), ["3", "4", "5"]);
    assert.deepEqual(await values(9, 10), ["9"]);
    assert.deepEqual(await values(8, 100), ["8", "9"]);
    assert.deepEqual(await values(5, 5), []);
    assert.deepEqual(await values(6, 5), []);
    assert.deepEqual(await values(10), []);
    assert.deepEqual(await values(50), []);
    const iterator = log.read(topic, 0, 8)[Symbol.asyncIterator]();
    assert.equal(((await iterator.next()).value as LogRecord).offset, 8);
    await log.publish(topic, [text("10")]);
    assert.equal(((await iterator.next()).value as LogRecord).offset, 9);
    assert.equal((await iterator.next()).done, true);
  });

  test("read: more than one fetch", async () => {
    const [log, topic] = [await bench.log(), await bench.topic()];
    const value = Buffer.alloc(300_000, 5);
    for (let n = 0; n < 12; n++) await log.publish(topic, [{ key: null, value }, text(String(n))]);
    const back = await readAll(log, topic, 0, 1);
    assert.deepEqual(
      back.map(({ offset }) => offset),
      numbers(23, 1).map(Number),
    );
    for await (const record of log.read(topic, 0, 0)) {
      if (record.offset === 3) break;
    }
  });

  test("lag: offsets and acks are available without a live member", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic({ partitions: 2 }), unique("g")];
    assert.deepEqual(
      await log.offsets(topic),
      [0, 1].map((partition) => ({ partition, earliest: 0, next: 0 })),
    );
    assert.deepEqual(await log.groupOffsets(group, topic), []);
    const key = numbers(9).find((n) => partitionOfKey(n, 2) === 1)!;
    await log.publish(
      topic,
      numbers(5).map((n) => text(n, key)),
    );
    const got = await collect(t, log, { group, topics: [topic] }, (_, partition) => partition.ack(3));
    await bench.waitFor("the ack", async () => (await log.groupOffsets(group, topic)).length > 0);
    await got.consumer.close();
    assert.deepEqual(await log.groupOffsets(group, topic), [{ partition: 1, offset: 3 }]);
    assert.deepEqual(await log.offsets(topic), [
      { partition: 0, earliest: 0, next: 0 },
      { partition: 1, earliest: 0, next: 5 },
    ]);
  });

  test("resetGroup: refused with a live member; without one, the group starts at the new position", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    await log.publish(
      topic,
      numbers(6).map((n) => text(n)),
    );
    const first = await collect(t, log, { group, topics: [topic] });
    await bench.waitFor("all acked", async () => (await log.groupOffsets(group, topic))[0]?.offset === 6);
    await assert.rejects(log.resetGroup(group, topic, [{ partition: 0, offset: 2 }]), code("BAD_REQUEST"));
    await first.consumer.close();
    for (const offset of [-1, 7, 0.5]) {
      await assert.rejects(log.resetGroup(group, topic, [{ partition: 0, offset }]), code("BAD_REQUEST"));
    }
    await log.resetGroup(group, topic, [{ partition: 0, offset: 2 }]);
    assert.deepEqual(await log.groupOffsets(group, topic), [{ partition: 0, offset: 2 }]);
    const second = await collect(t, log, { group, topics: [topic] });
    await bench.waitFor("the replay", () => second.records.length >= 4);
    assert.deepEqual(texts(second.records), ["2", "3", "4", "5"]);
    await second.consumer.close();
    await log.resetGroup(unique("new"), topic, [{ partition: 0, offset: 5 }]);
  });
}

function closing(bench: Bench): void {
  test("close: a consumer lets its handler finish and ack, and delivers no more records", async (t) => {
    const [log, topic, group] = [await bench.log(), await bench.topic(), unique("g")];
    const value = Buffer.alloc(1000);
    await log.publish(
      topic,
      numbers(10).map(() => ({ key: "k", value })),
    );
    let calls = 0;
    let reached: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (reached = resolve));
    const got = await collect(t, log, { group, topics: [topic], fetchBytesMax: 2500 }, async (records, partition) => {
      calls++;
      reached();
      if (!partition.signal.aborted) await new Promise((go) => partition.signal.addEventListener("abort", go));
      await partition.ack(records.at(-1)!.offset + 1);
    });
    await started;
    const first = got.records.length;
    assert.ok(first < 10, "not all at once");
    await Promise.all([got.consumer.close(), got.consumer.close()]);
    assert.deepEqual([calls, got.records.length], [1, first]);
    assert.deepEqual(await log.groupOffsets(group, topic), [{ partition: 0, offset: first }]);
    await assert.rejects(got.assignments[0]!.ack(10), code("ASSIGNMENT_LOST"));
    await got.consumer.close();
    assert.deepEqual(got.errors, []);
  });

  test("close: the log closes its consumers and tails, is idempotent, refuses further work and leaves no handle", async (t) => {
    const subject = await bench.subject(t);
    const handles = () => process.getActiveResourcesInfo().filter((kind) => !/TTY|Pipe|Immediate/.test(kind)).length;
    const before = handles();
    const [log, topic] = [await subject.open(), unique("topic")];
    await log.createTopics([{ name: topic, partitions: 2, cleanup: "delete" }]);
    const consumer = await log.consume({ group: unique("g"), topics: [topic] }, () => async () => undefined);
    await consumer.joined();
    await log.tail([topic], () => undefined);
    await log.publish(topic, [text("x")]);
    await Promise.all([log.close(), log.close()]);
    await log.close();
    await consumer.close();
    await assert.rejects(log.publish(topic, [text("x")]), code("LOG_UNAVAILABLE"));
    await assert.rejects(log.ready(), code("LOG_UNAVAILABLE"));
    await assert.rejects(
      log.tail([topic], () => undefined),
      code("LOG_UNAVAILABLE"),
    );
    const options = { group: unique("g"), topics: [topic] };
    await assert.rejects(
      log.consume(options, () => async () => undefined),
      code("LOG_UNAVAILABLE"),
    );
    await bench.waitFor("the handles to close", () => handles() <= before);
  });
}
