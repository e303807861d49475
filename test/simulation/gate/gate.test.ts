/**
 * The commit gate under every fault of the network and of catalogs. schedule.ts says what is checked. A failing
 * seed is printed; `node --import tsx test/simulation/gate/main.ts --seed <seed>` shows its steps, `--commits
 * 100000` runs long.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSchedule } from "./schedule.ts";

const SCHEDULES = 40;

test("gate simulation: no file of a snapshot is deleted, and each batch is in each table once, in order", async (t) => {
  const first = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`first seed: ${first}`);
  let commits = 0;
  for (let seed = first; seed < first + SCHEDULES; seed++) {
    const result = await runSchedule(seed);
    assert.deepEqual(result.violations, [], `seed ${seed}`);
    commits += result.commits;
  }
  t.diagnostic(`${commits} commits`);
});

test("gate simulation: a seed determines what happens", async () => {
  const outcomes = async (seed: number): Promise<unknown> => {
    const { commits, faults, kills, outcomes } = await runSchedule(seed);
    return { commits, faults, kills, outcomes };
  };
  assert.deepEqual(await outcomes(4711), await outcomes(4711));
});

test("gate simulation: the process of a writer that leaves before the answer ends before it deletes files", async () => {
  const { violations, commits, faults, kills } = await runSchedule(1219807060);
  assert.deepEqual(violations, []);
  // It leaves four times; nothing else goes wrong.
  assert.deepEqual([commits, faults.size, kills], [24, 0, 2]);
});
