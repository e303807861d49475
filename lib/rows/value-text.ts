const MS_PER_DAY = 86_400_000;
const MICROS_PER_SECOND = 1_000_000n;

/** Days since 1970-01-01 as `2024-01-31`; years 0001 to 9999. */
export function dateText(days: number): string {
  return new Date(days * MS_PER_DAY).toISOString().slice(0, 10);
}

/**
 * Microseconds since 1970 as `2024-01-31T12:00:00`, with six digits of a second unless they are zero; years
 * 0001 to 9999.
 */
export function timestampText(micros: bigint): string {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND;
  const seconds = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, 19);
  return fraction === 0n ? seconds : `${seconds}.${String(fraction).padStart(6, "0")}`;
}

/** An unscaled value and its scale as exact text, e.g. `-12.30`. */
export function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const sign = unscaled < 0n ? "-" : "";
  if (scale === 0) return sign + digits;
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
