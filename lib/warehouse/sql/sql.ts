import { AUDIT_COLUMNS, decimalOf, type ColumnDefinition, type ColumnType } from "../../columns.ts";
import { dateText, decimalText, timestampText } from "../../rows/value-text.ts";

/**
 * The only place where identifiers and literals become SQL text, and the pieces both warehouses share. Pure: whatever a name or a
 * value holds, the text it becomes is that name or value and nothing else.
 */
export type Dialect = "duckdb" | "trino";

/** The dialect that the warehouse of a URL speaks. */
export const dialectOf = (url: string): Dialect => (url.startsWith("trino") ? "trino" : "duckdb");

/** The schema all tables live in. */
export const SCHEMA = "lakehouse";

/** A column as a table has it; `name` unquoted. */
export interface SqlColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** `name` quoted. Throws on what no warehouse can name: the empty name and NUL. */
export function identifier(name: string): string {
  if (name === "" || name.includes("\0")) throw new Error(`no identifier: ${JSON.stringify(name)}`);
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"lakehouse"."name"`. */
export const tableName = (name: string): string => `${identifier(SCHEMA)}.${identifier(name)}`;

/** `"a", "b"`, or `t."a", t."b"` with an alias. */
export function columnList(names: readonly string[], alias?: string): string {
  return names.map((name) => column(name, alias)).join(", ");
}

/** `"name"`, or `t."name"` with an alias. */
export const column = (name: string, alias?: string): string =>
  alias === undefined ? identifier(name) : `${alias}.${identifier(name)}`;

/** True where any of the columns differs between the two aliases, NULL counting as a value. */
export function anyDistinct(names: readonly string[], left: string, right: string): string {
  if (names.length === 0) return "FALSE";
  return `(${names.map((name) => `${column(name, left)} IS DISTINCT FROM ${column(name, right)}`).join(" OR ")})`;
}

/** True where all of the columns are equal and not NULL. */
export function allEqual(names: readonly string[], left: string, right: string): string {
  if (names.length === 0) return "TRUE";
  return names.map((name) => `${column(name, left)} = ${column(name, right)}`).join(" AND ");
}

/** A column type in the dialect's spelling. */
export function typeText(dialect: Dialect, type: ColumnType): string {
  if (dialect === "trino" && type === "TIMESTAMP") return "TIMESTAMP(6)";
  if (dialect === "trino" && type === "TIMESTAMP WITH TIME ZONE") return "TIMESTAMP(6) WITH TIME ZONE";
  return type;
}

/** `"a" BIGINT, "b" VARCHAR`: the body of a CREATE TABLE. */
export function columnDefinitions(dialect: Dialect, columns: readonly SqlColumn[]): string {
  return columns.map(({ name, type }) => `${identifier(name)} ${typeText(dialect, type)}`).join(", ");
}

/** A file's columns followed by the audit columns. */
export const withAuditColumns = (columns: readonly ColumnDefinition[]): SqlColumn[] => [...columns, ...AUDIT_COLUMNS];

/** What a literal can be made of. A Date is an instant; a bigint beside DATE, TIMESTAMP and DECIMAL is days, microseconds and unscaled. */
export type LiteralValue = string | number | bigint | boolean | Date | Uint8Array | null;

/** A string of any characters, NUL and quotes included. */
export function stringLiteral(dialect: Dialect, text: string): string {
  const quoted = (part: string): string => `'${part.replaceAll("'", "''")}'`;
  if (!text.includes("\0")) return quoted(text);
  // NUL would end the statement in DuckDB's C interface.
  if (dialect === "duckdb") return `(${text.split("\0").map(quoted).join(" || chr(0) || ")})`;
  return `U&${quoted(text.replaceAll("\\", "\\\\").replaceAll("\0", "\\0000"))}`;
}

/** Bytes, as hexadecimal digits that the server turns back. */
export function bytesLiteral(bytes: Uint8Array): string {
  return `from_hex('${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex").toUpperCase()}')`;
}

/** Any double, -0, NaN and the infinities included. */
export function doubleLiteral(value: number): string {
  const text = Object.is(value, -0) ? "-0.0" : String(value);
  return `CAST('${text}' AS DOUBLE)`;
}

const decimalPattern = /^-?\d+(\.\d+)?$/;
const integerPattern = /^-?\d+$/;
const datePattern = /^\d{4}-\d{2}-\d{2}$/;
const timestampPattern = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?$/;

function matching(pattern: RegExp, text: string, type: string): string {
  if (!pattern.test(text)) throw new Error(`no ${type}: ${JSON.stringify(text)}`);
  return text;
}

/**
 * A value of a column type. Strings stand for themselves: digits for numbers, `2024-01-31` for dates, `2024-01-31T12:00:00.123456` for
 * timestamps (UTC; a `Z` at the end is allowed). Throws if the value is none of the type.
 */
export function literal(dialect: Dialect, type: ColumnType, value: LiteralValue): string {
  const name = typeText(dialect, type);
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
      return dialect === "trino" ? `TIMESTAMP '${timestampOf(value)} UTC'` : `TIMESTAMPTZ '${timestampOf(value)}+00'`;
    default:
      return stringLiteral(dialect, String(value));
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

export { dateText, decimalText, timestampText };

/** `(…), (…)`: the body of an INSERT … VALUES into one of our tables; a column that a row lacks becomes NULL. Throws on unknown columns. */
export function valuesOf(
  dialect: Dialect,
  columns: readonly SqlColumn[],
  rows: readonly Readonly<Record<string, LiteralValue>>[],
): string {
  const known = new Set(columns.map((one) => one.name));
  return rows
    .map((row) => {
      const unknown = Object.keys(row).find((name) => !known.has(name));
      if (unknown !== undefined) throw new Error(`no such column: ${unknown}`);
      return `(${columns.map(({ name, type }) => literal(dialect, type, row[name] ?? null)).join(", ")})`;
    })
    .join(", ");
}
