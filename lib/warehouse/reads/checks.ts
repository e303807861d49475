import { AUDIT_COLUMNS, decimalOf, type ColumnType } from "../../columns.ts";
import { messageOf } from "../../errors.ts";
import { doubleLiteral, type Dialect } from "../sql/dialect.ts";
import { identifier, tableName } from "../sql/sql.ts";
import type { CheckMeasurements, CheckValue, MeasuredTable, ReadLimits, TableCheck } from "./port.ts";
import type { SqlReader } from "./sql-reader.ts";

/** The context that the SQL of a check depends on. */
export interface CheckContext extends MeasuredTable {
  dialect: Dialect;
  nowMs: number;
}

/**
 * The SQL of a check. Its result is one number, the failing rows. `aggregate`: an aggregate expression over
 * the table; all aggregates of a statement share one scan. `subquery`: a SELECT with one row and one column.
 */
export type CheckSql = { by: "aggregate" | "subquery"; sql: string } | { by: "none"; problem: string };

/** Implements Warehouse.measure. */
export async function measure(
  reader: SqlReader,
  table: MeasuredTable,
  checks: readonly TableCheck[],
  { nowMs, ...limits }: ReadLimits & { nowMs: number },
): Promise<CheckMeasurements> {
  const context = { ...table, dialect: reader.dialect, nowMs };
  const parts = checks.map((check) => checkSql(check, context));
  const asked = parts.filter(({ by }) => by !== "none");
  if (checks.length > 0 && asked.length === 0)
    return { rowCount: undefined, failing: parts.map((one) => failingOf(one)) };
  const { rows } = await reader.query(measureStatement(table.table, asked), { ...limits, rowsMax: 1 });
  const [rowCount = 0, ...counts] = (rows[0] ?? []).map(Number);
  let at = 0;
  return { rowCount, failing: parts.map((one) => (one.by === "none" ? failingOf(one) : (counts[at++] ?? 0))) };
}

const failingOf = (part: CheckSql): { problem: string } => ({ problem: part.by === "none" ? part.problem : "" });

/**
 * One statement for many checks. Its first column is the table's row count; then come each check's failing
 * rows, in order.
 */
export function measureStatement(table: string, parts: readonly CheckSql[]): string {
  const aggregates: string[] = [];
  const joins: string[] = [];
  const columns = ["s.total"];
  for (const [index, part] of parts.entries()) {
    if (part.by === "aggregate") {
      aggregates.push(`, ${part.sql} AS m${index}`);
      columns.push(`s.m${index}`);
    } else if (part.by === "subquery") {
      joins.push(`CROSS JOIN (${part.sql}\n) AS q${index} (n)`);
      columns.push(`q${index}.n`);
    }
  }
  const scan = `SELECT count(*) AS total${aggregates.join("")} FROM ${tableName(table)}`;
  return `SELECT ${columns.join(", ")} FROM (${scan}) AS s ${joins.join(" ")}`.trim();
}

/** The SQL of a check. Pure. */
export function checkSql(check: TableCheck, context: CheckContext): CheckSql {
  try {
    return sqlOf(check, context);
  } catch (thrown) {
    return { by: "none", problem: messageOf(thrown) };
  }
}

function sqlOf(check: TableCheck, context: CheckContext): CheckSql {
  const { table, dialect, nowMs } = context;
  switch (check.type) {
    case "not_null":
      return failing(`${columnOf(check.column, context).sql} IS NULL`);
    case "uniqueness": {
      const { sql } = columnOf(check.column, context);
      const repeated = `SELECT 1 FROM ${tableName(table)} WHERE ${sql} IS NOT NULL GROUP BY ${sql} HAVING count(*) > 1`;
      return { by: "subquery", sql: `SELECT count(*) FROM (${repeated}) AS d` };
    }
    case "accepted_values": {
      const { sql, type } = columnOf(check.column, context);
      const accepted = check.accepted.map((value) => valueLiteral(dialect, type, value));
      return failing(`${sql} NOT IN (${accepted.join(", ")})`);
    }
    case "positive":
      return failing(`${numericColumn(check, context).sql} <= 0`);
    case "range": {
      const { sql, type } = columnOf(check.column, context);
      const bound = (operator: string, value: number | string | undefined): string[] =>
        value === undefined ? [] : [`${sql} ${operator} ${valueLiteral(dialect, type, value)}`];
      return failing([...bound("<", check.min), ...bound(">", check.max)].join(" OR ") || "FALSE");
    }
    case "row_count_range": {
      const bound = (operator: string, value: number | undefined): string[] =>
        value === undefined ? [] : [`count(*) ${operator} ${value}`];
      const outside = [...bound("<", check.min), ...bound(">", check.max)].join(" OR ") || "FALSE";
      return { by: "aggregate", sql: `CASE WHEN ${outside} THEN 1 ELSE 0 END` };
    }
    case "no_future_dates": {
      const { sql, type } = timeColumn(check, context);
      const tomorrow = new Date(Math.floor(nowMs / DAY_MS + 1) * DAY_MS);
      return failing(`${sql} >= ${dialect.literal(type, tomorrow)}`);
    }
    case "regex": {
      const { sql, type } = columnOf(check.column, context);
      const text = type === "VARCHAR" ? sql : `CAST(${sql} AS VARCHAR)`;
      return failing(`NOT ${dialect.regexpMatches(text, dialect.stringLiteral(check.pattern))}`);
    }
    case "freshness": {
      const { sql, type } = timeColumn(check, context);
      const oldest = dialect.literal(type, new Date(nowMs - check.maxAgeMs));
      return { by: "aggregate", sql: `CASE WHEN max(${sql}) >= ${oldest} THEN 0 ELSE 1 END` };
    }
    case "referential": {
      const { sql } = columnOf(check.column, context);
      const there = identifier(check.references.column);
      const known = `SELECT ${there} FROM ${tableName(check.references.table)} WHERE ${there} IS NOT NULL`;
      const unknown = `${sql} IS NOT NULL AND ${sql} NOT IN (${known})`;
      return { by: "subquery", sql: `SELECT count(*) FROM ${tableName(table)} WHERE ${unknown}` };
    }
    case "custom_sql":
      // The line break ends a comment that the user's SQL may end with.
      return { by: "subquery", sql: `SELECT count(*) FROM (${selectOf(check.sql)}\n) AS c` };
  }
}

const selectOf = (sql: string): string => sql.trim().replace(/;\s*$/, "");

/**
 * The SQL of contracts within the statement that measures the checks. Each text must be parsed as one SELECT
 * of its own before the statement runs: `SELECT 1) AS x, (SELECT 1` is valid within its brackets only.
 */
export const customSelects = (checks: readonly TableCheck[]): string[] =>
  checks.flatMap((check) => (check.type === "custom_sql" ? [selectOf(check.sql)] : []));

const DAY_MS = 86_400_000;

const failing = (condition: string): CheckSql => ({
  by: "aggregate",
  sql: `count(CASE WHEN ${condition} THEN 1 END)`,
});

interface CheckedColumn {
  sql: string;
  type: ColumnType;
}

function columnOf(name: string, { table, columns }: CheckContext): CheckedColumn {
  const column = [...columns, ...AUDIT_COLUMNS].find((known) => known.name === name);
  if (!column) throw new Error(`table ${table} has no column '${name}'`);
  return { sql: identifier(name), type: column.type };
}

const isNumeric = (type: ColumnType): boolean =>
  decimalOf(type) !== undefined || type === "INTEGER" || type === "BIGINT" || type === "DOUBLE";

type ColumnCheck = Extract<TableCheck, { column: string }>;

function numericColumn({ type, column: name }: ColumnCheck, context: CheckContext): CheckedColumn {
  const column = columnOf(name, context);
  if (!isNumeric(column.type)) throw new Error(`${type} needs a number; '${name}' is ${column.type}`);
  return column;
}

function timeColumn({ type, column: name }: ColumnCheck, context: CheckContext): CheckedColumn {
  const column = columnOf(name, context);
  if (column.type === "DATE" || column.type.startsWith("TIMESTAMP")) return column;
  throw new Error(`${type} needs a date or timestamp; '${name}' is ${column.type}`);
}

/**
 * A contract's value as a literal that the column can be compared with. Numbers keep all their digits,
 * whatever the column's scale.
 */
function valueLiteral(dialect: Dialect, type: ColumnType, value: CheckValue): string {
  if (type === "BOOLEAN") return dialect.literal(type, String(value).toLowerCase() === "true");
  if (!isNumeric(type)) return dialect.literal(type, String(value));
  const text = String(value).trim();
  const digits = /^-?(\d+)(?:\.(\d+))?$/.exec(text);
  if (type === "DOUBLE" || !digits) {
    if (Number.isNaN(Number(text)) || text === "") throw new Error(`'${value}' is not a number`);
    return doubleLiteral(Number(text));
  }
  const scale = digits[2]?.length ?? 0;
  return dialect.literal(`DECIMAL(${digits[1]!.length + scale},${scale})`, text);
}
