import type { Clock } from "../../../lib/clock.ts";

/** Wakes one waiter. A ring that nobody heard is kept for the next who waits. */
export class Signal {
  #rung = false;
  #answer: (() => void) | undefined;

  notify(): void {
    this.#rung = true;
    this.#answer?.();
  }

  /** Resolves at a ring, or after `ms` if given. */
  async wait(clock: Clock, ms?: number): Promise<void> {
    if (!this.#rung) {
      const answered = new AbortController();
      const ring = new Promise<void>((resolve) => (this.#answer = resolve));
      const late = ms === undefined ? [] : [clock.sleep(ms, answered.signal)];
      await Promise.race([ring, ...late]);
      answered.abort();
      this.#answer = undefined;
    }
    this.#rung = false;
  }
}
