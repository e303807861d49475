import type { MaintenanceOperation, MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import { codeOf, messageOf } from "../../../errors.ts";
import type { IcebergContext } from "../commit/context.ts";
import type { IcebergLedger } from "../ledger.ts";
import { compactTable } from "./compact.ts";
import { expireSnapshots } from "./expire.ts";
import { removeOrphans } from "./orphans.ts";

/** A compaction that loses to another writer's commit is begun again. */
const ATTEMPTS_MAX = 6;
/** Attempts beside writes. */
const BESIDE_WRITES_MAX = 2;

interface Maintained {
  context: IcebergContext;
  ledger: IcebergLedger;
  table: string;
}

/** Implements Warehouse.maintain. */
export async function maintainTable(
  maintained: Maintained,
  operation: MaintenanceOperation,
  options: MaintenanceOptions,
): Promise<MaintenanceResult> {
  const { context, table } = maintained;
  try {
    switch (operation) {
      case "optimize":
        return await compacted(maintained, options);
      case "expire_snapshots":
        return await expireSnapshots(context, table, options);
      case "remove_orphan_files":
        return await removeOrphans(context, table, options);
    }
  } catch (thrown) {
    context.bases.forget(table);
    if (options.signal?.aborted) return { status: "given up", details: operation };
    return { status: "failed", details: messageOf(thrown) };
  }
}

/**
 * Compacts a table. Only its own writer writes a table of rows, and not during this command. But every
 * committer writes the ledger, with each of its tables: under load there is always a commit in between. So
 * the writes of this process wait while a compaction of few rows commits, and after some attempts for all of
 * it; those of others still count.
 */
async function compacted(
  { context, ledger, table }: Maintained,
  options: MaintenanceOptions,
): Promise<MaintenanceResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt <= BESIDE_WRITES_MAX) {
        return await compactTable(context, table, { ...options, alone: (work) => ledger.alone(table, work) });
      }
      return await ledger.alone(table, () => compactTable(context, table, { ...options, alone: (work) => work() }));
    } catch (thrown) {
      if (codeOf(thrown) !== "WAREHOUSE_CONFLICT" || attempt === ATTEMPTS_MAX || options.signal?.aborted) throw thrown;
    }
  }
}
