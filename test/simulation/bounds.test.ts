import assert from "node:assert/strict";
import { test } from "node:test";
import { GROUPS } from "../../lib/messages/topics.ts";
import { death } from "../support/faults.ts";
import { FakeWarehouse } from "../support/fake-warehouse.ts";
import { messagesOf } from "../support/row-messages.ts";
import { until } from "../support/until.ts";
import { makeWorld, send, settled, start } from "../services/committer/harness.ts";

test("a lane whose table cannot commit stages at most about two micro-batches", async (t) => {
  const world = await makeWorld();
  const warehouse = new FakeWarehouse();
  let commits = 0;
  warehouse.commit = () => (commits++, death());
  const committer = await start({ log: world.log, warehouse }, { settings: { filesMax: 2 } });
  t.after(() => world.log.close());
  for (let sourceOffset = 0; sourceOffset < 40; sourceOffset++) {
    const file = {
      table: "t",
      sourceFile: `${sourceOffset}.csv`,
      sourceOffset,
      columns: { id: "BIGINT" as const },
      rows: [[1]],
    };
    await send(world.log, "t", messagesOf(file));
  }
  await until("a commit begins", () => commits > 0);
  let [staged, polls] = [0, 0];
  await until("staging stops", () => {
    polls = staged === warehouse.stages.length ? polls + 1 : 0;
    staged = warehouse.stages.length;
    return polls > 50;
  });
  assert.ok(staged <= 5, `${staged} files are staged`);
  assert.ok(committer);
});

test("a lane that takes over in the same process waits for its predecessor's commit", async (t) => {
  const { log } = await makeWorld();
  const warehouse = new FakeWarehouse();
  const commit = warehouse.commit.bind(warehouse);
  const watermark = warehouse.watermark.bind(warehouse);
  let [commits, opened] = [0, 0];
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  warehouse.commit = async (batch) => (commits++ === 0 ? await held : undefined, commit(batch));
  warehouse.watermark = async (table) => ((opened += table === "t" ? 1 : 0), watermark(table));
  const committer = await start({ log, warehouse });
  t.after(() => log.close());
  const file = { table: "t", sourceFile: "a.csv", sourceOffset: 1, columns: { id: "BIGINT" as const }, rows: [[1]] };
  await send(log, "t", messagesOf(file));
  await until("a commit begins", () => commits === 1);
  log.rebalance(GROUPS.committer);
  let polls = 0;
  await until("the new lane has had time to open", () => ++polls > 50);
  assert.equal(opened, 1, "only the first lane has opened the table");
  release();
  await settled(log, "t");
  assert.ok(opened >= 2);
  await committer.drain();
});
