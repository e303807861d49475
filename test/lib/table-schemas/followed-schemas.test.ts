import assert from "node:assert/strict";
import { test } from "node:test";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { FollowedSchemas } from "../../../lib/table-schemas/followed-schemas.ts";
import type { PublishedSchema } from "../../../lib/table-schemas/table-schemas.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";

const schemaOf = (sourceOffset: number, ...names: string[]): PublishedSchema => ({
  sourceOffset,
  columns: names.map((name) => ({ name, type: "VARCHAR", header: name })),
  pinned: {
    format: "csv",
    options: { delimiter: ",", quote: '"', escape: '"', encoding: "utf-8", header: true },
  },
});

test("the schema after a newer file stands, whatever a committer that lost its table still publishes", async (t) => {
  const log = new FakeEventLog();
  t.after(() => log.close());
  await log.createTopics([TOPICS.tableSchemas]);
  const skipped: number[] = [];
  const follow = () => FollowedSchemas.follow(log, (_thrown, { offset }) => skipped.push(offset));
  const [ours, others] = [await follow(), await follow()];
  await ours.publish("t", schemaOf(6, "a", "b"));
  await others.publish("t", schemaOf(5, "a"));
  for (const schemas of [ours, others]) assert.deepEqual(await schemas.of("t"), schemaOf(6, "a", "b"));
  await log.publish(TOPICS.tableSchemas.name, [{ key: "t", value: Buffer.from([255]) }]);
  await others.publish("t", schemaOf(6, "a", "b", "c"));
  for (const schemas of [ours, others]) assert.deepEqual(await schemas.of("t"), schemaOf(6, "a", "b", "c"));
  assert.deepEqual(skipped, [2, 2], "a record that cannot be read changes nothing");
  await Promise.all([ours.close(), others.close()]);
});

test("a schema whose format is not known says so, and older readers find a dialect", async (t) => {
  const log = new FakeEventLog();
  t.after(() => log.close());
  await log.createTopics([TOPICS.tableSchemas]);
  const schemas = await FollowedSchemas.follow(log, (thrown) => assert.fail(String(thrown)));
  await schemas.publish("t", { ...schemaOf(3, "a"), pinned: undefined });
  const again = await FollowedSchemas.follow(log, (thrown) => assert.fail(String(thrown)));
  assert.deepEqual(await again.of("t"), { ...schemaOf(3, "a"), pinned: undefined });
  await Promise.all([schemas.close(), again.close()]);
});
