import assert from "node:assert/strict";
import { test } from "node:test";
import { death } from "../support/faults.ts";
import { FakeWarehouse } from "../support/fake-warehouse.ts";
import { messagesOf } from "../support/row-messages.ts";
import { until } from "../support/until.ts";
import { makeWorld, send, start } from "../services/committer/harness.ts";

test("while a table cannot be committed to, its lane stages no more than about two micro-batches", async (t) => {
  const world = await makeWorld();
  const warehouse = new FakeWarehouse();
  let commits = 0;
  warehouse.commit = () => (commits++, death());
  const committer = await start({ log: world.log, warehouse }, { settings: { filesMax: 2 } });
  t.after(() => world.log.close());
  for (let sourceOffset = 0; sourceOffset < 40; sourceOffset++) {
    const file = { table: "t", sourceFile: `${sourceOffset}.csv`, sourceOffset, columns: { id: "BIGINT" as const }, rows: [[1]] };
    await send(world.log, "t", messagesOf(file));
  }
  await until("a commit begins", () => commits > 0);
  let [staged, polls] = [0, 0];
  await until("no more is staged", () => {
    polls = staged === warehouse.stages.length ? polls + 1 : 0;
    staged = warehouse.stages.length;
    return polls > 50;
  });
  assert.ok(staged <= 5, `${staged} files are staged`);
  assert.ok(committer);
});
