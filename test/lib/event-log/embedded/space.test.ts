import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../../lib/clock.ts";
import { isRetryable } from "../../../../lib/errors.ts";
import { EmbeddedEventLog } from "../../../../lib/event-log/embedded/embedded-log.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../../lib/messages/topics.ts";

const MB = 1024 * 1024;
const ROWS = rowsTopic("sales");
const batch = (bytes: number) => [{ key: "sales", value: Buffer.alloc(bytes, 1) }];
const isDiskFull = (thrown: { code?: string }) => thrown.code === "DISK_FULL" && isRetryable(thrown);

/** A log on a disk whose free space the test sets. Rows must leave 10 MB. */
async function logOn(t: TestContext, disk: { freeBytes: number }) {
  const folder = await mkdtemp(join(tmpdir(), "tributary-space-"));
  const log = new EmbeddedEventLog(folder, {
    clock: systemClock,
    rowsFreeBytesMin: 10 * MB,
    diskFreeBytes: () => disk.freeBytes,
  });
  t.after(async () => {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  });
  await log.createTopics([ROWS, TOPICS.fileEvents]);
  return log;
}

test("below the mark rows are refused and can be repeated; other records are accepted", async (t) => {
  const disk = { freeBytes: 10 * MB };
  const log = await logOn(t, disk);
  await assert.rejects(log.publish(ROWS.name, batch(MB)), isDiskFull);
  assert.deepEqual(await log.offsets(ROWS.name), [{ partition: 0, earliest: 0, next: 0 }]);
  await log.publish(TOPICS.fileEvents.name, batch(1_000));
  disk.freeBytes = 12 * MB;
  assert.deepEqual(await log.publish(ROWS.name, batch(MB)), [{ partition: 0, offset: 0 }]);
});

test("space that retention left in the log's file takes rows, though the disk stays full", async (t) => {
  const disk = { freeBytes: 100 * MB };
  const log = await logOn(t, disk);
  for (let at = 0; at < 40; at++) await log.publish(ROWS.name, batch(MB));
  disk.freeBytes = 0;
  assert.ok((await log.freeBytes()) < 5 * MB, "nothing was deleted yet");
  await assert.rejects(log.publish(ROWS.name, batch(MB)), isDiskFull);
  await log.resetGroup(GROUPS.committer, ROWS.name, [{ partition: 0, offset: 40 }]);
  await log.applyRetention(systemClock.nowMs() + 8 * 24 * 60 * 60 * 1000);
  const freeBytes = await log.freeBytes();
  assert.ok(freeBytes > 35 * MB && freeBytes < 45 * MB, `${freeBytes} bytes`);
  await log.publish(ROWS.name, batch(MB));
  const left = await log.freeBytes();
  assert.ok(left <= freeBytes - MB && left > freeBytes - 3 * MB, `${freeBytes} → ${left}`);
});
