import fc from "fast-check";

/** One fuzz target. */
export interface Target {
  name: string;
  /** Runs per chunk; a chunk takes about a second. */
  chunk: number;
  /**
   * Executes the runs, which the seed determines. Throws fast-check's report of the smallest failing value.
   */
  run(tries: number, seed: number): Promise<void>;
}

/** `check` throws if the property does not hold for the value. */
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
