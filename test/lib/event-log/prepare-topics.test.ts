import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { hasCode } from "../../../lib/errors.ts";
import { EmbeddedEventLog } from "../../../lib/event-log/embedded/embedded-log.ts";
import { createFileEvents, prepareTopics } from "../../../lib/event-log/prepare-topics.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";

const ALL = Object.values(TOPICS);
const { name: EVENTS } = TOPICS.fileEvents;
/** Of versions before TRIBUTARY_LOG_PARTITIONS. */
const PARTITIONS_BEFORE = 8;
const recordsOf = (tables: readonly string[]) => tables.map((key) => ({ key, value: Buffer.from(key) }));

test("a topic with another number of partitions is refused, with both numbers and what to do", async () => {
  for (const spec of ALL.filter(({ name }) => name !== EVENTS)) {
    const log = new FakeEventLog();
    await log.createTopics([{ ...spec, partitions: 3 }]);
    await assert.rejects(prepareTopics(log, ALL), (thrown) => {
      assert.ok(hasCode(thrown, "CONFIG_INVALID"));
      assert.match(
        thrown.message,
        new RegExp(`topic ${spec.name} has 3 partitions instead of ${spec.partitions}: stop`),
      );
      return true;
    });
    await log.close();
  }
});

test("missing topics are created, right ones are left alone", async () => {
  const log = new FakeEventLog();
  await prepareTopics(log, ALL);
  await prepareTopics(log, ALL);
  assert.equal((await log.partitionCounts()).get(EVENTS), 64);
  await log.close();
});

test("a log keeps the partitions that it has: a table's later events follow its earlier ones", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-partitions-"));
  t.after(() => rm(folder, { recursive: true }));
  const tables = Array.from({ length: 40 }, (_, n) => `table_${n}`);
  const before = new EmbeddedEventLog(folder, { clock: systemClock });
  await createFileEvents(before, PARTITIONS_BEFORE);
  const first = await before.publish(EVENTS, recordsOf(tables));
  await before.close();

  const log = new EmbeddedEventLog(folder, { clock: systemClock });
  t.after(() => log.close());
  await createFileEvents(log, TOPICS.fileEvents.partitions);
  await prepareTopics(log, ALL);
  assert.equal((await log.partitionCounts()).get(EVENTS), PARTITIONS_BEFORE);
  const second = await log.publish(EVENTS, recordsOf(tables));
  for (const [n, { partition, offset }] of second.entries()) {
    assert.equal(partition, first[n]!.partition);
    assert.ok(offset > first[n]!.offset);
  }
  await prepareTopics(log, ALL);
});

test("file events that somebody spread over more partitions are refused, with a table of them", async () => {
  for (const [count, refused] of [
    [0, false],
    [100, true],
  ] as const) {
    const log = new FakeEventLog();
    await createFileEvents(log, PARTITIONS_BEFORE);
    await log.publish(EVENTS, recordsOf(Array.from({ length: count }, (_, n) => `table_${n}`)));
    const { partitions } = log.broker.topic(EVENTS);
    for (let partition = PARTITIONS_BEFORE; partition < 64; partition++) {
      partitions.push({ ...partitions[0]!, partition, records: [], earliest: 0 });
    }
    const prepared = prepareTopics(log, ALL);
    if (refused) {
      await assert.rejects(prepared, (thrown) => {
        assert.ok(hasCode(thrown, "CONFIG_INVALID"));
        assert.match(thrown.message, /file-events was expanded to 64 partitions: events of table table_\d+ are in/);
        return true;
      });
    } else await prepared;
    await log.close();
  }
});
