import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../../../lib/errors.ts";
import { prepareTopics } from "../../../lib/event-log/prepare-topics.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";

test("a topic with another number of partitions is refused, with both numbers and what to do", async () => {
  for (const spec of Object.values(TOPICS)) {
    const log = new FakeEventLog();
    await log.createTopics([{ ...spec, partitions: 3 }]);
    await assert.rejects(prepareTopics(log, Object.values(TOPICS)), (thrown) => {
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
  await prepareTopics(log, Object.values(TOPICS));
  await prepareTopics(log, Object.values(TOPICS));
  assert.equal((await log.partitionCounts()).get("file-events"), TOPICS.fileEvents.partitions);
  await log.close();
});
