/** By name: the number of failures in a row, and the end of the pause. */
export type Pauses = Map<string, { failures: number; untilMs: number }>;

export const isPaused = (pauses: Pauses, name: string, nowMs: number): boolean =>
  (pauses.get(name)?.untilMs ?? -Infinity) > nowMs;

/**
 * Starts a pause that doubles with each failure in a row, from `minMs` to `maxMs`. Returns the failures in a
 * row.
 */
export function pause(
  pauses: Pauses,
  name: string,
  nowMs: number,
  { minMs, maxMs }: { minMs: number; maxMs: number },
): number {
  const failures = (pauses.get(name)?.failures ?? 0) + 1;
  pauses.set(name, { failures, untilMs: nowMs + Math.min(maxMs, minMs * 2 ** Math.min(failures - 1, 30)) });
  return failures;
}
