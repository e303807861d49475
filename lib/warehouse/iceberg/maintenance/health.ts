import type { TableHealth } from "../../warehouse.ts";
import type { IcebergContext } from "../commit/context.ts";
import { TributaryError } from "../../../errors.ts";
import { filesOf } from "./files.ts";
import { savedFiles, SMALL_BYTES } from "./plan.ts";

/** Implements Warehouse.health, from the newest snapshot's manifests. */
export async function healthOf({ session, tables }: IcebergContext, table: string): Promise<TableHealth> {
  const metadata = await tables.load(table);
  if (!metadata) throw new TributaryError("WAREHOUSE_FAILED", `table '${table}' does not exist`);
  const { snapshots, currentSnapshotId } = metadata;
  const current = snapshots.find(({ id }) => id === currentSnapshotId);
  const files = current ? await filesOf(session, [current]) : [];
  const data = files.filter(({ isData }) => isData);
  const small = data.filter(({ bytes }) => bytes < SMALL_BYTES);
  const times = snapshots.map(({ timestampMs }) => timestampMs);
  return {
    dataFiles: data.length,
    dataBytes: data.reduce((sum, { bytes }) => sum + bytes, 0),
    deleteFiles: files.length - data.length,
    smallFiles: small.length,
    mergeableFiles: savedFiles(data),
    snapshots: snapshots.length,
    oldestSnapshotAtMs: times.length === 0 ? null : Math.min(...times),
  };
}
