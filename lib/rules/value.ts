import type { ColumnType } from "../columns.ts";
import { castColumn, FAMILY, type CastColumn } from "../typing/cast.ts";
import { classifyLeniently, KIND, newScan, type Scan } from "../typing/scan.ts";
import { compareNums, numOf, type Exact, type Num } from "./exact.ts";

/** A date or time, in microseconds since 1970-01-01T00:00:00. */
export type Moment = bigint;

/** A value of a row; null: the field is empty, or the value follows from an empty one. */
export type Value = null | boolean | string | Num | Moment;

/** What values of an expression are. `any`: a column that no contract declares. */
export type ValueType = "number" | "text" | "boolean" | "date" | "timestamp" | "instant" | "null" | "any";

const EXACT_DIGITS = 15;
const DAY_MICROS = 86_400_000_000n;

export function valueTypeOf(type: ColumnType): ValueType {
  switch (type) {
    case "BOOLEAN":
      return "boolean";
    case "DATE":
      return "date";
    case "TIMESTAMP":
      return "timestamp";
    case "TIMESTAMP WITH TIME ZONE":
      return "instant";
    case "VARCHAR":
      return "text";
    default:
      return "number";
  }
}

/**
 * The value that `cast` left in the scan, of a column that holds no text. `scanned` are the bytes that the
 * scan's positions are in.
 */
export function valueOf(column: Pick<CastColumn, "family">, scanned: Uint8Array, scan: Scan): Value {
  switch (column.family) {
    case FAMILY.BOOLEAN:
      return scan.boolean;
    case FAMILY.LONG:
    case FAMILY.DECIMAL:
      return exactOf(scanned, scan);
    case FAMILY.DOUBLE:
      return Number(textOf(scanned, scan.start, scan.end));
    case FAMILY.DATE:
      return BigInt(scan.days) * DAY_MICROS;
    default:
      return BigInt(scan.seconds) * 1_000_000n + BigInt(scan.micros);
  }
}

function exactOf(bytes: Uint8Array, scan: Scan): Exact | Num {
  if (scan.intDigits + scan.scale > EXACT_DIGITS) return numOf(textOf(bytes, scan.start, scan.end));
  const units = BigInt(scan.mantissa);
  return { units: scan.negative ? -units : units, scale: scan.scale };
}

export const textOf = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");

/** Whether values can be compared by `<`, by their static types. */
export const isOrdered = (type: ValueType): boolean => type !== "boolean" && type !== "null";

/** Below, at or above 0; both values are of one type, or both are dates or times. */
export function compareValues(a: Exclude<Value, null>, b: Exclude<Value, null>): number {
  if (typeof a === "string" || typeof a === "boolean" || typeof a === "bigint") return a === b ? 0 : a < b ? -1 : 1;
  return compareNums(a, b as Num);
}

/** The value of a constant of a contract as one of this type; undefined if it is none. */
export function constantOf(constant: string | number | boolean, type: ColumnType): Exclude<Value, null> | undefined {
  const column = castColumn({ name: "", header: "", type }, "declared");
  if (column.family === FAMILY.VARCHAR) return typeof constant === "string" ? constant : String(constant);
  if (column.family === FAMILY.BOOLEAN) return typeof constant === "boolean" ? constant : undefined;
  const kindsOf: Record<number, number> = {
    [FAMILY.DATE]: KIND.DATE,
    [FAMILY.TIMESTAMP]: KIND.DATE | KIND.TIMESTAMP,
    [FAMILY.TIMESTAMP_TZ]: KIND.DATE | KIND.TIMESTAMP | KIND.TIMESTAMP_TZ,
  };
  const kinds = kindsOf[column.family] ?? KIND.INTEGER | KIND.DECIMAL | KIND.DOUBLE;
  const bytes = Buffer.from(String(constant));
  const scan = newScan();
  const kind = classifyLeniently(bytes, 0, bytes.length, scan);
  if ((kind & kinds) === 0) return undefined;
  if (kinds & KIND.DATE) return valueOf(column, bytes, scan) ?? undefined;
  return kind === KIND.DOUBLE ? Number(constant) : exactOf(bytes, scan);
}

/** A value as messages show it. */
export function shownValue(value: Value, type: ValueType): string {
  if (value === null) return "(empty)";
  if (typeof value === "string") return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
  if (typeof value === "bigint") {
    const text = new Date(Number(value / 1000n)).toISOString();
    return type === "date" ? text.slice(0, 10) : text.slice(0, 19);
  }
  if (typeof value === "object") return exactText(value);
  return String(value);
}

function exactText({ units, scale }: Exact): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return `${units < 0n ? "-" : ""}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ""}`;
}
