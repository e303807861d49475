import { duckdb } from "../duckdb-engine/dialect.ts";
import type { Database } from "./database.ts";
import { dropPublished } from "./published.ts";
import { qualified, type Tables } from "./schema.ts";

/** Implements Warehouse.drop in one transaction. */
export async function dropTable(database: Database, tables: Tables, table: string): Promise<void> {
  const own = `table_name = ${duckdb.stringLiteral(table)}`;
  try {
    await database.transaction(async (connection) => {
      await dropPublished(connection, table);
      await connection.run(`DROP TABLE IF EXISTS ${qualified(table)}`);
      for (const record of ["_rejected_rows", "_ingest_files"]) {
        await connection.run(`DELETE FROM ${qualified(record)} WHERE ${own}`);
      }
    });
  } finally {
    tables.forget();
  }
}
