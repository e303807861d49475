import type { ColumnDefinition } from "../../../lib/columns.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { hasCode } from "../../../lib/errors.ts";
import type { TableDescription, TableLayout } from "../../../lib/warehouse/warehouse.ts";
import type { WriterContext } from "./writer.ts";

export function layoutOf({ table, writeMode, key, deleteMissing, partitioning }: Contract): TableLayout {
  return { table, mode: writeMode, key, deleteMissing, partitioning };
}

/** Creates the table, or adds the columns that it lacks; with `<table>_trusted` if its contract wants it. */
export async function makeTable(
  writer: WriterContext,
  columns: readonly ColumnDefinition[],
): Promise<TableDescription> {
  const description = await writer.warehouse.ensureTable(layoutOf(writer.contract), columns);
  if (writer.contract.gate === "block") await createTrusted(writer);
  return description;
}

/**
 * Creates `<table>_trusted`. A commit does not fail if its name is taken: the checks after it report that.
 */
async function createTrusted({ warehouse, contract }: WriterContext): Promise<void> {
  try {
    await warehouse.hold(contract.table, null);
  } catch (thrown) {
    if (!hasCode(thrown, "TRUSTED_NAME_TAKEN")) throw thrown;
  }
}
