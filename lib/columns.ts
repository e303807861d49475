/**
 * Column types that text values can have and that both warehouses store exactly, and the rules for widening a
 * column. Trino and Iceberg allow only INTEGER→BIGINT and a larger DECIMAL precision at the same scale.
 */
import { hasCode, TributaryError } from "./errors.ts";

export const SIMPLE_TYPES = [
  "BOOLEAN",
  "INTEGER",
  "BIGINT",
  "DOUBLE",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMP WITH TIME ZONE",
  "VARCHAR",
] as const;

export type SimpleType = (typeof SIMPLE_TYPES)[number];
export type DecimalType = `DECIMAL(${number},${number})`;
/** Timestamps have microsecond precision. DECIMAL precision is at most 38. */
export type ColumnType = SimpleType | DecimalType;

export interface ColumnDefinition {
  name: string;
  type: ColumnType;
  /** The header as written in the file. */
  header: string;
}

export const DECIMAL_PRECISION_MAX = 38;

/** The audit columns at the end of every table, in this order. */
export const AUDIT_COLUMNS = [
  { name: "_source_file", type: "VARCHAR" },
  { name: "_source_offset", type: "BIGINT" },
  { name: "_source_row", type: "BIGINT" },
  { name: "_ingested_at", type: "TIMESTAMP" },
] as const satisfies readonly { name: string; type: ColumnType }[];

/** Precision and scale of a DECIMAL, or undefined for any other type. */
export function decimalOf(type: string): { precision: number; scale: number } | undefined {
  const match = /^DECIMAL\((\d+),\s*(\d+)\)$/i.exec(type);
  return match ? { precision: Number(match[1]), scale: Number(match[2]) } : undefined;
}

/**
 * `type` in canonical spelling; undefined if it is not supported. Accepts any case and the alias
 * TIMESTAMP(6).
 */
export function columnTypeOf(type: string): ColumnType | undefined {
  const upper = type
    .trim()
    .toUpperCase()
    .replace(/\s+/g, " ")
    .replace(/^TIMESTAMP\(6\)/, "TIMESTAMP");
  const decimal = decimalOf(upper);
  if (decimal) {
    const { precision, scale } = decimal;
    const legal = precision >= 1 && precision <= DECIMAL_PRECISION_MAX && scale <= precision;
    return legal ? `DECIMAL(${precision},${scale})` : undefined;
  }
  return SIMPLE_TYPES.find((simple) => simple === upper);
}

/** True if a column can change from type `from` to `to` in place and keep every stored value. */
export function widens(from: ColumnType, to: ColumnType): boolean {
  if (from === to) return true;
  if (from === "INTEGER" && to === "BIGINT") return true;
  const [a, b] = [decimalOf(from), decimalOf(to)];
  return a !== undefined && b !== undefined && a.scale === b.scale && a.precision <= b.precision;
}

/** The change that a table needs to hold a file's columns. */
export interface Evolution {
  /** The table's file columns after the change, in order. */
  columns: ColumnDefinition[];
  added: ColumnDefinition[];
  widened: ColumnDefinition[];
}

/**
 * Computes how a table with the `existing` file columns accepts files with the `wanted` columns. Missing
 * columns are added after the existing ones. Types widen where `widens` allows it. A narrower type of a
 * file needs no change.
 * @throws SCHEMA_CONFLICT naming the column and both types
 */
export function evolve(
  table: string,
  existing: readonly ColumnDefinition[],
  wanted: readonly ColumnDefinition[],
): Evolution {
  const byName = new Map(wanted.map((column) => [column.name, column]));
  const widened: ColumnDefinition[] = [];
  const kept = existing.map((column) => {
    const other = byName.get(column.name);
    if (!other || widens(other.type, column.type)) return column;
    if (!widens(column.type, other.type)) {
      const message = `table '${table}', column '${column.name}': the table has ${column.type}, the file ${other.type}`;
      throw new TributaryError("SCHEMA_CONFLICT", message);
    }
    const wider = { ...column, type: other.type };
    widened.push(wider);
    return wider;
  });
  const known = new Set(existing.map((column) => column.name));
  const added = wanted.filter((column) => !known.has(column.name));
  return { columns: [...kept, ...added], added, widened };
}

/** Names of the columns that a file adds to its table; none to a new table, or if their types conflict. */
export function addedColumns(
  table: string,
  existing: readonly ColumnDefinition[],
  wanted: readonly ColumnDefinition[],
): string[] {
  if (existing.length === 0) return [];
  try {
    return evolve(table, existing, wanted).added.map(({ name }) => name);
  } catch (thrown) {
    if (hasCode(thrown, "SCHEMA_CONFLICT")) return [];
    throw thrown;
  }
}

/** Whether both lists have the same columns in the same order, headers included. */
export const sameColumns = (a: readonly ColumnDefinition[], b: readonly ColumnDefinition[]): boolean =>
  a.length === b.length &&
  a.every(({ name, type, header }, at) => {
    const other = b[at]!;
    return name === other.name && type === other.type && header === other.header;
  });

/**
 * The Avro type of a value on the wire. It does not depend on the width, so a column can widen
 * (INTEGER→BIGINT, more DECIMAL digits) in the middle of a file without re-encoding rows: integers are always
 * longs, decimals are always unscaled bytes.
 */
export function avroTypeOf(type: ColumnType): object | string {
  const decimal = decimalOf(type);
  if (decimal) return { type: "bytes", logicalType: "decimal", precision: decimal.precision, scale: decimal.scale };
  switch (type as SimpleType) {
    case "BOOLEAN":
      return "boolean";
    case "INTEGER":
    case "BIGINT":
      return "long";
    case "DOUBLE":
      return "double";
    case "DATE":
      return { type: "int", logicalType: "date" };
    case "TIMESTAMP":
      return { type: "long", logicalType: "timestamp-micros", "adjust-to-utc": false };
    case "TIMESTAMP WITH TIME ZONE":
      return { type: "long", logicalType: "timestamp-micros", "adjust-to-utc": true };
    case "VARCHAR":
      return "string";
  }
}

/** Avro names allow only [A-Za-z0-9_], so the columns of a writer schema are named c0, c1, … by position. */
export const avroFieldName = (index: number): string => `c${index}`;

/**
 * The Avro schema of one row (serialise it as JSON): nullable file columns in order, then the audit columns.
 */
export function rowSchemaOf(columns: readonly ColumnDefinition[]): object {
  return {
    type: "record",
    name: "row",
    fields: [
      ...columns.map((column, index) => ({
        name: avroFieldName(index),
        // The original column name: `name` must be Avro-safe.
        column: column.name,
        type: ["null", avroTypeOf(column.type)],
        default: null,
      })),
      ...AUDIT_COLUMNS.map((column) => ({ name: column.name, column: column.name, type: avroTypeOf(column.type) })),
    ],
  };
}
