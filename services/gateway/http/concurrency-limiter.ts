import { TributaryError } from "../../../lib/errors.ts";
import type { Gauge } from "../../../lib/process/metrics.ts";

/** Runs at most `max` tasks at a time and refuses further ones, so that clients retry instead of queueing. */
export interface ConcurrencyLimiter {
  /** @throws OVERLOADED when `max` tasks are running */
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function makeConcurrencyLimiter(max: number, what: string, gauge?: Gauge): ConcurrencyLimiter {
  let running = 0;
  const change = (by: 1 | -1): void => {
    running += by;
    gauge?.set(running);
  };
  return {
    async run(work) {
      if (running >= max) throw new TributaryError("OVERLOADED", `${max} ${what} are already running`);
      change(1);
      try {
        return await work();
      } finally {
        change(-1);
      }
    },
  };
}
