import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { AUDIT_COLUMNS, columnTypeOf, evolve, type ColumnDefinition } from "../../columns.ts";
import { TributaryError } from "../../errors.ts";
import { CATALOG } from "../duckdb-engine/queries/protocol.ts";
import { rowsOf } from "../duckdb-engine/rows.ts";
import { LAKEHOUSE, type Database } from "./database.ts";
import { checkLayout } from "../table-layout.ts";
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
 * The descriptions of all tables. DuckDB can describe a table only by a scan of its whole catalog, so one
 * scan reads all tables, and the cost of a new table does not grow with their number. Every schema change
 * passes through this class, and no other process can open the file.
 */
export class Tables {
  readonly #database: Database;
  #known: Promise<Map<string, TableDescription | TributaryError>> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A table's file columns; undefined if the table does not exist. */
  async describe(table: string): Promise<TableDescription | undefined> {
    const known = (await this.#all()).get(table);
    if (known instanceof TributaryError) throw known;
    return known;
  }

  /** Call it after a failure: what is cached may be out of date. */
  forget(): void {
    this.#known = undefined;
  }

  /** Implements Warehouse.ensureTable. */
  async ensure(layout: TableLayout, wanted: readonly ColumnDefinition[]): Promise<TableDescription> {
    const { table } = layout;
    const existing = await this.describe(table);
    const { columns, added, widened } = evolve(table, existing?.columns ?? [], wanted);
    checkLayout(layout, columns);
    if (existing && added.length === 0 && widened.length === 0) return existing;
    try {
      await this.#database.transaction(async (connection) => {
        if (!existing) await create(connection, table, columns);
        else if (added.length > 0) await rebuild(connection, table, existing.columns, columns);
        else await widen(connection, table, widened);
      });
    } catch (thrown) {
      this.#known = undefined;
      throw thrown;
    }
    const description = { table, columns, partitioning: [] };
    (await this.#all()).set(table, description);
    return description;
  }

  #all(): Promise<Map<string, TableDescription | TributaryError>> {
    if (this.#known) return this.#known;
    const reading = this.#database.connected(describeAll);
    reading.catch(() => (this.#known = undefined));
    return (this.#known = reading);
  }
}

/** Every table by name: its description, or the error that describing it throws. */
async function describeAll(connection: DuckDBConnection): Promise<Map<string, TableDescription | TributaryError>> {
  const rows = await rowsOf(
    connection,
    `SELECT c.table_name, c.column_name, c.data_type, c.comment
     FROM duckdb_columns() c JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
     WHERE ${inLakehouse} ORDER BY c.table_name, c.column_index`,
  );
  const columnsOf = new Map<string, ColumnDefinition[]>();
  const described = new Map<string, TableDescription | TributaryError>();
  for (const [table, name, type, header] of rows as [string, string, string, string | null][]) {
    const columns = columnsOf.get(table) ?? [];
    if (!columnsOf.has(table)) described.set(table, { table, columns, partitioning: [] });
    columnsOf.set(table, columns);
    if (auditNames.has(name)) continue;
    const known = columnTypeOf(type);
    if (known) columns.push({ name, type: known, header: header ?? name });
    else described.set(table, new TributaryError("WAREHOUSE_FAILED", `table '${table}': a column of type ${type}`));
  }
  return described;
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

/**
 * Stores the headers that differ from their column's name as comments. Each comment makes DuckDB copy the
 * table's entry, here and wherever the write-ahead log is replayed: 2,000 of them take 10 s on 2,000 columns.
 */
async function comment(
  connection: DuckDBConnection,
  table: string,
  columns: readonly ColumnDefinition[],
): Promise<void> {
  const named = columns.filter(({ name, header }) => header !== name);
  if (named.length === 0) return;
  const comments = named.map(
    ({ name, header }) =>
      `COMMENT ON COLUMN ${qualified(table)}.${identifier(name)} IS ${duckdb.literal("VARCHAR", header.replaceAll("\0", ""))}`,
  );
  await connection.run(comments.join(";"));
}
