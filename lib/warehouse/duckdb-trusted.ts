import type { DuckDBConnection } from "@duckdb/node-api";
import { CATALOG, rowsOf, type Database } from "./duckdb-database.ts";
import { qualified } from "./duckdb-schema.ts";
import { identifier, SCHEMA, stringLiteral } from "./sql.ts";
import { trustedComment, trustedIn, trustedName } from "./trusted.ts";
import type { Trusted } from "./warehouse.ts";

/**
 * DuckDB keeps no older states of a table, so `<table>_trusted` is a view over a copy of it, in a schema of its own, made anew at each
 * pass in one transaction. (A million rows take half a second; only what differs would take half of that.)
 */
const COPIES = `${identifier(CATALOG)}.${identifier("trusted")}`;

const copyOf = (table: string): string => `${COPIES}.${identifier(table)}`;

/** What Warehouse.trusted says. */
export async function trustedOf(database: Database, table: string): Promise<Trusted | undefined> {
  return database.connected((connection) => read(connection, table));
}

/** What Warehouse.trust says, of a table that has one writer. */
export async function trust(database: Database, table: string, atMs: number): Promise<void> {
  const shown: Trusted = { asOfMs: atMs, heldBackSinceMs: null };
  await database.transaction((connection) => show(connection, table, `SELECT * FROM ${qualified(table)}`, shown));
}

/** What Warehouse.holdBack says. */
export async function holdBack(database: Database, table: string, sinceMs: number | null): Promise<void> {
  await database.transaction(async (connection) => {
    const before = await read(connection, table);
    const after: Trusted = { asOfMs: before?.asOfMs ?? null, heldBackSinceMs: before?.heldBackSinceMs ?? sinceMs };
    // Before the first pass it follows the table's columns.
    if (after.asOfMs === null) await show(connection, table, `SELECT * FROM ${qualified(table)} WHERE FALSE`, after);
    else await comment(connection, table, after);
  });
}

async function read(connection: DuckDBConnection, table: string): Promise<Trusted | undefined> {
  const [view] = await rowsOf(
    connection,
    `SELECT comment FROM duckdb_views() WHERE database_name = '${CATALOG}' AND schema_name = '${SCHEMA}'
     AND view_name = ${stringLiteral("duckdb", trustedName(table))}`,
  );
  return view && trustedIn(String(view[0]));
}

async function show(connection: DuckDBConnection, table: string, rows: string, shown: Trusted): Promise<void> {
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${COPIES}`);
  await connection.run(`CREATE OR REPLACE TABLE ${copyOf(table)} AS ${rows}`);
  await connection.run(`CREATE OR REPLACE VIEW ${qualified(trustedName(table))} AS SELECT * FROM ${copyOf(table)}`);
  await comment(connection, table, shown);
}

async function comment(connection: DuckDBConnection, table: string, shown: Trusted): Promise<void> {
  const text = stringLiteral("duckdb", trustedComment(shown));
  await connection.run(`COMMENT ON VIEW ${qualified(trustedName(table))} IS ${text}`);
}
