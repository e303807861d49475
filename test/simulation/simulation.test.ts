/**
 * The services' own code, from upload to table, under every fault the ports can have: see schedule.ts for what happens and checks.ts for
 * what must hold. A seed that fails is printed; `TRIBUTARY_SIM_SEED=<seed>` runs it alone, `npm run simulate -- --seed <seed> --trace`
 * shows every step. Seeds that once failed stay in REGRESSIONS.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSchedule } from "./schedule.ts";

/** How long the random schedules go on in `npm test`. */
const BUDGET_MS = 20_000;

/** What was wrong when the seed was found. The meaning of a seed changes with the simulation: then the test is worth no less than any. */
const REGRESSIONS: Record<number, string> = {
  704530: "a dropped object went while its drop event was lacking: nobody missed it, and its rows stayed",
  705514: "the same",
  707268: "the same",
};

const only = process.env["TRIBUTARY_SIM_SEED"];

async function check(seed: number): Promise<number> {
  const { violations, files, trace } = await runSchedule(seed);
  const shown = trace.slice(-60).join("\n");
  assert.deepEqual(violations, [], `TRIBUTARY_SIM_SEED=${seed}\n${violations.join("\n")}\n\n${shown}`);
  return files;
}

test("simulation: the schedule of TRIBUTARY_SIM_SEED", { skip: only === undefined }, async () => {
  await check(Number(only));
});

test("simulation: schedules that once failed", { skip: only !== undefined }, async () => {
  for (const seed of Object.keys(REGRESSIONS)) await check(Number(seed));
});

test("simulation: random schedules keep every invariant", { skip: only !== undefined }, async (t) => {
  const first = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`first seed: ${first}`);
  const deadlineMs = performance.now() + BUDGET_MS;
  let files = 0;
  let seed = first;
  for (; performance.now() < deadlineMs; seed++) files += await check(seed);
  t.diagnostic(`${seed - first} schedules, ${files} files`);
});

test("simulation: a seed tells everything that happens", { skip: only !== undefined }, async () => {
  const [one, two] = [await runSchedule(4711), await runSchedule(4711)];
  assert.deepEqual(one.trace, two.trace);
  const other = await runSchedule(4712);
  assert.notDeepEqual(one.trace, other.trace);
});
