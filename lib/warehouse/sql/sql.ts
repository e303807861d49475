import { DEFAULT_NAMESPACE } from "../../tables.ts";
import { AUDIT_COLUMNS, type ColumnDefinition, type ColumnType } from "../../columns.ts";

/**
 * Identifiers and the SQL fragments that are the same in every dialect. The functions are pure. Whatever
 * characters a name contains, the result is that name and nothing else. Literals and types are in
 * dialect.ts.
 */

/** The schema of all tables. */
export const SCHEMA = DEFAULT_NAMESPACE;

/** A column of a table; `name` is unquoted. */
export interface SqlColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** The quoted `name`. Throws on names that no warehouse supports: the empty name, and names with NUL. */
export function identifier(name: string): string {
  if (name === "" || name.includes("\0")) throw new Error(`no identifier: ${JSON.stringify(name)}`);
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"lakehouse"."name"`. */
export const tableName = (name: string): string => `${identifier(SCHEMA)}.${identifier(name)}`;

/** `"a", "b"`, or `t."a", t."b"` with an alias. */
export function columnList(names: readonly string[], alias?: string): string {
  return names.map((name) => column(name, alias)).join(", ");
}

/** `"name"`, or `t."name"` with an alias. */
export const column = (name: string, alias?: string): string =>
  alias === undefined ? identifier(name) : `${alias}.${identifier(name)}`;

/** True where any of the columns differs between the two aliases. NULL counts as a value. */
export function anyDistinct(names: readonly string[], left: string, right: string): string {
  if (names.length === 0) return "FALSE";
  return `(${names.map((name) => `${column(name, left)} IS DISTINCT FROM ${column(name, right)}`).join(" OR ")})`;
}

/** True where all of the columns are equal and none is NULL. */
export function allEqual(names: readonly string[], left: string, right: string): string {
  if (names.length === 0) return "TRUE";
  return names.map((name) => `${column(name, left)} = ${column(name, right)}`).join(" AND ");
}

/** The file's columns, followed by the audit columns. */
export const withAuditColumns = (columns: readonly ColumnDefinition[]): SqlColumn[] => [...columns, ...AUDIT_COLUMNS];
