import type { DuckDBConnection } from "@duckdb/node-api";

/** Every row of a query, as arrays of DuckDB values. */
export async function rowsOf(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  const reader = await connection.runAndReadAll(sql);
  return reader.getRows();
}
