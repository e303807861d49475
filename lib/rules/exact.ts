/** A number without rounding: units / 10^scale. */
export interface Exact {
  units: bigint;
  scale: number;
}

/** A number of a rule: exact as far as its columns are, else a double. */
export type Num = Exact | number;

const POWERS = Array.from({ length: 80 }, (_, exponent) => 10n ** BigInt(exponent));
const powerOfTen = (exponent: number): bigint => POWERS[exponent] ?? 10n ** BigInt(exponent);

/** Reads plain decimal notation, `-12.50`, exactly; other notations as a double. */
export function numOf(text: string): Num {
  const plain = /^([+-]?)(\d*)\.?(\d*)$/.exec(text);
  if (!plain) return Number(text);
  const [, sign, whole = "", fraction = ""] = plain;
  const units = BigInt(whole + fraction || "0");
  return { units: sign === "-" ? -units : units, scale: fraction.length };
}

export const asDouble = (num: Num): number =>
  typeof num === "number" ? num : num.scale === 0 ? Number(num.units) : Number(`${num.units}e-${num.scale}`);

/** Below, at or above 0 as `a` is below, equal to or above `b`; NaN if one of them is. */
export function compareNums(a: Num, b: Num): number {
  if (typeof a === "number" || typeof b === "number") {
    const [left, right] = [asDouble(a), asDouble(b)];
    return left === right ? 0 : left < right ? -1 : left > right ? 1 : NaN;
  }
  const [left, right] = aligned(a, b);
  return left === right ? 0 : left < right ? -1 : 1;
}

function aligned(a: Exact, b: Exact): [bigint, bigint] {
  if (a.scale === b.scale) return [a.units, b.units];
  if (a.scale > b.scale) return [a.units, b.units * powerOfTen(a.scale - b.scale)];
  return [a.units * powerOfTen(b.scale - a.scale), b.units];
}

export const negated = (num: Num): Num => (typeof num === "number" ? -num : { units: -num.units, scale: num.scale });

/** Exact for + - * and %, if both numbers are. A quotient is a double; division by 0 gives null. */
export function calculated(operator: string, a: Num, b: Num): Num | null {
  if (operator === "/" || typeof a === "number" || typeof b === "number") {
    return inDoubles(operator, asDouble(a), asDouble(b));
  }
  if (operator === "*") return { units: a.units * b.units, scale: a.scale + b.scale };
  const [left, right] = aligned(a, b);
  const scale = Math.max(a.scale, b.scale);
  if (operator === "+") return { units: left + right, scale };
  if (operator === "-") return { units: left - right, scale };
  return right === 0n ? null : { units: left % right, scale };
}

function inDoubles(operator: string, a: number, b: number): number | null {
  if (operator === "+") return a + b;
  if (operator === "-") return a - b;
  if (operator === "*") return a * b;
  if (b === 0) return null;
  return operator === "/" ? a / b : a % b;
}

/** Rounds half away from zero to this many decimals. */
export function rounded(num: Num, decimals: number): Num {
  if (typeof num === "number") {
    if (!Number.isFinite(num)) return num;
    // The shortest text of a double is what people see of it: 1.005 rounds to 1.01.
    const exact = numOf(String(num));
    return typeof exact === "number" ? exact : asDouble(rounded(exact, decimals));
  }
  if (num.scale <= decimals) return num;
  const divisor = powerOfTen(num.scale - decimals);
  const half = num.units < 0n ? -divisor / 2n : divisor / 2n;
  return { units: (num.units + half) / divisor, scale: decimals };
}
