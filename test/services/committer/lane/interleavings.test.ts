/**
 * Property: with failures, repeats, moves and double parses, a table ends as if each file version was applied
 * once, in order.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TributaryError } from "../../../../lib/errors.ts";
import { GROUPS } from "../../../../lib/messages/topics.ts";
import { withFaults } from "../../../support/faults.ts";
import { messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { makeWorld, send, settled, start, type Running } from "../harness.ts";

const value = fc.tuple(fc.nat(5), fc.constantFrom("x", "y", "z"));
const versions = fc.array(
  fc.record({
    name: fc.constantFrom("a", "b", "c"),
    rows: fc.array(value, { maxLength: 6 }),
    ending: fc.constantFrom("complete", "complete", "complete", "failed"),
    zombie: fc.option(fc.nat(3)),
    disturbance: fc.option(fc.constantFrom("rebalance", "death", "repeat")),
  }),
  { minLength: 1, maxLength: 8 },
);

test("replace: the table matches the model after any interleaving", { timeout: 120_000 }, async () => {
  const property = fc.asyncProperty(versions, fc.integer(), async (all, seed) => {
    const world = await makeWorld();
    const alive: Running[] = [];
    const begin = async (): Promise<void> => {
      const warehouse = withFaults(world.warehouse, troubles(seed + alive.length));
      alive.push(await start({ log: world.log, warehouse }));
    };
    await begin();
    const model = new Map<string, unknown[]>();
    for (const [index, { name, rows, ending, zombie, disturbance }] of all.entries()) {
      const file: TestFile = {
        table: "t",
        sourceFile: name,
        sourceOffset: index + 1,
        columns: { id: "BIGINT", name: "VARCHAR" },
        rows,
        outcome: ending,
      };
      const lost = messagesOf(file, { runId: "zombie" });
      if (zombie !== null) await send(world.log, "t", lost.slice(0, zombie));
      const good = messagesOf(file, { runId: "good" });
      const middle = Math.floor(good.length / 2);
      await send(world.log, "t", good.slice(0, middle));
      if (disturbance === "rebalance") world.log.rebalance(GROUPS.committer);
      if (disturbance === "repeat") await send(world.log, "t", good.slice(0, middle));
      if (disturbance === "death") {
        world.log.kill(GROUPS.committer);
        await begin();
      }
      await send(world.log, "t", good.slice(middle));
      if (zombie !== null) await send(world.log, "t", lost.slice(zombie));
      // An empty version of a file that has rows is held.
      if (ending === "complete" && (rows.length > 0 || !model.get(name)?.length)) model.set(name, rows);
    }
    await settled(world.log, "t");
    await Promise.all(alive.map((one) => one.drain()));
    const expected = [...model].sort().flatMap(([name, rows]) => rows.map((row, at) => [name, at + 1, row]));
    const found = (world.warehouse.rowsOf("t") as { file: string; row: number; id: bigint; name: string }[]).map(
      ({ file, row, id, name }) => [file, row, [Number(id), name]],
    );
    assert.deepEqual(found, expected);
    assert.deepEqual(
      [...world.warehouse.ledger.values()].map(({ outcome }) => outcome.sourceOffset).sort((a, b) => a - b),
      all.map((_, index) => index + 1),
    );
  });
  await fc.assert(property, { numRuns: 60 });
});

/** Calls fail at random, half of them after they have done their work. */
function troubles(seed: number): Parameters<typeof withFaults>[1] {
  let state = seed >>> 0;
  return (method) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    if (method === "ready" || state / 2 ** 32 > 0.12) return;
    throw new TributaryError("WAREHOUSE_UNAVAILABLE", `${method} failed for the test`);
  };
}
