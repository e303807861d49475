const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
export type DurationUnit = keyof typeof UNITS_MS;

/**
 * A number and a unit, "30s"; the unit may be absent here, whether that is allowed is the caller's choice.
 */
export const DURATION_PATTERN = /^\s*(\d{1,12}(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$/;

/** A moment this far from now is still a valid Date. */
const DAYS_MAX = 100_000;
const DURATION_MS_MAX = DAYS_MAX * UNITS_MS.d;

/**
 * The one grammar of durations: "250ms", "30s", "5m", "2h", "7d", in whole milliseconds.
 * @param bareUnit the unit of a number without one; undefined: such a number is a fault
 */
export function parseDuration(text: string, bareUnit: DurationUnit | undefined): { ms: number } | { fault: string } {
  const [, amount, unit = bareUnit] = DURATION_PATTERN.exec(text) ?? [];
  if (amount === undefined) return { fault: `'${text}' is not a duration: write 250ms, 30s, 5m, 2h or 7d` };
  if (unit === undefined) return { fault: `'${text}' has no unit: write ${amount}h or another of ms, s, m, h, d` };
  const ms = Math.round(Number(amount) * UNITS_MS[unit as DurationUnit]);
  return ms > DURATION_MS_MAX ? { fault: `'${text}' is too long: write at most ${DAYS_MAX}d` } : { ms };
}
