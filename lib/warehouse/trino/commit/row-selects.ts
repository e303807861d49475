import { trino } from "../dialect.ts";
import { decimalOf, type ColumnType } from "../../../columns.ts";
import { decodeRows, valueAt, type DecodedValue } from "../../../rows/row-decoder.ts";
import { type LiteralValue } from "../../sql/dialect.ts";
import { dateText, decimalText, timestampText } from "../../../rows/value-text.ts";
import { column, identifier, type SqlColumn } from "../../sql/sql.ts";
import type { BatchGroup, StagedColumn } from "../../staging/batch-groups.ts";
import { ownOf } from "../../../own.ts";

/**
 * Converts rows to SQL: a SELECT with the names, types and order of a table's columns. All functions are
 * pure.
 */

/**
 * Returns a SELECT with the rows in the statement's own text, as one JSON string literal. Returns undefined
 * if that takes more than `charsMax` characters. JSON has no dates, decimals or NaN. The literal holds these
 * as text, and the SELECT casts them exactly.
 */
export function inlineSelect(target: readonly SqlColumn[], group: BatchGroup, charsMax: number): string | undefined {
  const rows: string[] = [];
  let chars = 0;
  for (const batch of group.batches) {
    const decoded = decodeRows(batch);
    for (let row = 0; row < decoded.rowCount; row++) {
      const values = group.columns.map(({ type }, index) =>
        jsonText(type, valueAt(decoded, decoded.columns[index]!, row)),
      );
      const text = `[${values.join(",")}]`;
      chars += text.length + 1;
      if (chars > charsMax) return undefined;
      rows.push(text);
    }
  }
  const literal = trino.stringLiteral(`[${rows.join(",")}]`);
  if (literal.length > charsMax) return undefined;
  const fields = group.columns.map(({ name, type }) => `${name} ${inlineType(type)}`).join(", ");
  const names = group.columns.map(({ name }) => name).join(", ");
  const from = `UNNEST(CAST(json_parse(${literal}) AS array(row(${fields})))) AS r(${names})`;
  broughtColumns(target, group.columns);
  const byName = new Map(group.columns.map((one) => [one.column, one]));
  const list = target.map(({ name, type }) => {
    const staged = byName.get(name);
    const wanted = trino.typeName(type);
    if (!staged) return `CAST(NULL AS ${wanted}) AS ${identifier(name)}`;
    const value = column(staged.name, "r");
    return `${inlineType(staged.type) === wanted ? value : `CAST(${value} AS ${wanted})`} AS ${identifier(name)}`;
  });
  return `SELECT ${list.join(", ")} FROM ${from}`;
}

/** Returns a SELECT of the rows of a stage table, which has some of the target's columns. */
export function stagedSelect(target: readonly SqlColumn[], columns: readonly SqlColumn[], stageTable: string): string {
  const known = new Set(columns.map(({ name }) => name));
  const list = target.map(({ name, type }) =>
    known.has(name) ? column(name, "r") : `CAST(NULL AS ${trino.typeName(type)}) AS ${identifier(name)}`,
  );
  return `SELECT ${list.join(", ")} FROM ${stageTable} AS r`;
}

/**
 * Returns the target's columns that the staged rows have. It throws if they have a column that the target
 * lacks.
 */
export function broughtColumns(target: readonly SqlColumn[], source: readonly StagedColumn[]): SqlColumn[] {
  const known = new Set(target.map(({ name }) => name));
  const stray = source.find(({ column: name }) => !known.has(name));
  if (stray) throw new Error(`commit: the table has no column '${stray.column}'; ensureTable comes first`);
  const brought = new Set(source.map((one) => one.column));
  return target.filter(({ name }) => brought.has(name));
}

/** Returns a SELECT of no rows, with the target's columns. */
export function emptySelect(target: readonly SqlColumn[]): string {
  const nulls = target.map(({ name, type }) => `CAST(NULL AS ${trino.typeName(type)}) AS ${identifier(name)}`);
  return `SELECT ${nulls.join(", ")} WHERE FALSE`;
}

/**
 * Returns a SELECT of rows of plain values by column name. A column that a row lacks is NULL. It throws on
 * unknown columns.
 */
export function valuesSelect(
  target: readonly SqlColumn[],
  rows: readonly Readonly<Record<string, LiteralValue>>[],
): string {
  const known = new Set(target.map(({ name }) => name));
  const cells = rows.map((row) => {
    const stray = Object.keys(row).find((name) => !known.has(name));
    if (stray !== undefined) throw new Error(`no such column: ${stray}`);
    return target.map(({ name }) => plainText(ownOf(row, name) ?? null));
  });
  const names = target.map((_, index) => `c${index}`);
  const list = target.map(
    ({ name, type }, index) => `CAST(r.c${index} AS ${trino.typeName(type)}) AS ${identifier(name)}`,
  );
  const literal = trino.stringLiteral(JSON.stringify(cells));
  const fields = names.map((name) => `${name} VARCHAR`).join(", ");
  const from = `UNNEST(CAST(json_parse(${literal}) AS array(row(${fields})))) AS r(${names.join(", ")})`;
  return `SELECT ${list.join(", ")} FROM ${from}`;
}

function plainText(value: LiteralValue): string | null {
  if (value === null) return null;
  if (value instanceof Date) return timestampText(BigInt(value.getTime()) * 1000n).replace("T", " ");
  if (value instanceof Uint8Array) throw new Error("no bytes here");
  return String(value);
}

function inlineType(type: ColumnType): string {
  switch (type) {
    case "BOOLEAN":
      return "BOOLEAN";
    case "INTEGER":
    case "BIGINT":
      return "BIGINT";
    default:
      return "VARCHAR";
  }
}

/** Returns a value as JSON for a column of the type that inlineType returns. */
function jsonText(type: ColumnType, value: DecodedValue): string {
  if (value === null) return "null";
  const decimal = decimalOf(type);
  if (decimal) return `"${decimalText(value as bigint, decimal.scale)}"`;
  switch (type) {
    case "BOOLEAN":
    case "INTEGER":
    case "BIGINT":
      return String(value);
    case "DOUBLE":
      return `"${Object.is(value, -0) ? "-0.0" : String(value)}"`;
    case "DATE":
      return `"${dateText(value as number)}"`;
    case "TIMESTAMP":
      return `"${timestampText(value as bigint).replace("T", " ")}"`;
    case "TIMESTAMP WITH TIME ZONE":
      return `"${timestampText(value as bigint).replace("T", " ")} UTC"`;
    default:
      return JSON.stringify(value);
  }
}
