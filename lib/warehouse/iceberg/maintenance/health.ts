import type { TableHealth } from "../../warehouse.ts";
import type { IcebergContext } from "../commit/context.ts";
import { TributaryError } from "../../../errors.ts";
import type { Snapshot } from "../catalog/schemas.ts";
import { ForeignMetadataError } from "../manifests/avro-file.ts";
import { readManifests } from "../manifests/manifests.ts";
import { filesOf, type ManifestFile } from "./files.ts";
import { savedFiles, SMALL_BYTES } from "./plan.ts";

/** Implements Warehouse.health, from the newest snapshot's manifests. */
export async function healthOf(context: IcebergContext, table: string): Promise<TableHealth> {
  const metadata = await context.tables.load(table);
  if (!metadata) throw new TributaryError("WAREHOUSE_FAILED", `table '${table}' does not exist`);
  const { snapshots, currentSnapshotId } = metadata;
  const current = snapshots.find(({ id }) => id === currentSnapshotId);
  const files = current ? await currentFiles(context, current) : [];
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

/** DuckDB reads what this code does not know, one manifest after the other. */
async function currentFiles({ session, buckets }: IcebergContext, current: Snapshot): Promise<readonly ManifestFile[]> {
  try {
    return (await readManifests(buckets, current)).flatMap(({ entries }) => entries);
  } catch (thrown) {
    if (!(thrown instanceof ForeignMetadataError)) throw thrown;
    return filesOf(session, [current]);
  }
}
