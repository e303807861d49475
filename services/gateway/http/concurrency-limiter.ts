import { TributaryError } from "../../../lib/errors.ts";
import type { Gauge } from "../../../lib/process/metrics.ts";

/** Lets so many through at a time and refuses the rest: a request that must wait for its turn had better come again. */
export interface ConcurrencyLimiter {
  /** @throws OVERLOADED when full */
  pass<T>(work: () => Promise<T>): Promise<T>;
}

export function makeConcurrencyLimiter(max: number, what: string, gauge?: Gauge): ConcurrencyLimiter {
  let inside = 0;
  const move = (by: 1 | -1): void => {
    inside += by;
    gauge?.set(inside);
  };
  return {
    async pass(work) {
      if (inside >= max) throw new TributaryError("OVERLOADED", `${max} ${what} are running already`);
      move(1);
      try {
        return await work();
      } finally {
        move(-1);
      }
    },
  };
}
