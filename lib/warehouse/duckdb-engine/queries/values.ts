import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBResult,
  type DuckDBValue,
} from "@duckdb/node-api";
import { dateText, timestampText } from "../../../rows/value-text.ts";

/** Names and types of a result's columns, as Warehouse.query reports them. */
export const columnsOf = (result: DuckDBResult): { name: string; type: string }[] =>
  result.columnNames().map((name, index) => ({ name, type: result.columnType(index).toString().toLowerCase() }));

/**
 * Converts a DuckDB value to JSON without loss. Integers beyond 2^53 and decimals become text, dates and
 * timestamps ISO text, NaN and infinities text, bytes base64, lists arrays, structs and maps objects. Other
 * types become DuckDB's text.
 */
export function jsonValue(value: DuckDBValue): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(jsonValue);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, field]) => [name, jsonValue(field)]));
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value: one }) => [String(jsonValue(key)), jsonValue(one)]));
  }
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64");
  return isoText(value) ?? value.toString();
}

const FIRST_MICROS = BigInt(Date.parse("0001-01-01T00:00:00Z")) * 1000n;
const END_MICROS = BigInt(Date.parse("9999-12-31T23:59:59.999Z")) * 1000n + 1000n;

/** ISO text of a date or timestamp; undefined for other types and outside the years 1 to 9999. */
function isoText(value: DuckDBValue): string | undefined {
  const micros = microsOf(value);
  if (micros === undefined || micros < FIRST_MICROS || micros >= END_MICROS) return undefined;
  if (value instanceof DuckDBDateValue) return dateText(value.days);
  return timestampText(micros) + (value instanceof DuckDBTimestampTZValue ? "Z" : "");
}

function microsOf(value: DuckDBValue): bigint | undefined {
  if (value instanceof DuckDBDateValue) return BigInt(value.days) * 86_400_000_000n;
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) return value.micros;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1000n;
  return undefined;
}
