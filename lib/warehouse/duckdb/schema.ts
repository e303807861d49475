import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "./dialect.ts";
import { AUDIT_COLUMNS, columnTypeOf, type ColumnDefinition } from "../../columns.ts";
import { TributaryError } from "../../errors.ts";
import { CATALOG, LAKEHOUSE, rowsOf, type Database } from "./database.ts";
import { checkLayout, evolve } from "../schema-evolution.ts";
import { columnList, identifier, SCHEMA, withAuditColumns } from "../sql/sql.ts";
import type { TableDescription, TableLayout } from "../warehouse.ts";

const auditNames = new Set<string>(AUDIT_COLUMNS.map((column) => column.name));
const inLakehouse = `database_name = '${CATALOG}' AND schema_name = '${SCHEMA}'`;

/** `"warehouse"."lakehouse"."name"`. */
export const qualified = (name: string): string => `${LAKEHOUSE}.${identifier(name)}`;

/** The names of all tables, internal tables included and views excluded, in order. */
export async function tablesOf(connection: DuckDBConnection): Promise<string[]> {
  const rows = await rowsOf(connection, `SELECT table_name FROM duckdb_tables() WHERE ${inLakehouse} ORDER BY ALL`);
  return rows.map(([name]) => name as string);
}

/**
 * A cache of the table descriptions. Every schema change passes through this class, so each table is read
 * once.
 */
export class Tables {
  readonly #database: Database;
  readonly #known = new Map<string, TableDescription>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** A table's file columns; undefined if the table does not exist. */
  async describe(table: string): Promise<TableDescription | undefined> {
    const known = this.#known.get(table);
    if (known) return known;
    const found = await this.#database.connected((connection) => describeTable(connection, table));
    if (found) this.#known.set(table, found);
    return found;
  }

  /** Implements Warehouse.ensureTable. */
  async ensure(layout: TableLayout, wanted: readonly ColumnDefinition[]): Promise<TableDescription> {
    const { table } = layout;
    const existing = await this.describe(table);
    const { columns, added, widened } = evolve(table, existing?.columns ?? [], wanted);
    checkLayout(layout, columns);
    if (existing && added.length === 0 && widened.length === 0) return existing;
    this.#known.delete(table);
    await this.#database.transaction(async (connection) => {
      if (!existing) await create(connection, table, columns);
      else if (added.length > 0) await rebuild(connection, table, existing.columns, columns);
      else await widen(connection, table, widened);
    });
    const description = { table, columns, partitioning: [] };
    this.#known.set(table, description);
    return description;
  }
}

async function describeTable(connection: DuckDBConnection, table: string): Promise<TableDescription | undefined> {
  const rows = await rowsOf(
    connection,
    `SELECT c.column_name, c.data_type, c.comment
     FROM duckdb_columns() c JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
     WHERE ${inLakehouse} AND c.table_name = ${duckdb.stringLiteral(table)} ORDER BY c.column_index`,
  );
  if (rows.length === 0) return undefined;
  const columns = rows.map(([name, type, header]): ColumnDefinition => {
    const known = columnTypeOf(type as string);
    if (!known) throw new TributaryError("WAREHOUSE_FAILED", `table '${table}': a column of type ${String(type)}`);
    return { name: name as string, type: known, header: (header ?? name) as string };
  });
  return { table, columns: columns.filter((column) => !auditNames.has(column.name)), partitioning: [] };
}

const tableBody = (columns: readonly ColumnDefinition[]): string => duckdb.columnDefinitions(withAuditColumns(columns));

async function create(
  connection: DuckDBConnection,
  table: string,
  columns: readonly ColumnDefinition[],
): Promise<void> {
  await connection.run(`CREATE TABLE ${qualified(table)} (${tableBody(columns)})`);
  await comment(connection, table, columns);
}

async function widen(connection: DuckDBConnection, table: string, widened: readonly ColumnDefinition[]): Promise<void> {
  for (const { name, type } of widened) {
    await connection.run(`ALTER TABLE ${qualified(table)} ALTER COLUMN ${identifier(name)} TYPE ${type}`);
  }
}

/**
 * Copies the table into a new one with the new columns, because DuckDB can add a column only after the audit
 * columns. (0.4 s per million rows.)
 */
async function rebuild(
  connection: DuckDBConnection,
  table: string,
  before: readonly ColumnDefinition[],
  after: readonly ColumnDefinition[],
): Promise<void> {
  const old = `${table} (before)`;
  const names = columnList(withAuditColumns(before).map((column) => column.name));
  await connection.run(`ALTER TABLE ${qualified(table)} RENAME TO ${identifier(old)}`);
  await connection.run(`CREATE TABLE ${qualified(table)} (${tableBody(after)})`);
  await connection.run(`INSERT INTO ${qualified(table)} (${names}) SELECT ${names} FROM ${qualified(old)}`);
  await connection.run(`DROP TABLE ${qualified(old)}`);
  await comment(connection, table, after);
}

/** Stores each column's header as its comment. */
async function comment(
  connection: DuckDBConnection,
  table: string,
  columns: readonly ColumnDefinition[],
): Promise<void> {
  const comments = columns.map(
    ({ name, header }) =>
      `COMMENT ON COLUMN ${qualified(table)}.${identifier(name)} IS ${duckdb.literal("VARCHAR", header.replaceAll("\0", ""))}`,
  );
  await connection.run(comments.join(";"));
}
