import type { BlobInfo } from "../../../blob/blob-store.ts";
import type { MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import type { StoredAt } from "../tables/buckets.ts";
import type { TableMetadata } from "../catalog/schemas.ts";
import type { IcebergContext } from "../commit/context.ts";
import { catalogCall, concurrentWrite, isMissing } from "../errors.ts";
import { allFilesOf } from "./files.ts";

/** A younger file may belong to a commit that is not sent yet, or whose answer is lost. */
const ORPHAN_AGE_MS_MIN = 60 * 60 * 1000;
/** One step removes so many files; the next step continues. */
const REMOVED_MAX = 10_000;
/** Below the table's location: where its writers put files. */
const FOLDERS = ["data", "metadata"];
/** What Iceberg's writers name their files. Others are left alone. */
const NAMES = /\.(?:parquet|avro)$|\.metadata\.json$/;

/**
 * Implements `remove_orphan_files`: removes files in the table's folders that are older than the retention,
 * and at least an hour old, and that neither the table's metadata nor any of its snapshots refers to. They
 * are left by commits that were not applied, by compactions that failed, and by snapshots that have expired.
 * The folders are listed before the metadata are read, so that a file of a commit in between is no orphan.
 * A file counts as needed if the metadata name one of its file name anywhere: names hold UUIDs, and no
 * spelling of a folder can make a needed file look like an orphan.
 */
export async function removeOrphans(
  context: IcebergContext,
  table: string,
  { retentionMs, signal, dryRun = false }: MaintenanceOptions,
): Promise<MaintenanceResult> {
  const { catalog, tables, session, clock } = context;
  const before = await tables.load(table);
  if (!before) return { status: "not_applicable", details: "the table does not exist" };
  const folder = await context.buckets.at(before.location);
  if (!folder) return { status: "not_applicable", details: `${before.location} is not in an S3 bucket` };
  const oldest = clock.nowMs() - Math.max(retentionMs, ORPHAN_AGE_MS_MIN);
  const candidates = await oldFiles(folder, oldest, signal);
  if (candidates.length === 0) return { status: "completed", details: "no file is old enough" };
  const other = await neighbour(context, table, before.location);
  if (other !== undefined)
    return { status: "not_applicable", details: `table ${other} has files in the same folder: ${before.location}` };
  const { metadata, metadataLocation = "" } = await catalogCall(() => catalog.loadTable(tables.idOf(table)));
  if (metadata.uuid !== before.uuid) throw concurrentWrite(table);
  const contents = await allFilesOf(session, metadata.snapshots);
  const needed = new Set([metadataLocation, ...metadata.otherFiles, ...contents].map(nameOf));
  const orphans = candidates.filter(({ key }) => !needed.has(nameOf(key)));
  return dryRun ? { status: "completed", details: foundText(orphans) } : remove(folder, orphans, signal);
}

async function oldFiles({ store, key: root }: StoredAt, oldest: number, signal?: AbortSignal): Promise<BlobInfo[]> {
  const found: BlobInfo[] = [];
  for (const folder of FOLDERS) {
    for await (const info of store.list(`${root.replace(/\/+$/, "")}/${folder}/`, signal ? { signal } : {}))
      if (info.modifiedAtMs < oldest && NAMES.test(info.key)) found.push(info);
  }
  return found;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/**
 * Another table of the namespace in the same folder: some catalogs name the folder by the table, so that a
 * renamed table shares it with the next one of its old name.
 */
async function neighbour(context: IcebergContext, table: string, location: string): Promise<string | undefined> {
  const { catalog, namespace, tables } = context;
  const own = tables.idOf(table).name;
  const isShared = ({ location: other }: Pick<TableMetadata, "location">): boolean =>
    `${other}/`.startsWith(`${location}/`);
  for (const one of await catalogCall(() => catalog.listTables(namespace))) {
    if (one.name === own) continue;
    try {
      if (isShared((await catalog.loadTable(one)).metadata)) return one.name;
    } catch (thrown) {
      if (!isMissing(thrown)) await catalogCall(() => Promise.reject(thrown as Error));
    }
  }
  return undefined;
}

/** Orphan files that a dry run names. */
const NAMED_MAX = 5;

/** What a removal would remove. */
function foundText(orphans: readonly BlobInfo[]): string {
  const named = orphans.slice(0, NAMED_MAX).map(({ key }) => key);
  const more = orphans.length > NAMED_MAX ? ["…"] : [];
  const bytes = orphans.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return `would remove ${countText(orphans.length, bytes)}${[...named, ...more].map((name) => `; ${name}`).join("")}`;
}

const countText = (count: number, bytes: number): string => `${count} orphan files, ${(bytes / 1e6).toFixed(1)} MB`;

async function remove(
  { store }: StoredAt,
  orphans: readonly BlobInfo[],
  signal: AbortSignal | undefined,
): Promise<MaintenanceResult> {
  let bytes = 0;
  let count = 0;
  const details = (): string => countText(count, bytes);
  for (const { key, sizeBytes } of orphans.slice(0, REMOVED_MAX)) {
    if (signal?.aborted) return { status: "given up", details: details() };
    await store.delete(key);
    bytes += sizeBytes;
    count += 1;
  }
  const rest = orphans.length > REMOVED_MAX ? { next: "" } : {};
  return { status: "completed", details: details(), ...rest };
}
