import type { Clock } from "../../../lib/clock.ts";

/** Wakes one waiter. A signal with no waiter is kept for the next waiter. */
export class Signal {
  #notified = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /** Resolves at the next signal, or after `ms` if given. */
  async wait(clock: Clock, ms?: number): Promise<void> {
    if (!this.#notified) {
      const woken = new AbortController();
      const signal = new Promise<void>((resolve) => (this.#wake = resolve));
      const timeout = ms === undefined ? [] : [clock.sleep(ms, woken.signal)];
      await Promise.race([signal, ...timeout]);
      woken.abort();
      this.#wake = undefined;
    }
    this.#notified = false;
  }
}
