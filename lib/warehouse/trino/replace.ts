import { TributaryError } from "../../errors.ts";
import { isTooManyPartitions } from "./client/errors.ts";
import { runRepeatable } from "./client/repeat.ts";
import type { CommitContext } from "./commit/context.ts";
import { tableSql } from "./names.ts";
import { selectAt } from "./published.ts";
import { partitioningText } from "./tables.ts";
import type { CommitOptions, TableLayout } from "../warehouse.ts";

/**
 * Implements Warehouse.replaceWith with CREATE OR REPLACE TABLE … AS SELECT: one commit of the table's
 * catalog entry. A rename would need two, and `<table>_trusted` would lose the snapshot that it reads: this
 * way the old snapshots stay. The SELECT names the snapshot of this writer's last commit to the shadow: a
 * writer whose successor has started again does not find it. The comments, which hold the headers, follow.
 */
export async function replaceTable(
  context: CommitContext,
  layout: TableLayout,
  shadow: string,
  { signal, confirmOwner = async () => undefined }: CommitOptions = {},
): Promise<void> {
  const { tables, baseSnapshots } = context;
  const { table } = layout;
  const options = signal ? { signal } : {};
  tables.forget(shadow);
  const description = await tables.inspect(shadow);
  if (!description) {
    throw new TributaryError("WAREHOUSE_CONFLICT", `table '${shadow}' does not exist: somebody else removed it`);
  }
  const snapshot = baseSnapshots.get(shadow) ?? (await baseSnapshots.refresh(shadow, confirmOwner));
  await confirmOwner();
  const rows =
    snapshot === null ? `SELECT * FROM ${tableSql(shadow)} WHERE FALSE` : await selectAt(context, shadow, snapshot);
  const replace = (partitioning: readonly string[]): string =>
    `CREATE OR REPLACE TABLE ${tableSql(table)}
     WITH (format = 'PARQUET'${partitioningText({ ...layout, partitioning })}) AS ${rows}`;
  try {
    await runRepeatable(context, replace(layout.partitioning), options).catch(async (thrown: unknown) => {
      if (!isTooManyPartitions(thrown)) throw thrown;
      // As for commits: the rows stay unpartitioned until `optimize` moves them.
      await runRepeatable(context, replace([]), options);
      await tables.partition(layout);
    });
  } finally {
    tables.forget(table);
    baseSnapshots.forget(table);
    context.slicePartsMax.delete(table);
  }
  await tables.writeHeaders(table, description.columns);
  await runRepeatable(context, `DROP TABLE IF EXISTS ${tableSql(shadow)}`, options);
  tables.forget(shadow);
  baseSnapshots.forget(shadow);
}
