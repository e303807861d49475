import { setTimeout as delay } from "node:timers/promises";

/**
 * Polls a condition until it holds and returns what it gave; fails after `deadlineMs`, saying what was
 * awaited.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const start = performance.now();
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    const waitedMs = performance.now() - start;
    if (waitedMs > deadlineMs) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    // A condition may cost much, and what it waits for needs the same cores.
    await delay(Math.min(50, 2 + waitedMs / 10));
  }
}
