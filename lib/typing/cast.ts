import { decimalOf, type ColumnType } from "../columns.ts";
import { scanFormatted, type MomentFormat } from "./date-formats.ts";
import { fitsInt32, fitsInt64, noTypeFacts, observe, typeOf, widenToHold, type Facts } from "./infer.ts";
import { classify, classifyLeniently, KIND, scanTruth, type Scan } from "./scan.ts";

/**
 * Who says what type a column has:
 * - `declared`: the contract; values may be written in any usual way, and the type never changes.
 * - `known`: the table; values must look as inference wants them, and the type may widen in place.
 * - `inferred`: the values of this very file; a value that the type cannot hold changes the type.
 */
export type Authority = "declared" | "known" | "inferred";

/** A column as its values are being cast. `type` may widen meanwhile. */
export interface CastColumn {
  name: string;
  header: string;
  type: ColumnType;
  authority: Authority;
  /** The type's way of being read and written, see FAMILY. */
  family: number;
  /** Of a DECIMAL; else 0. */
  precision: number;
  scale: number;
  format: MomentFormat | undefined;
  /** Of an inferred column: its values so far. */
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

/** What came of casting one value. */
export const CAST = {
  /** The scan holds the value. */
  OK: 0,
  /** Nothing but blanks. */
  NULL: 1,
  /** The text is no value of the type. */
  MISMATCH: 2,
  /** It is one, but too large or too fine for the type. */
  OUT_OF_RANGE: 3,
  /** The inferred type was wrong: the file has to be read again with another. */
  RETYPE: 4,
} as const;

export function castColumn(
  column: { name: string; header: string; type: ColumnType },
  authority: Authority,
  format?: MomentFormat,
): CastColumn {
  const { name, header, type } = column;
  const made = { name, header, type, authority, family: 0, precision: 0, scale: 0, format, facts: noTypeFacts() };
  return setType(made, type);
}

/** Changes the column's type and what depends on it. */
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

/** Reads bytes[start, end) as a value of the column: a CAST code; after OK the scan holds the value. Throws nothing. */
export function cast(column: CastColumn, bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  if (start === end) return CAST.NULL;
  if (column.authority === "inferred") return castInferred(column, bytes, start, end, scan);
  if (column.family === FAMILY.VARCHAR) return CAST.OK;
  if (column.authority === "declared") return castDeclared(column, bytes, start, end, scan);
  const kind = classify(bytes, start, end, scan);
  if (kind === KIND.EMPTY) return CAST.NULL;
  return fit(column, kind, scan, bytes);
}

/** Takes note of the value and says whether the type still stands. */
function castInferred(column: CastColumn, bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  const kind = classify(bytes, start, end, scan);
  if (kind === KIND.EMPTY) return column.family === FAMILY.VARCHAR ? CAST.OK : CAST.NULL;
  if (!observe(column.facts, kind, scan, bytes)) return CAST.OK;
  const type = typeOf(column.facts);
  if (type === column.type) {
    // Text stays text, whatever comes: no need to look at further values.
    if (type === "VARCHAR") column.authority = "known";
    return CAST.OK;
  }
  if (familyOf(type) !== column.family || (decimalOf(type)?.scale ?? 0) !== column.scale) return CAST.RETYPE;
  setType(column, type);
  return CAST.OK;
}

function castDeclared(column: CastColumn, bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  if (column.family === FAMILY.BOOLEAN) {
    if (scanTruth(bytes, start, end, scan)) return CAST.OK;
    return scan.start === scan.end ? CAST.NULL : CAST.MISMATCH;
  }
  const kind = classifyLeniently(bytes, start, end, scan);
  if (kind === KIND.EMPTY) return CAST.NULL;
  if (!column.format) return fit(column, kind, scan, bytes);
  return fit(column, scanFormatted(column.format, bytes, scan), scan, bytes);
}

/** Does a value of `kind` go into the column, widened if need be? */
function fit(column: CastColumn, kind: number, scan: Scan, bytes: Uint8Array): number {
  switch (column.family) {
    case FAMILY.LONG:
      return fitLong(column, kind, scan, bytes);
    case FAMILY.DECIMAL:
      return fitDecimal(column, kind, scan, bytes);
    case FAMILY.DOUBLE:
      if (kind > KIND.DOUBLE) return CAST.MISMATCH;
      return scan.intDigits > DOUBLE_INTEGER_DIGITS_MAX ? CAST.OUT_OF_RANGE : CAST.OK;
    case FAMILY.BOOLEAN:
      return codeOf(kind === KIND.BOOLEAN);
    case FAMILY.DATE:
      if (kind === KIND.DATE) return CAST.OK;
      // A timestamp is a date if nothing is lost by it.
      return codeOf(kind === KIND.TIMESTAMP && scan.micros === 0 && scan.seconds === scan.days * 86_400);
    case FAMILY.TIMESTAMP:
      return codeOf(kind === KIND.TIMESTAMP || kind === KIND.DATE);
    case FAMILY.TIMESTAMP_TZ:
      // Only the contract can say that times without an offset are UTC.
      if (kind === KIND.TIMESTAMP_TZ) return CAST.OK;
      return codeOf(column.authority === "declared" && (kind === KIND.TIMESTAMP || kind === KIND.DATE));
    default:
      return CAST.OK;
  }
}

/** 10^308 is a double, 10^309 is none. */
const DOUBLE_INTEGER_DIGITS_MAX = 308;

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
