import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../lib/errors.ts";
import { startPatiently } from "../../../lib/process/patient-start.ts";
import { Scope } from "../../../lib/process/scope.ts";

/** A clock whose sleep takes no time. */
function fastClock() {
  let nowMs = 0;
  const sleep = async (ms: number): Promise<void> => void (nowMs += ms);
  return { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep };
}

const down = (): Error => new TributaryError("LOG_UNAVAILABLE", "no broker");

function options(withinMs: number) {
  const waits: number[] = [];
  const stopping = new AbortController();
  const onRetry = (_thrown: unknown, waitMs: number): void => void waits.push(waitMs);
  return { waits, stopping, given: { clock: fastClock(), withinMs, signal: stopping.signal, onRetry } };
}

test("a start that fails because a dependency is down is repeated, and each attempt releases what it opened", async () => {
  const { waits, given } = options(60_000);
  const scope = new Scope();
  const closed: number[] = [];
  let attempts = 0;
  await startPatiently(scope, given, async (attempt) => {
    const n = ++attempts;
    attempt.own(`port ${n}`, n, (port) => closed.push(port));
    if (n < 4) throw down();
  });
  assert.deepEqual(closed, [1, 2, 3]);
  assert.deepEqual(waits, [500, 1_000, 2_000]);
  await scope.close();
  assert.deepEqual(closed, [1, 2, 3, 4]);
});

test("a start ends with its failure after the time, at once without any, or if waiting does not help", async () => {
  const patient = options(10_000);
  await assert.rejects(
    startPatiently(new Scope(), patient.given, async () => Promise.reject(down())),
    /no broker/,
  );
  assert.deepEqual(patient.waits, [500, 1_000, 2_000, 4_000]);
  for (const [withinMs, thrown] of [
    [0, down()],
    [10_000, new TributaryError("CONFIG_INVALID", "wrong")],
    [10_000, new TypeError("bug")],
  ] as const) {
    const { waits, given } = options(withinMs);
    await assert.rejects(
      startPatiently(new Scope(), given, async () => Promise.reject(thrown)),
      thrown,
    );
    assert.deepEqual(waits, []);
  }
});

test("a signal ends the wait", async () => {
  const { stopping, given } = options(600_000);
  let attempts = 0;
  await startPatiently(new Scope(), given, async () => {
    if (++attempts === 2) stopping.abort();
    throw down();
  });
  assert.equal(attempts, 2);
});
