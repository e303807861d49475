import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { CATALOG } from "../duckdb-engine/queries/protocol.ts";
import { rowsOf } from "../duckdb-engine/rows.ts";
import type { Database } from "./database.ts";
import { qualified } from "./schema.ts";
import { identifier, SCHEMA } from "../sql/sql.ts";
import { hasCode } from "../../errors.ts";
import { nameTaken, publishedComment, publishedIn, publishedName } from "../published-view.ts";
import type { Published } from "../warehouse.ts";

/**
 * DuckDB keeps no older states of a table. `<table>_trusted` is therefore a view over a copy of the table in
 * a separate schema. Each publish replaces the copy in one transaction. (A million rows take half a second;
 * copying only the differences would take half of that.)
 */
const COPIES = `${identifier(CATALOG)}.${identifier("trusted")}`;

const copyOf = (table: string): string => `${COPIES}.${identifier(table)}`;

/** Implements Warehouse.published. */
export async function publishedOf(database: Database, table: string): Promise<Published | undefined> {
  return database.connected((connection) => read(connection, table));
}

/** Implements Warehouse.publish for a table that has one writer. */
export async function publish(database: Database, table: string, atMs: number): Promise<void> {
  const shown: Published = { asOfMs: atMs, heldBackSinceMs: null };
  await database.transaction(async (connection) => {
    await read(connection, table);
    await show(connection, table, `SELECT * FROM ${qualified(table)}`, shown);
  });
}

/** Implements Warehouse.hold. */
export async function hold(database: Database, table: string, sinceMs: number | null): Promise<void> {
  await database.transaction(async (connection) => {
    const before = await read(connection, table);
    const after: Published = { asOfMs: before?.asOfMs ?? null, heldBackSinceMs: before?.heldBackSinceMs ?? sinceMs };
    // Until checks pass for the first time, the view follows the table's columns.
    if (after.asOfMs === null) await show(connection, table, `SELECT * FROM ${qualified(table)} WHERE FALSE`, after);
    else await comment(connection, table, after);
  });
}

/** Implements Warehouse.withdraw. */
export async function withdraw(database: Database, table: string): Promise<void> {
  await database.transaction((connection) => dropPublished(connection, table));
}

/** Removes `<table>_trusted` and its copy, within the caller's transaction. What is not ours stays. */
export async function dropPublished(connection: DuckDBConnection, table: string): Promise<void> {
  const isOurs = await read(connection, table).catch((thrown: unknown) => {
    if (hasCode(thrown, "TRUSTED_NAME_TAKEN")) return undefined;
    throw thrown;
  });
  if (!isOurs) return;
  await connection.run(`DROP VIEW ${qualified(publishedName(table))}`);
  await connection.run(`DROP TABLE IF EXISTS ${copyOf(table)}`);
}

/** @throws TRUSTED_NAME_TAKEN */
async function read(connection: DuckDBConnection, table: string): Promise<Published | undefined> {
  const within = `database_name = '${CATALOG}' AND schema_name = '${SCHEMA}'`;
  const name = duckdb.stringLiteral(publishedName(table));
  const [found] = await rowsOf(
    connection,
    `SELECT 'view', comment FROM duckdb_views() WHERE ${within} AND view_name = ${name}
     UNION ALL SELECT 'table', NULL FROM duckdb_tables() WHERE ${within} AND table_name = ${name}`,
  );
  if (!found) return undefined;
  const [what, text] = found;
  const shown = what === "view" ? publishedIn(String(text)) : undefined;
  if (!shown) throw nameTaken(table, what === "view" ? "view" : "table");
  return shown;
}

async function show(connection: DuckDBConnection, table: string, rows: string, shown: Published): Promise<void> {
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${COPIES}`);
  await connection.run(`CREATE OR REPLACE TABLE ${copyOf(table)} AS ${rows}`);
  await connection.run(`CREATE OR REPLACE VIEW ${qualified(publishedName(table))} AS SELECT * FROM ${copyOf(table)}`);
  await comment(connection, table, shown);
}

async function comment(connection: DuckDBConnection, table: string, shown: Published): Promise<void> {
  const text = duckdb.stringLiteral(publishedComment(shown));
  await connection.run(`COMMENT ON VIEW ${qualified(publishedName(table))} IS ${text}`);
}
