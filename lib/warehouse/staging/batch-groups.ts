import { decimalOf, DECIMAL_PRECISION_MAX, type ColumnType } from "../../columns.ts";
import type { RowBatch } from "../../messages/generated.ts";
import { rowFieldsOf } from "../../rows/row-decoder.ts";

/** A column of staged rows. `name` is its name in the stage. */
export interface StagedColumn {
  readonly name: string;
  /** The column's own name. */
  readonly column: string;
  readonly type: ColumnType;
}

/**
 * The columns that stage the rows of this writer schema. Writer schemas that differ only in a column's width
 * (INTEGER or BIGINT, DECIMAL digits at one scale) have the same encoding. Their rows are staged alike, at
 * maximum width.
 */
export function stagedColumnsOf(writerSchema: string): StagedColumn[] {
  return rowFieldsOf(writerSchema).map(({ name: column, type }, index) => {
    const decimal = decimalOf(type);
    const wide: ColumnType = decimal ? `DECIMAL(${DECIMAL_PRECISION_MAX},${decimal.scale})` : type;
    return { name: `c${index}`, column, type: wide };
  });
}

/** Equal for row batches that may be staged together. */
export function groupKey(columns: readonly StagedColumn[]): string {
  return columns.map(({ column, type }) => `${column}:${type}`).join("|");
}

/** Row batches with the same columns. */
export interface BatchGroup {
  columns: readonly StagedColumn[];
  batches: RowBatch[];
}

/** Groups the batches whose rows may be staged together. Groups are in order of first appearance. */
export function groupBatches(batches: Iterable<RowBatch>): BatchGroup[] {
  const groups = new Map<string, BatchGroup>();
  for (const batch of batches) {
    const columns = stagedColumnsOf(batch.writerSchema);
    const key = groupKey(columns);
    const group = groups.get(key);
    if (group) group.batches.push(batch);
    else groups.set(key, { columns, batches: [batch] });
  }
  return [...groups.values()];
}
