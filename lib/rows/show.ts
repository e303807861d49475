import { AUDIT_COLUMNS, decimalOf } from "../columns.ts";
import { decodeRows, valueAt, type DecodedColumn, type DecodedRows, type RowsOfSchema } from "./row-decoder.ts";
import { dateText, decimalText, timestampText } from "./value-text.ts";

/**
 * A value as JSON shows it: integers beyond 2^53 and decimals as exact text, dates and times in ISO format.
 */
export type ShownValue = string | number | boolean | null;

/**
 * The first `rowsMax` rows of a batch, without their audit columns.
 * @throws a plain Error for damaged bytes
 */
export function showRows(batch: RowsOfSchema, rowsMax: number): ShownValue[][] {
  const decoded = decodeRows(batch);
  const columns = decoded.columns.slice(0, -AUDIT_COLUMNS.length);
  return Array.from({ length: Math.min(batch.rowCount, rowsMax) }, (_, row) =>
    columns.map((column) => showValue(decoded, column, row)),
  );
}

function showValue(rows: DecodedRows, column: DecodedColumn, row: number): ShownValue {
  const value = valueAt(rows, column, row);
  switch (column.kind) {
    case "double":
      return value === null || Number.isFinite(value) ? (value as number | null) : String(value);
    case "date":
      return value === null ? null : dateText(value as number);
    default:
      if (typeof value !== "bigint") return value;
  }
  if (column.kind === "decimal") return decimalText(value, decimalOf(column.type)!.scale);
  if (column.kind === "timestamp") return timestampText(value);
  if (column.kind === "timestamptz") return `${timestampText(value)}Z`;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}
