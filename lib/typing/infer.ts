import { DECIMAL_PRECISION_MAX, decimalOf, type ColumnType, type DecimalType } from "../columns.ts";
import { GROUP_DIGITS, MARK, markOf } from "./number-marks.ts";
import { KIND, type Scan } from "./scan.ts";

export { GROUP_DIGITS };

/** Facts about the values of one column. They only grow, and joining them is commutative and idempotent. */
export interface Facts {
  /** Bitwise OR of the KINDs seen; 0 while all values were empty. */
  kinds: number;
  /** Most digits before the point among integers and decimals. */
  intDigits: number;
  /** Most digits among integers alone. */
  integerDigits: number;
  /** Most digits after the point in plain decimal notation. */
  scale: number;
  /** Most digits in all of one decimal or exponent number. */
  significant: number;
  beyondInt32: boolean;
  beyondInt64: boolean;
  /** Bitwise OR of the MARKs seen: what points and commas in numbers mean. */
  marks: number;
}

export const noTypeFacts = (): Facts => ({
  kinds: 0,
  intDigits: 0,
  integerDigits: 0,
  scale: 0,
  significant: 0,
  beyondInt32: false,
  beyondInt64: false,
  marks: 0,
});

/** Adds one value, as classified in `kind` and `scan`. Returns true if the facts grew. */
export function observe(facts: Facts, kind: number, scan: Scan, bytes: Uint8Array): boolean {
  if (kind === KIND.EMPTY) return false;
  let grew = false;
  if ((facts.kinds & kind) === 0) {
    facts.kinds |= kind;
    grew = true;
  }
  // A list decides what the column's commas are.
  if (kind === KIND.TEXT && (facts.marks & MARK.LIST) === 0) {
    facts.marks |= markOf(bytes, scan.start, scan.end, facts.marks);
  }
  if (kind > KIND.DOUBLE) return grew;
  if (kind === KIND.DOUBLE) return growSignificant(facts, scan) || grew;
  if (scan.intDigits > facts.intDigits) {
    facts.intDigits = scan.intDigits;
    grew = true;
  }
  return (kind === KIND.INTEGER ? growInteger(facts, scan, bytes) : growDecimal(facts, scan, bytes)) || grew;
}

const ZERO = 48;

function growInteger(facts: Facts, scan: Scan, bytes: Uint8Array): boolean {
  let grew = false;
  if (scan.intDigits > facts.integerDigits) {
    facts.integerDigits = scan.intDigits;
    if (scan.intDigits > GROUP_DIGITS) facts.marks |= MARK.UNGROUPED;
    grew = true;
  }
  if (!facts.beyondInt32 && !fitsInt32(scan)) facts.beyondInt32 = grew = true;
  if (!facts.beyondInt64 && !fitsInt64(scan, bytes)) facts.beyondInt64 = grew = true;
  return grew;
}

function growDecimal(facts: Facts, scan: Scan, bytes: Uint8Array): boolean {
  const grew = growSignificant(facts, scan);
  const { intDigits, scale } = scan;
  if (scale !== GROUP_DIGITS || intDigits < 1 || intDigits > GROUP_DIGITS) facts.marks |= MARK.DECIMAL_POINT;
  else if (bytes[scan.end - 1] !== ZERO) facts.marks |= MARK.FINE;
  if (scan.scale <= facts.scale) return grew;
  facts.scale = scan.scale;
  return true;
}

function growSignificant(facts: Facts, scan: Scan): boolean {
  const digits = scan.intDigits + scan.scale;
  if (digits <= facts.significant) return false;
  facts.significant = digits;
  return true;
}

/** For a scanned integer. */
export function fitsInt32(scan: Scan): boolean {
  return (
    scan.intDigits < 10 || (scan.intDigits === 10 && scan.mantissa <= (scan.negative ? 2_147_483_648 : 2_147_483_647))
  );
}

/** For a scanned integer. */
export function fitsInt64(scan: Scan, bytes: Uint8Array): boolean {
  if (scan.intDigits < 19) return true;
  if (scan.intDigits > 19) return false;
  const limit = scan.negative ? "9223372036854775808" : "9223372036854775807";
  for (let i = 0, at = scan.point - 19; i < 19; i++, at++) {
    const difference = bytes[at]! - limit.charCodeAt(i);
    if (difference !== 0) return difference < 0;
  }
  return true;
}

/** Joins the facts of two parts of a column. */
export function joinFacts(a: Facts, b: Facts): Facts {
  return {
    kinds: a.kinds | b.kinds,
    intDigits: Math.max(a.intDigits, b.intDigits),
    integerDigits: Math.max(a.integerDigits, b.integerDigits),
    scale: Math.max(a.scale, b.scale),
    significant: Math.max(a.significant, b.significant),
    beyondInt32: a.beyondInt32 || b.beyondInt32,
    beyondInt64: a.beyondInt64 || b.beyondInt64,
    marks: a.marks | b.marks,
  };
}

/** Digits of integers that a DOUBLE holds exactly, and digits of a number that it keeps. */
export const DOUBLE_INTEGER_DIGITS = 15;
export const DOUBLE_DIGITS = 17;

/**
 * The type that holds every value seen without loss, but for measurements: - true/false → BOOLEAN;
 * integers → INTEGER, BIGINT, or DECIMAL(38,0) beyond; plain decimals → DECIMAL; - decimals with more
 * than 6 digits after the point, of more than 18 in all → DOUBLE, see `isMeasurement`;   exponents, NaN
 * and Infinity → DOUBLE (text, if that would round a digit away); - dates → DATE, with times TIMESTAMP,
 * with offsets TIMESTAMP WITH TIME ZONE; local and absolute times mixed   are text;
 * - anything else, or a column without a value → VARCHAR.
 */
export function typeOf(facts: Facts): ColumnType {
  const { kinds } = facts;
  const only = (allowed: number): boolean => kinds !== 0 && (kinds & ~allowed) === 0;
  if (only(KIND.INTEGER)) {
    if (!facts.beyondInt32) return "INTEGER";
    if (!facts.beyondInt64) return "BIGINT";
    return decimalFor(facts.integerDigits, 0) ?? "VARCHAR";
  }
  if (only(KIND.INTEGER | KIND.DECIMAL) && isMeasurement(facts)) return "DOUBLE";
  if (only(KIND.INTEGER | KIND.DECIMAL)) return decimalFor(facts.intDigits, facts.scale) ?? "VARCHAR";
  if (only(KIND.INTEGER | KIND.DECIMAL | KIND.DOUBLE)) {
    const exact = facts.integerDigits <= DOUBLE_INTEGER_DIGITS && facts.significant <= DOUBLE_DIGITS;
    return exact ? "DOUBLE" : "VARCHAR";
  }
  if (only(KIND.BOOLEAN)) return "BOOLEAN";
  if (only(KIND.DATE)) return "DATE";
  if (only(KIND.DATE | KIND.TIMESTAMP)) return "TIMESTAMP";
  if (only(KIND.TIMESTAMP_TZ)) return "TIMESTAMP WITH TIME ZONE";
  return "VARCHAR";
}

/** Digits after the point that amounts of money have at most. */
const MONEY_SCALE_MAX = 6;

/**
 * Measurements have more digits after the point than money. As DECIMAL they would overflow in plain
 * arithmetic: a product has the digits of both factors, and 38 is the limit. A DOUBLE keeps 15 to 17
 * digits of them, if it keeps all digits before the point.
 */
const isMeasurement = ({ intDigits, scale }: Facts): boolean =>
  scale > MONEY_SCALE_MAX &&
  intDigits + scale > SHORT_PRECISION &&
  intDigits + scale <= DECIMAL_PRECISION_MAX &&
  intDigits <= DOUBLE_INTEGER_DIGITS;

/** Trino stores decimals of up to 18 digits in one machine word. Precision can grow in place to 38. */
const SHORT_PRECISION = 18;

/**
 * A decimal type that holds the values, with a precision of 18 or else 38; undefined if 38 is not enough.
 * The scale is as written, but at least 2: 12.5 is usually 12.50 cut short, and a table's scale can never
 * grow.
 */
function decimalFor(intDigits: number, scale: number): DecimalType | undefined {
  if (intDigits + scale > DECIMAL_PRECISION_MAX) return undefined;
  const roomy = scale === 1 && intDigits + 2 <= DECIMAL_PRECISION_MAX ? 2 : scale;
  return `DECIMAL(${intDigits + roomy <= SHORT_PRECISION ? SHORT_PRECISION : DECIMAL_PRECISION_MAX},${roomy})`;
}

/**
 * The narrowest type that a column of `type` can widen to in place and that holds the scanned number.
 * Returns `type` if it holds it already, undefined if no type does. Only whole numbers widen INTEGER;
 * only digits before the point widen DECIMAL.
 */
export function widenToHold(type: ColumnType, scan: Scan, bytes: Uint8Array): ColumnType | undefined {
  if (type === "INTEGER" && fitsInt32(scan)) return type;
  if (type === "INTEGER" || type === "BIGINT") return fitsInt64(scan, bytes) ? "BIGINT" : undefined;
  const decimal = decimalOf(type);
  if (!decimal) return type;
  const needed = scan.intDigits + decimal.scale;
  if (needed <= decimal.precision) return type;
  if (needed > DECIMAL_PRECISION_MAX) return undefined;
  return `DECIMAL(${needed <= SHORT_PRECISION ? SHORT_PRECISION : DECIMAL_PRECISION_MAX},${decimal.scale})`;
}
