/** Time of a fault: before the call has an effect, or after its effect and before it returns. */
export type FaultMoment = "before" | "after";

/**
 * Called for each call of a port's method. It may throw (failure), never resolve (the process died) or do
 * nothing.
 */
export type FaultPlan = (method: string, moment: FaultMoment, args: readonly unknown[]) => Promise<void> | void;

/** `target` with a fault plan around its async methods. Synchronous methods and properties are unchanged. */
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

/** Synchronous methods of ports. */
const SYNCHRONOUS = new Set(["stage", "read", "nowMs", "monotonicMs"]);

/** A promise that never resolves, like a call to a process that died. */
export const death = (): Promise<never> => new Promise(() => undefined);
