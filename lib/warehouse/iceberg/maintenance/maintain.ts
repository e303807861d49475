import type { MaintenanceOperation, MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import { messageOf } from "../../../errors.ts";
import type { IcebergContext } from "../commit/context.ts";
import { compactTable } from "./compact.ts";
import { expireSnapshots } from "./expire.ts";
import { removeOrphans } from "./orphans.ts";

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
        return await compactTable(context, table);
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
