import { TributaryError } from "../../errors.ts";
import { identifier } from "../sql/sql.ts";
import type { Database } from "./database.ts";
import { qualified, type Tables } from "./schema.ts";

/** Implements Warehouse.replaceWith in one transaction. */
export async function replaceTable(database: Database, tables: Tables, table: string, shadow: string): Promise<void> {
  if (!(await tables.describe(shadow))) {
    throw new TributaryError("WAREHOUSE_CONFLICT", `table '${shadow}' does not exist: somebody else removed it`);
  }
  try {
    await database.transaction(async (connection) => {
      await connection.run(`DROP TABLE IF EXISTS ${qualified(table)}`);
      await connection.run(`ALTER TABLE ${qualified(shadow)} RENAME TO ${identifier(table)}`);
    });
  } finally {
    tables.forget();
  }
}
