import type { Clock } from "../../../lib/clock.ts";

interface Sleeper {
  untilMs: number;
  order: number;
  wake: () => void;
}

/** Simulated time: when nothing else runs, it goes to the next sleeper's end. */
export class SimClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #sleepers: Sleeper[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { untilMs: this.#nowMs + ms, order: this.#order++, wake: resolve };
      const leave = (): void => {
        const at = this.#sleepers.indexOf(sleeper);
        if (at >= 0) this.#sleepers.splice(at, 1);
        resolve();
      };
      sleeper.wake = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Runs until `work` has ended or nobody sleeps. Returns false if work waits for something that never comes. */
  async run(work: Promise<unknown>): Promise<boolean> {
    let isDone = false;
    void work.finally(() => (isDone = true)).catch(() => undefined);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isDone) return true;
      const next = this.#takeNext();
      if (!next) return false;
      this.#nowMs = Math.max(this.#nowMs, next.untilMs);
      next.wake();
    }
  }

  #takeNext(): Sleeper | undefined {
    let first = 0;
    for (let index = 1; index < this.#sleepers.length; index++) {
      const [one, best] = [this.#sleepers[index]!, this.#sleepers[first]!];
      if (one.untilMs < best.untilMs || (one.untilMs === best.untilMs && one.order < best.order)) first = index;
    }
    return this.#sleepers.splice(first, 1)[0];
  }
}
