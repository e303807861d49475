import { AUDIT_COLUMNS, type ColumnDefinition } from "../columns.ts";
import { TributaryError } from "../errors.ts";
import { isReservedTable, isShadow, PARTITION_FORMS, partitionField, type PartitionField } from "../tables.ts";
import type { TableLayout } from "./warehouse.ts";

/**
 * The parsed partitioning of a layout.
 * @throws CONTRACT_INVALID for an unknown transform
 */
export function partitionFields(layout: TableLayout): PartitionField[] {
  return layout.partitioning.map((text) => {
    const field = partitionField(text);
    if (field) return field;
    const message = `table '${layout.table}': cannot partition by '${text}': use ${PARTITION_FORMS}`;
    throw new TributaryError("CONTRACT_INVALID", message);
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
