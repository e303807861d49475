import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { sleepInSlices, systemClock } from "../../lib/clock.ts";

test("a sleep longer than a timer can hold is cut into slices that add up to it", async () => {
  const MAX = 2 ** 31 - 1;
  for (const [ms, expected] of [
    [0, [0]],
    [MAX, [MAX]],
    [MAX + 1, [MAX, 1]],
    [30 * 86_400_000, [MAX, 30 * 86_400_000 - MAX]],
    [3 * MAX, [MAX, MAX, MAX]],
  ] as const) {
    const slices: number[] = [];
    await sleepInSlices(ms, async (sliceMs) => slices.push(sliceMs));
    assert.deepEqual(slices, expected, `${ms} ms`);
  }
});

test("30 days are not over after 50 ms, and an abort ends the sleep", async () => {
  const stop = new AbortController();
  let slept = false;
  const sleeping = systemClock.sleep(30 * 86_400_000, stop.signal).then(() => (slept = true));
  await delay(50);
  assert.equal(slept, false);
  stop.abort();
  await sleeping;
});
