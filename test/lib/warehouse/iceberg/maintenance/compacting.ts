/**
 * Compactions that kill.test.ts kills, or whose requests it loses. The first argument is a `Compacting` as JSON.
 */
import { openBlobStore } from "../../../../../lib/blob/open.ts";
import type { S3Options } from "../../../../../lib/blob/s3/s3-store.ts";
import type { IcebergOptions } from "../../../../../lib/warehouse/iceberg/iceberg-warehouse.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { MaintenanceResult } from "../../../../../lib/warehouse/warehouse.ts";

export interface Compacting {
  url: string;
  catalog: IcebergOptions["catalog"];
  s3: S3Options;
  extensionsFolder: string;
  /** By table: where the compaction begins. */
  cursors: Readonly<Record<string, string | null>>;
}

/** One step of a compaction of each table. */
export async function compactAll({
  url,
  catalog,
  s3,
  extensionsFolder,
  cursors,
}: Compacting): Promise<MaintenanceResult[]> {
  const openBucket = (bucket: string) => openBlobStore(bucket, { s3 });
  const iceberg = { ...(catalog ? { catalog } : {}), s3, extensionsFolder, openBucket };
  const warehouse = await openWarehouse(url, { iceberg });
  try {
    const results: MaintenanceResult[] = [];
    for (const [table, cursor] of Object.entries(cursors))
      results.push(await warehouse.maintain(table, "optimize", { retentionMs: 0, ...(cursor ? { cursor } : {}) }));
    return results;
  } finally {
    await warehouse.close();
  }
}

const [, , argument] = process.argv;
if (argument !== undefined && import.meta.filename === process.argv[1])
  await compactAll(JSON.parse(argument) as Compacting);
