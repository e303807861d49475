import type { Clock } from "../../lib/clock.ts";

/** A clock that advances only on request. Sleepers wake in the order of their deadlines. */
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

  /** Number of sleepers. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Advances the time. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter(({ untilMs }) => untilMs <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter(({ untilMs }) => untilMs > this.#monotonicMs);
    due.sort((a, b) => a.untilMs - b.untilMs).forEach(({ wake }) => wake());
  }

  /** Sets the wall clock; the monotonic clock does not advance. */
  jumpTo(nowMs: number): void {
    this.#nowMs = nowMs;
  }
}
