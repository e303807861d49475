import { trino } from "./dialect.ts";
import type { CommitOptions } from "../warehouse.ts";
import type { CommitContext } from "./commit/context.ts";
import { runRepeatable } from "./client/repeat.ts";
import { tableSql } from "./names.ts";
import { dropPublished } from "./published.ts";

/**
 * Implements Warehouse.drop, statement by statement: Trino has no transaction over tables. The view goes
 * first, because it reads the table; the records go last, because they say that there was something to drop.
 */
export async function dropTable(
  context: CommitContext,
  table: string,
  { signal, confirmOwner = async () => undefined }: CommitOptions = {},
): Promise<void> {
  const options = signal ? { signal } : {};
  await confirmOwner();
  await dropPublished(context.client, table);
  try {
    await runRepeatable(context, `DROP TABLE IF EXISTS ${tableSql(table)}`, options);
  } finally {
    context.tables.forget(table);
    context.baseSnapshots.forget(table);
    context.slicePartsMax.delete(table);
  }
  for (const record of ["_rejected_rows", "_ingest_files"] as const) {
    await context.tables.ensureInternal(record);
    const own = `table_name = ${trino.stringLiteral(table)}`;
    await runRepeatable(context, `DELETE FROM ${tableSql(record)} WHERE ${own}`, options);
  }
  context.recordedOffsets.read(table, undefined);
}
