import { TributaryError } from "../../lib/errors.ts";
import type { Gauge } from "../../lib/service/metrics.ts";

/** Lets so many through at a time and refuses the rest: a request that must wait for its turn had better come again. */
export interface Gate {
  /** @throws OVERLOADED when full */
  pass<T>(work: () => Promise<T>): Promise<T>;
}

export function makeGate(max: number, what: string, gauge?: Gauge): Gate {
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
