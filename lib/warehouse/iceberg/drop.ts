import type { CommitOptions } from "../warehouse.ts";
import type { IcebergContext } from "./commit/context.ts";
import { catalogCall, isMissing } from "./errors.ts";
import type { IcebergLedger } from "./ledger.ts";
import { withdraw } from "./published.ts";

/**
 * Implements Warehouse.drop, step by step. The view goes first, because it reads the table; the records go
 * last, because they say that there was something to drop.
 */
export async function dropTable(
  context: IcebergContext,
  ledger: IcebergLedger,
  table: string,
  { confirmOwner = async () => undefined }: CommitOptions = {},
): Promise<void> {
  const { catalog, tables, bases } = context;
  await confirmOwner();
  await withdraw(context, table);
  try {
    await catalogCall(() => catalog.dropTable(tables.idOf(table), { purge: true }));
  } catch (thrown) {
    if (!isMissing((thrown as Error).cause)) throw thrown;
  } finally {
    tables.forget(table);
    bases.forget(table);
  }
  await ledger.forget(table);
}
