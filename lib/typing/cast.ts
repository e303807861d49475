import { decimalOf, type ColumnType } from "../columns.ts";
import { scanFormatted, type MomentFormat } from "./date-formats.ts";
import { scanNumberAs, type NumberFormat } from "./number-formats.ts";
import {
  DOUBLE_INTEGER_DIGITS,
  fitsInt32,
  fitsInt64,
  noTypeFacts,
  observe,
  typeOf,
  widenToHold,
  type Facts,
} from "./infer.ts";
import { classify, classifyDouble, classifyLeniently, KIND, scanTruth, type Scan } from "./scan.ts";
import { scanWord, type TruthWords } from "./truth-words.ts";

/**
 * Source of a column's type:
 * - `declared`: the contract. Values may have any usual notation, and the type never changes.
 * - `known`: the table. Values need the strict notation of inference, and the type may widen in place.
 * - `inferred`: the values of this file. A value that does not fit changes the type.
 */
export type Authority = "declared" | "known" | "inferred";

/** A column while its values are cast. `type` may widen during this. */
export interface CastColumn {
  name: string;
  header: string;
  type: ColumnType;
  authority: Authority;
  /** How values of the type are read and written, see FAMILY. */
  family: number;
  /** For DECIMAL; else 0. */
  precision: number;
  scale: number;
  format: MomentFormat | undefined;
  /** For declared columns; the scan's positions are then in its `canonical`. */
  number: NumberFormat | undefined;
  /** For a declared BOOLEAN: by word in lower case. */
  words: TruthWords | undefined;
  /** For inferred columns: facts about the values so far. */
  facts: Facts;
}

export const FAMILY = {
  BOOLEAN: 1,
  LONG: 2,
  DOUBLE: 3,
  DECIMAL: 4,
  DATE: 5,
  TIMESTAMP: 6,
  TIMESTAMP_TZ: 7,
  VARCHAR: 8,
} as const;

/** Result of casting one value. */
export const CAST = {
  /** The scan holds the value. */
  OK: 0,
  /** Empty or blank. */
  NULL: 1,
  /** The text is not a valid value of the type. */
  MISMATCH: 2,
  /** The value is valid, but too large or has too many decimals for the type. */
  OUT_OF_RANGE: 3,
  /** The inferred type is wrong: read the file again with another. */
  RETYPE: 4,
} as const;

/** How a contract says that a column's values are written. */
export type Notation = Partial<Pick<CastColumn, "format" | "number" | "words">>;

export function castColumn(
  column: { name: string; header: string; type: ColumnType },
  authority: Authority,
  { format, number, words }: Notation = {},
): CastColumn {
  const { name, header, type } = column;
  const facts = noTypeFacts();
  const made = { name, header, type, authority, family: 0, precision: 0, scale: 0, format, number, words, facts };
  return setType(made, type);
}

/** Changes the column's type and the properties derived from it. */
export function setType(column: CastColumn, type: ColumnType): CastColumn {
  const decimal = decimalOf(type);
  column.type = type;
  column.family = familyOf(type);
  column.precision = decimal?.precision ?? 0;
  column.scale = decimal?.scale ?? 0;
  return column;
}

function familyOf(type: ColumnType): number {
  switch (type) {
    case "BOOLEAN":
      return FAMILY.BOOLEAN;
    case "INTEGER":
    case "BIGINT":
      return FAMILY.LONG;
    case "DOUBLE":
      return FAMILY.DOUBLE;
    case "DATE":
      return FAMILY.DATE;
    case "TIMESTAMP":
      return FAMILY.TIMESTAMP;
    case "TIMESTAMP WITH TIME ZONE":
      return FAMILY.TIMESTAMP_TZ;
    case "VARCHAR":
      return FAMILY.VARCHAR;
    default:
      return FAMILY.DECIMAL;
  }
}

/**
 * Reads bytes[start, end) as a value of the column. Returns a CAST code; after OK the scan holds the value.
 */
export function cast(column: CastColumn, bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  if (start === end) return CAST.NULL;
  if (column.authority === "inferred") return castInferred(column, bytes, start, end, scan);
  if (column.family === FAMILY.VARCHAR) return CAST.OK;
  if (column.authority === "declared") return castDeclared(column, bytes, start, end, scan);
  if (column.family === FAMILY.DOUBLE) return castDouble(bytes, start, end, scan);
  const kind = classify(bytes, start, end, scan);
  return kind === KIND.EMPTY ? CAST.NULL : fit(column, kind, scan, bytes);
}

function castDouble(bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  const kind = classifyDouble(bytes, start, end, scan);
  return kind === KIND.EMPTY ? CAST.NULL : fitDouble(kind, scan, bytes);
}

/**
 * Whether a DOUBLE keeps the digits before the point: up to 15 always, more if the number happens to be a
 * double. Digits after the point may be rounded to the nearest double.
 */
function keepsInteger(scan: Scan, bytes: Uint8Array): boolean {
  if (scan.intDigits <= DOUBLE_INTEGER_DIGITS) return true;
  if (scan.intDigits > DOUBLE_INTEGER_DIGITS_MAX) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + scan.digits, scan.point - scan.digits).toString("latin1");
  const value = Number(text);
  // Other programs write the shortest digits that name a double: 70427937939000410 for 70427937939000416.
  return BigInt(value) === BigInt(text) || String(value) === text;
}

/** Records the value's facts and checks whether the inferred type still holds. */
function castInferred(column: CastColumn, bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  const kind = classify(bytes, start, end, scan);
  if (kind === KIND.EMPTY) return column.family === FAMILY.VARCHAR ? CAST.OK : CAST.NULL;
  if (!observe(column.facts, kind, scan, bytes)) return CAST.OK;
  const type = typeOf(column.facts);
  if (type === column.type) {
    // Text stays text: further values need no check.
    if (type === "VARCHAR") column.authority = "known";
    return CAST.OK;
  }
  if (familyOf(type) !== column.family || (decimalOf(type)?.scale ?? 0) !== column.scale) return CAST.RETYPE;
  setType(column, type);
  return CAST.OK;
}

function castDeclared(column: CastColumn, bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  if (column.family === FAMILY.BOOLEAN) {
    const words = column.words;
    if (words ? scanWord(words, bytes, { start, end }, scan) : scanTruth(bytes, start, end, scan)) return CAST.OK;
    return scan.start === scan.end ? CAST.NULL : CAST.MISMATCH;
  }
  if (column.number) {
    const kind = scanNumberAs(column.number, bytes, { start, end }, scan);
    return kind === KIND.EMPTY ? CAST.NULL : fit(column, kind, scan, column.number.canonical);
  }
  const kind = classifyLeniently(bytes, start, end, scan);
  if (kind === KIND.EMPTY) return CAST.NULL;
  if (!column.format) return fit(column, kind, scan, bytes);
  return fit(column, scanFormatted(column.format, bytes, scan), scan, bytes);
}

/** Checks whether a value of `kind` fits the column, and widens the column if that helps. */
function fit(column: CastColumn, kind: number, scan: Scan, bytes: Uint8Array): number {
  switch (column.family) {
    case FAMILY.LONG:
      return fitLong(column, kind, scan, bytes);
    case FAMILY.DECIMAL:
      return fitDecimal(column, kind, scan, bytes);
    case FAMILY.DOUBLE:
      return fitDouble(kind, scan, bytes);
    case FAMILY.BOOLEAN:
      return codeOf(kind === KIND.BOOLEAN);
    case FAMILY.DATE:
      if (kind === KIND.DATE) return CAST.OK;
      // A timestamp at midnight is a date.
      return codeOf(kind === KIND.TIMESTAMP && scan.micros === 0 && scan.seconds === scan.days * 86_400);
    case FAMILY.TIMESTAMP:
      return codeOf(kind === KIND.TIMESTAMP || kind === KIND.DATE);
    case FAMILY.TIMESTAMP_TZ:
      // Only the contract can declare that times without an offset are UTC.
      if (kind === KIND.TIMESTAMP_TZ) return CAST.OK;
      return codeOf(column.authority === "declared" && (kind === KIND.TIMESTAMP || kind === KIND.DATE));
    default:
      return CAST.OK;
  }
}

/** 10^308 fits into a double, 10^309 does not. */
const DOUBLE_INTEGER_DIGITS_MAX = 308;

function fitDouble(kind: number, scan: Scan, bytes: Uint8Array): number {
  if (kind > KIND.DOUBLE) return CAST.MISMATCH;
  const fits = kind === KIND.DOUBLE ? scan.intDigits <= DOUBLE_INTEGER_DIGITS_MAX : keepsInteger(scan, bytes);
  return fits ? CAST.OK : CAST.OUT_OF_RANGE;
}

const codeOf = (fits: boolean): number => (fits ? CAST.OK : CAST.MISMATCH);

function fitLong(column: CastColumn, kind: number, scan: Scan, bytes: Uint8Array): number {
  const whole = kind === KIND.INTEGER || (kind === KIND.DECIMAL && isZeros(bytes, scan.point + 1, scan.end));
  if (!whole || (kind === KIND.DECIMAL && column.authority !== "declared")) return CAST.MISMATCH;
  if (column.type === "BIGINT") return fitsInt64(scan, bytes) ? CAST.OK : CAST.OUT_OF_RANGE;
  if (kind === KIND.INTEGER ? fitsInt32(scan) : scan.intDigits < 10) return CAST.OK;
  return widen(column, scan, bytes);
}

function fitDecimal(column: CastColumn, kind: number, scan: Scan, bytes: Uint8Array): number {
  if (kind !== KIND.INTEGER && kind !== KIND.DECIMAL) return CAST.MISMATCH;
  const tooFine = scan.scale > column.scale && !isZeros(bytes, scan.point + 1 + column.scale, scan.end);
  if (tooFine) return CAST.OUT_OF_RANGE;
  return scan.intDigits + column.scale <= column.precision ? CAST.OK : widen(column, scan, bytes);
}

function widen(column: CastColumn, scan: Scan, bytes: Uint8Array): number {
  const type = column.authority === "known" ? widenToHold(column.type, scan, bytes) : undefined;
  if (type === undefined) return CAST.OUT_OF_RANGE;
  setType(column, type);
  return CAST.OK;
}

function isZeros(bytes: Uint8Array, at: number, end: number): boolean {
  for (; at < end; at++) if (bytes[at] !== 48) return false;
  return true;
}
