/** When, around a call, a fault happens: before it does anything, or after it has done all and before the caller knows. */
export type FaultMoment = "before" | "after";

/** Told of each call of a port's method. It may throw (a failure), never resolve (the process died there), or do nothing. */
export type FaultPlan = (method: string, moment: FaultMoment, args: readonly unknown[]) => Promise<void> | void;

/** `target` with a fault plan around its async methods. Synchronous methods and properties are passed through. */
export function withFaults<T extends object>(target: T, plan: FaultPlan): T {
  return new Proxy(target, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name, object);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        if (SYNCHRONOUS.has(String(name))) return Reflect.apply(member, object, args) as unknown;
        return (async () => {
          await plan(String(name), "before", args);
          const result: unknown = await Reflect.apply(member, object, args);
          await plan(String(name), "after", args);
          return result;
        })();
      };
    },
  });
}

/** Ports' methods that give no promise. */
const SYNCHRONOUS = new Set(["stage", "read", "nowMs", "monotonicMs"]);

/** A promise that never resolves: what a caller sees of a process that died. */
export const death = (): Promise<never> => new Promise(() => undefined);
