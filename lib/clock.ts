import { setTimeout as delay } from "node:timers/promises";

/** Only `systemClock` reads real time. Tests pass a simulated clock. */
export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Milliseconds that never decrease; use differences only. */
  monotonicMs(): number;
  /**
   * Resolves after `ms`, or immediately when `signal` aborts (without throwing). An abort clears the timer.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay of a timer. Node turns a longer one into 1 ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Waits for `ms` in delays that a timer can hold. @throws what `timer` throws */
export async function sleepInSlices(ms: number, timer: (sliceMs: number) => Promise<unknown>): Promise<void> {
  let leftMs = ms;
  while (leftMs > TIMER_MS_MAX) {
    await timer(TIMER_MS_MAX);
    leftMs -= TIMER_MS_MAX;
  }
  await timer(leftMs);
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await sleepInSlices(ms, (sliceMs) => delay(sliceMs, undefined, signal ? { signal } : {}));
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  },
};
