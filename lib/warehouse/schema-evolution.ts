import { AUDIT_COLUMNS, widens, type ColumnDefinition } from "../columns.ts";
import { TributaryError } from "../errors.ts";
import { isReservedTable } from "../tables.ts";
import type { TableLayout } from "./warehouse.ts";

/** The change that a table needs to hold a file's columns. */
export interface Evolution {
  /** The table's file columns after the change, in order. */
  columns: ColumnDefinition[];
  added: ColumnDefinition[];
  widened: ColumnDefinition[];
}

/**
 * Computes how a table with the `existing` file columns accepts files with the `wanted` columns. Missing
 * columns are added after the existing ones. Types widen where lib/columns allows it. A narrower type of a
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

/** One field of a partitioning: `column`, `month(column)` or `bucket(column, 16)`. */
export interface PartitionField {
  /** `identity` or the name of an Iceberg transform. */
  transform: string;
  column: string;
  argument?: number;
}

const TRANSFORMS_PLAIN = ["year", "month", "day", "hour"];
const TRANSFORMS_SIZED = ["bucket", "truncate"];

/**
 * The parsed partitioning of a layout.
 * @throws CONTRACT_INVALID for an unknown transform
 */
export function partitionFields(layout: TableLayout): PartitionField[] {
  return layout.partitioning.map((text) => {
    const call = /^\s*([a-z]+)\s*\(\s*([^(),]+?)\s*(?:,\s*(\d+)\s*)?\)\s*$/i.exec(text);
    if (!call) return { transform: "identity", column: text.trim() };
    const [transform, column, argument] = [call[1]!.toLowerCase(), call[2]!, call[3]];
    if (argument === undefined && TRANSFORMS_PLAIN.includes(transform)) return { transform, column };
    if (argument !== undefined && TRANSFORMS_SIZED.includes(transform)) {
      return { transform, column, argument: Number(argument) };
    }
    throw new TributaryError("CONTRACT_INVALID", `table '${layout.table}': '${text}' is no partition transform`);
  });
}

/**
 * @throws CONTRACT_INVALID if the key or the partitioning names a column that the table will not have;
 *   TABLE_NAME_INVALID for a name of our own tables, whatever let it through
 */
export function checkLayout(layout: TableLayout, columns: readonly ColumnDefinition[]): void {
  if (isReservedTable(layout.table))
    throw new TributaryError("TABLE_NAME_INVALID", `'${layout.table}' is reserved for Tributary's own tables`);
  const names = new Set(columns.map((column) => column.name));
  for (const name of layout.key) {
    if (!names.has(name))
      throw new TributaryError("CONTRACT_INVALID", `table '${layout.table}': no key column '${name}'`);
  }
  for (const audit of AUDIT_COLUMNS) names.add(audit.name);
  for (const { column } of partitionFields(layout)) {
    if (!names.has(column)) {
      throw new TributaryError("CONTRACT_INVALID", `table '${layout.table}': no partition column '${column}'`);
    }
  }
}
