import type { MaintenanceOperation, MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import { codeOf, messageOf } from "../../../errors.ts";
import type { IcebergContext } from "../commit/context.ts";
import { compactTable } from "./compact.ts";
import { expireSnapshots } from "./expire.ts";
import { removeOrphans } from "./orphans.ts";

/** A compaction that loses to another writer's commit is begun again. */
const ATTEMPTS_MAX = 6;

/** Implements Warehouse.maintain. */
export async function maintainTable(
  context: IcebergContext,
  table: string,
  operation: MaintenanceOperation,
  options: MaintenanceOptions,
): Promise<MaintenanceResult> {
  try {
    switch (operation) {
      case "optimize":
        return await compacted(context, table, options.signal);
      case "expire_snapshots":
        return await expireSnapshots(context, table, options);
      case "remove_orphan_files":
        return await removeOrphans(context, table, options);
    }
  } catch (thrown) {
    context.bases.forget(table);
    return { status: "failed", details: messageOf(thrown) };
  }
}

/**
 * Compacts a table. Only its own writer writes a table of rows, but every committer writes the ledger:
 * there a commit in between is usual, and a compaction that gave up at once would lose most of the time.
 */
async function compacted(
  context: IcebergContext,
  table: string,
  signal: AbortSignal | undefined,
): Promise<MaintenanceResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await compactTable(context, table);
    } catch (thrown) {
      if (codeOf(thrown) !== "WAREHOUSE_CONFLICT" || attempt === ATTEMPTS_MAX || signal?.aborted) throw thrown;
    }
  }
}
