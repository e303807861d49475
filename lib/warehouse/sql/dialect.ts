import { decimalOf, type ColumnType } from "../../columns.ts";
import { dateText, decimalText, timestampText } from "../../rows/value-text.ts";
import { identifier, type SqlColumn } from "./sql.ts";
import { ownOf } from "../../own.ts";

/**
 * The values that a literal can represent. A Date is an instant. A bigint is days for DATE, microseconds for
 * TIMESTAMP, and the unscaled value for DECIMAL.
 */
export type LiteralValue = string | number | bigint | boolean | Date | Uint8Array | null;

/**
 * An engine's spelling of SQL that differs between engines. The functions are pure. A value becomes one
 * literal and nothing else.
 */
export interface Spelling {
  /** A column type for CREATE TABLE and CAST. */
  readonly typeName: (type: ColumnType) => string;
  /** A string of any characters, including NUL and quotes. */
  readonly stringLiteral: (text: string) => string;
  /** A TIMESTAMP WITH TIME ZONE; `text` is UTC, `2024-01-31 12:00:00.123456`. */
  readonly instantLiteral: (text: string) => string;
  /**
   * An expression that is equal for equal keys: NaN equals NaN, and -0 equals 0. `sql` is never NULL.
   */
  readonly keyValue: (type: ColumnType, sql: string) => string;
  /**
   * A condition that is true if a part of the text matches the pattern. Both arguments are SQL expressions.
   */
  readonly regexpMatches: (text: string, pattern: string) => string;
  /** The SHA-256 of a text in UTF-8, in lower-case hexadecimal. The argument is an SQL expression. */
  readonly sha256: (text: string) => string;
}

/** A spelling and the SQL that derives from it. */
export interface Dialect extends Spelling {
  /**
   * A value of a column type. Strings are used literally: digits for numbers, `2024-01-31` for dates,
   * `2024-01-31T12:00:00.123456` for timestamps (UTC, with an optional final `Z`). Throws if the value is
   * not valid for the type.
   */
  readonly literal: (type: ColumnType, value: LiteralValue) => string;
  /** `"a" BIGINT, "b" VARCHAR`: the body of a CREATE TABLE. */
  readonly columnDefinitions: (columns: readonly SqlColumn[]) => string;
  /** `'a', 'b'`: the body of an IN. */
  readonly stringList: (texts: readonly string[]) => string;
  /**
   * `(…), (…)`: the body of an INSERT … VALUES. A column that a row lacks becomes NULL. Throws on unknown
   * columns.
   */
  readonly values: (columns: readonly SqlColumn[], rows: readonly Readonly<Record<string, LiteralValue>>[]) => string;
}

export function dialectOf(spelling: Spelling): Dialect {
  const { typeName, stringLiteral } = spelling;
  const literal = (type: ColumnType, value: LiteralValue): string => literalOf(spelling, type, value);
  return {
    ...spelling,
    literal,
    columnDefinitions: (columns) => columns.map(({ name, type }) => `${identifier(name)} ${typeName(type)}`).join(", "),
    stringList: (texts) => texts.map(stringLiteral).join(", "),
    values(columns, rows) {
      const known = new Set(columns.map((one) => one.name));
      return rows
        .map((row) => {
          const unknown = Object.keys(row).find((name) => !known.has(name));
          if (unknown !== undefined) throw new Error(`no such column: ${unknown}`);
          return `(${columns.map(({ name, type }) => literal(type, ownOf(row, name) ?? null)).join(", ")})`;
        })
        .join(", ");
    },
  };
}

/** The text in quotes, with its own quotes doubled. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A literal for any double, including -0, NaN and the infinities. */
export function doubleLiteral(value: number): string {
  const text = Object.is(value, -0) ? "-0.0" : String(value);
  return `CAST('${text}' AS DOUBLE)`;
}

const decimalPattern = /^-?\d+(\.\d+)?$/;
const integerPattern = /^-?\d+$/;
const datePattern = /^\d{4}-\d{2}-\d{2}$/;
const timestampPattern = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?$/;

function matching(pattern: RegExp, text: string, type: string): string {
  if (!pattern.test(text)) throw new Error(`${JSON.stringify(text)} is not a valid ${type}`);
  return text;
}

function literalOf(spelling: Spelling, type: ColumnType, value: LiteralValue): string {
  const name = spelling.typeName(type);
  if (value === null) return `CAST(NULL AS ${name})`;
  const decimal = decimalOf(type);
  if (decimal) {
    const text = typeof value === "bigint" ? decimalText(value, decimal.scale) : String(value);
    return `CAST('${matching(decimalPattern, text, type)}' AS ${name})`;
  }
  switch (type) {
    case "BOOLEAN":
      return value === true ? "TRUE" : "FALSE";
    case "INTEGER":
    case "BIGINT":
      return `CAST('${matching(integerPattern, String(value), type)}' AS ${name})`;
    case "DOUBLE":
      return doubleLiteral(Number(value));
    case "DATE":
      return `DATE '${matching(datePattern, dateOf(value), type)}'`;
    case "TIMESTAMP":
      return `TIMESTAMP '${timestampOf(value)}'`;
    case "TIMESTAMP WITH TIME ZONE":
      return spelling.instantLiteral(timestampOf(value));
    default:
      return spelling.stringLiteral(String(value));
  }
}

function dateOf(value: LiteralValue): string {
  if (value instanceof Date) return value.toISOString().slice(0, 10);
  return typeof value === "string" ? value : dateText(Number(value));
}

function timestampOf(value: LiteralValue): string {
  if (value instanceof Date) return timestampText(BigInt(value.getTime()) * 1000n).replace("T", " ");
  if (typeof value !== "string") return timestampText(BigInt(value as number)).replace("T", " ");
  return matching(timestampPattern, value.replace(/Z$/, ""), "TIMESTAMP").replace("T", " ");
}
