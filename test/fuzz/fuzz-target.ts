import fc from "fast-check";

/** One thing that is fuzzed. */
export interface Target {
  name: string;
  /** Tries of one chunk: about a second. */
  chunk: number;
  /** Makes so many tries, all of which follow from the seed; throws fast-check's report of the smallest that fails. */
  run(tries: number, seed: number): Promise<void>;
}

/** `check` throws if something does not hold for the value. */
export function target<T>(name: string, chunk: number, values: fc.Arbitrary<T>, check: (value: T) => unknown): Target {
  const property = fc.asyncProperty(values, async (value) => {
    await check(value);
  });
  return {
    name,
    chunk,
    run: async (numRuns, seed) => fc.assert(property, { numRuns, seed, includeErrorInReport: true }),
  };
}
