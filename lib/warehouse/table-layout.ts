import { AUDIT_COLUMNS, type ColumnDefinition } from "../columns.ts";
import { TributaryError } from "../errors.ts";
import { isReservedTable, isShadow } from "../tables.ts";
import type { TableLayout } from "./warehouse.ts";

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
  if (isReservedTable(layout.table) && !isShadow(layout.table))
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
