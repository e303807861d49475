import { AUDIT_COLUMNS, decimalOf, type ColumnType } from "../../../lib/columns.ts";
import type { Check } from "../../../lib/contract/contract.ts";
import { parseDuration } from "../../../lib/durations.ts";
import { messageOf } from "../../../lib/errors.ts";
import {
  doubleLiteral,
  identifier,
  literal,
  stringLiteral,
  tableName,
  type Dialect,
  type SqlColumn,
} from "../../../lib/warehouse/sql/sql.ts";

/**
 * How a check is measured. Its SQL gives one number, the failing rows:
 *  - `aggregate`: an aggregate expression over the table; all of a run share one scan
 *  - `subquery`: a SELECT with one row and one column over the table alone; joins the same statement
 *  - `alone`: a SELECT that reaches beyond the table, or that a user wrote; a statement of its own
 *  - `broken`: cannot be asked at all
 */
export type CheckMeasurement =
  | { check: Check; by: "aggregate" | "subquery" | "alone"; sql: string }
  | { check: Check; by: "broken"; message: string };

export interface CheckContext {
  table: string;
  /** The table's columns; audit columns are known anyhow. */
  columns: readonly SqlColumn[];
  dialect: Dialect;
  nowMs: number;
}

/** The SQL of a check. Pure. NULLs are ignored by all but not_null, which counts them. */
export function measureOf(check: Check, context: CheckContext): CheckMeasurement {
  try {
    return { check, ...sqlOf(check, context) };
  } catch (thrown) {
    return { check, by: "broken", message: messageOf(thrown) };
  }
}

/** One statement for many measures: first the table's row count, then each measure's failing rows, in order. */
export function combinedQuery(table: string, measures: readonly CheckMeasurement[]): string {
  const aggregates: string[] = [];
  const joins: string[] = [];
  const columns = ["s.total"];
  for (const [index, measure] of measures.entries()) {
    if (measure.by === "aggregate") {
      aggregates.push(`, ${measure.sql} AS m${index}`);
      columns.push(`s.m${index}`);
    } else if (measure.by === "subquery" || measure.by === "alone") {
      joins.push(`CROSS JOIN (${measure.sql}\n) AS q${index} (n)`);
      columns.push(`q${index}.n`);
    }
  }
  const scan = `SELECT count(*) AS total${aggregates.join("")} FROM ${tableName(table)}`;
  return `SELECT ${columns.join(", ")} FROM (${scan}) AS s ${joins.join(" ")}`.trim();
}

type Sql = { by: "aggregate" | "subquery" | "alone"; sql: string };

function sqlOf(check: Check, context: CheckContext): Sql {
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
      return failing(`${numericColumn(check, check.column, context).sql} <= 0`);
    case "range": {
      const { sql, type } = columnOf(check.column, context);
      const bound = (operator: string, value: number | string | undefined): string[] =>
        value === undefined ? [] : [`${sql} ${operator} ${valueLiteral(dialect, type, value)}`];
      return failingIfAny([...bound("<", check.min_value), ...bound(">", check.max_value)]);
    }
    case "row_count_range": {
      const bound = (operator: string, value: number | undefined): string[] =>
        value === undefined ? [] : [`count(*) ${operator} ${value}`];
      const outside = [...bound("<", check.min_count), ...bound(">", check.max_count)].join(" OR ") || "FALSE";
      return { by: "aggregate", sql: `CASE WHEN ${outside} THEN 1 ELSE 0 END` };
    }
    case "no_future_dates": {
      const { sql, type } = timeColumn(check, check.column, context);
      const tomorrow = new Date(Math.floor(nowMs / DAY_MS + 1) * DAY_MS);
      return failing(`${sql} >= ${literal(dialect, type, tomorrow)}`);
    }
    case "regex": {
      const { sql, type } = columnOf(check.column, context);
      const text = type === "VARCHAR" ? sql : `CAST(${sql} AS VARCHAR)`;
      const matches = dialect === "trino" ? "regexp_like" : "regexp_matches";
      return failing(`NOT ${matches}(${text}, ${stringLiteral(dialect, check.pattern)})`);
    }
    case "freshness": {
      const { sql, type } = timeColumn(check, check.column ?? "_ingested_at", context);
      const age = parseDuration(check.max_age, undefined);
      if ("fault" in age) throw new Error(age.fault);
      const oldest = new Date(nowMs - age.ms);
      return { by: "aggregate", sql: `CASE WHEN max(${sql}) >= ${literal(dialect, type, oldest)} THEN 0 ELSE 1 END` };
    }
    case "referential": {
      const { sql } = columnOf(check.column, context);
      const there = identifier(check.references.column);
      const known = `SELECT ${there} FROM ${tableName(check.references.table)} WHERE ${there} IS NOT NULL`;
      return {
        by: "alone",
        sql: `SELECT count(*) FROM ${tableName(table)} WHERE ${sql} IS NOT NULL AND ${sql} NOT IN (${known})`,
      };
    }
    case "custom_sql":
      // The line break ends a comment that the user's SQL may end with.
      return { by: "alone", sql: `SELECT count(*) FROM (${check.sql.trim().replace(/;\s*$/, "")}\n) AS c` };
    case "unknown":
      throw new Error(`unknown check type: ${check.declaredType}`);
  }
}

const DAY_MS = 86_400_000;

const failing = (condition: string): Sql => ({
  by: "aggregate",
  sql: `count(CASE WHEN ${condition} THEN 1 END)`,
});

const failingIfAny = (conditions: readonly string[]): Sql => failing(conditions.join(" OR ") || "FALSE");

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

function numericColumn(check: Check, name: string, context: CheckContext): CheckedColumn {
  const column = columnOf(name, context);
  if (!isNumeric(column.type)) throw new Error(`${check.type} needs a number; '${name}' is ${column.type}`);
  return column;
}

function timeColumn(check: Check, name: string, context: CheckContext): CheckedColumn {
  const column = columnOf(name, context);
  if (column.type === "DATE" || column.type.startsWith("TIMESTAMP")) return column;
  throw new Error(`${check.type} needs a date or timestamp; '${name}' is ${column.type}`);
}

/** A value of a contract as the column can be compared with it. Numbers keep all their digits, whatever the column's scale. */
function valueLiteral(dialect: Dialect, type: ColumnType, value: string | number | boolean): string {
  if (type === "BOOLEAN") return literal(dialect, type, String(value).toLowerCase() === "true");
  if (!isNumeric(type)) return literal(dialect, type, String(value));
  const text = String(value).trim();
  const digits = /^-?(\d+)(?:\.(\d+))?$/.exec(text);
  if (type === "DOUBLE" || !digits) {
    if (Number.isNaN(Number(text)) || text === "") throw new Error(`'${value}' is no number`);
    return doubleLiteral(Number(text));
  }
  const scale = digits[2]?.length ?? 0;
  return literal(dialect, `DECIMAL(${digits[1]!.length + scale},${scale})`, text);
}
