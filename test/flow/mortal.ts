import { TributaryError } from "../../lib/errors.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";

/**
 * A warehouse whose process dies at the nth call of the method since `arm`: before the call, or once it was
 * carried out. Every later call fails. `hasDied` is true when nothing of the last call runs any more.
 */
export function mortal(method: keyof Warehouse, nth: number, when: "before" | "after") {
  let [armed, dead, ended, left] = [false, false, false, nth];
  const wrap = (warehouse: Warehouse): Warehouse =>
    new Proxy(warehouse, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name === "stage") return value.bind(target) as unknown;
        return async (...given: unknown[]): Promise<unknown> => {
          const died = new TributaryError("WAREHOUSE_UNAVAILABLE", "the process was killed");
          if (dead) throw died;
          const isLast = armed && name === method && --left === 0;
          if (isLast) dead = true;
          const isCarriedOut = !isLast || when === "after";
          const result: unknown =
            isCarriedOut && (await (value as (...args: unknown[]) => unknown).apply(target, given));
          if (!isLast) return result;
          ended = true;
          throw died;
        };
      },
    });
  return { wrap, arm: () => (armed = true), hasDied: () => ended };
}
