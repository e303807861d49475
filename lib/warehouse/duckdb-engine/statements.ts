import type { DuckDBConnection } from "@duckdb/node-api";
import type { MergeInput } from "../commit/merge.ts";
import { columnList, identifier, type SqlColumn } from "../sql/sql.ts";
import { rowsOf } from "./rows.ts";
import type { StagedPart } from "./stage.ts";

/** Statements of a commit that are the same for every table that DuckDB writes. */

/** A SELECT of the parts' rows with the table's columns. Columns that a part lacks are NULL. */
export function rowsSelect(table: string, parts: readonly StagedPart[], columns: readonly SqlColumn[]): string {
  const select = (cells: readonly string[]): string =>
    `SELECT ${cells.map((cell, index) => `${cell} AS ${identifier(columns[index]!.name)}`).join(", ")}`;
  if (parts.length === 0) return `${select(columns.map(({ type }) => `CAST(NULL AS ${type})`))} WHERE FALSE`;
  const known = new Set(columns.map((one) => one.name));
  const selects = parts.map((part) => {
    const has = new Map(part.columns.map((one) => [one.name, one.type]));
    const stray = part.columns.find((one) => !known.has(one.name));
    if (stray) throw new Error(`commit: table '${table}' has no column '${stray.name}'; call ensureTable first`);
    const cells = columns.map(({ name, type }) => {
      if (has.get(name) === type) return identifier(name);
      return `CAST(${has.has(name) ? identifier(name) : "NULL"} AS ${type})`;
    });
    return `${select(cells)} FROM ${part.table}`;
  });
  return selects.join(" UNION ALL ");
}

/** Most batches have no repeated key. This check costs a seventh of sorting the rows by key. */
export async function areKeysUnique(connection: DuckDBConnection, { layout, rows }: MergeInput): Promise<boolean> {
  const repeated = `SELECT 1 FROM (${rows}) s GROUP BY ${columnList(layout.key, "s")} HAVING count(*) > 1`;
  return !(await anyRow(connection, `(${repeated})`));
}

/** Runs a statement. Returns the number of rows that it changed. */
export async function changed(connection: DuckDBConnection, sql: string): Promise<number> {
  const result = await connection.run(sql);
  return result.rowsChanged;
}

/** Whether the relation has any row. */
export async function anyRow(connection: DuckDBConnection, relation: string): Promise<boolean> {
  const rows = await rowsOf(connection, `SELECT 1 FROM ${relation} LIMIT 1`);
  return rows.length > 0;
}

export async function countOf(connection: DuckDBConnection, select: string): Promise<number> {
  const [row] = await rowsOf(connection, select);
  return Number(row![0]);
}
