import type { Clock } from "../../lib/clock.ts";

/** A clock that stands still until it is moved. Sleepers wake in the order of their times. */
export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  #sleepers: { untilMs: number; wake: () => void }[] = [];

  constructor(nowMs = Date.UTC(2024, 0, 15, 12)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#sleepers.push({ untilMs: this.#monotonicMs + ms, wake });
      signal?.addEventListener("abort", wake);
    });
  }

  /** How many wait for their time. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Time passes. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter(({ untilMs }) => untilMs <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter(({ untilMs }) => untilMs > this.#monotonicMs);
    due.sort((a, b) => a.untilMs - b.untilMs).forEach(({ wake }) => wake());
  }

  /** Somebody sets the wall clock; no time passes. */
  jumpTo(nowMs: number): void {
    this.#nowMs = nowMs;
  }
}
