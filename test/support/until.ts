import { setTimeout as delay } from "node:timers/promises";

/** Polls a condition until it holds and returns what it gave; fails after `deadlineMs`, saying what was awaited. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const start = performance.now();
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (performance.now() - start > deadlineMs) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await delay(2);
  }
}
