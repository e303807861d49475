import { openBlobStore } from "../../lib/blob/open.ts";
import type { S3Options } from "../../lib/blob/s3/s3-store.ts";
import {
  openRestCatalog,
  type RestCatalog,
  type RestCatalogOptions,
} from "../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import type { Snapshot, TableMetadata } from "../../lib/warehouse/iceberg/catalog/schemas.ts";
import type { IcebergDuckdb } from "./iceberg-duckdb.ts";

/** Snapshots of each table that are read at their time, besides the first and the last. */
const READ_SNAPSHOTS = 8;

/** Where the tables are. */
export interface CheckedCatalog {
  catalog: RestCatalogOptions & { warehouse: string };
  s3: S3Options;
  schema: string;
}

type Reader = Pick<IcebergDuckdb, "rows">;

/** What the tables of a REST catalog hold. */
export interface Histories {
  /** By name, with all snapshots. */
  tables: ReadonlyMap<string, TableMetadata>;
  /** Data, delete and metadata files that the snapshots refer to. */
  files: number;
  wrong: string[];
}

/**
 * Checks each table of the catalog's namespace: its history is one line from the first snapshot to the last;
 * every file that any of its snapshots refers to is in the store; snapshots of all ages can be read. A file
 * is looked for by a listing of the bucket, not by reading it.
 */
export async function checkHistories(
  { catalog: options, s3, schema }: CheckedCatalog,
  reader: Reader,
): Promise<Histories> {
  const catalog = await openRestCatalog(options);
  try {
    const tables = await tablesOf(catalog, schema);
    const stored = await storedFiles(`s3://${options.warehouse}`, s3);
    const wrong: string[] = [];
    let files = 0;
    for (const [name, metadata] of tables) {
      wrong.push(...lineFaults(name, metadata));
      const needed = await filesOf(reader, metadata);
      files += needed.size;
      const missing = [...needed].filter((path) => !stored.has(path));
      if (missing.length > 0)
        wrong.push(`${name}: ${missing.length} of ${needed.size} files are missing: ${missing.slice(0, 3).join(", ")}`);
      wrong.push(...(await readFaults(reader, { schema, name }, metadata)));
    }
    return { tables, files, wrong };
  } finally {
    catalog.close();
  }
}

async function tablesOf(catalog: RestCatalog, schema: string): Promise<Map<string, TableMetadata>> {
  const tables = new Map<string, TableMetadata>();
  for (const table of await catalog.listTables([schema]))
    tables.set(table.name, (await catalog.loadTable(table)).metadata);
  return tables;
}

async function storedFiles(bucket: string, s3: S3Options): Promise<Set<string>> {
  const store = await openBlobStore(bucket, { s3 });
  const found = new Set<string>();
  for await (const { key } of store.list("")) found.add(`${bucket}/${key}`);
  await store.close();
  return found;
}

/** Nothing has expired: every snapshot has its parent, and all are ancestors of the current one. */
function lineFaults(name: string, { snapshots, currentSnapshotId }: TableMetadata): string[] {
  const byId = new Map(snapshots.map((one) => [one.id, one]));
  const line: Snapshot[] = [];
  for (let at = currentSnapshotId; at !== undefined && line.length <= snapshots.length; at = line.at(-1)!.parentId) {
    const snapshot = byId.get(at);
    if (!snapshot) return [`${name}: snapshot ${at} of the history is missing`];
    line.push(snapshot);
  }
  const faults = line.length === snapshots.length ? [] : [`${name}: ${line.length} of ${snapshots.length} snapshots`];
  const isOrdered = line.every((one, index) => index === 0 || one.sequenceNumber < line[index - 1]!.sequenceNumber);
  return isOrdered ? faults : [...faults, `${name}: sequence numbers do not grow`];
}

/** Every file that a snapshot refers to: manifest lists, manifests, data files and delete files. */
async function filesOf(reader: Reader, { snapshots }: TableMetadata): Promise<Set<string>> {
  const lists = snapshots.flatMap(({ manifestList }) => manifestList ?? []);
  const manifests = new Set<string>();
  for (const list of lists)
    for (const [path] of await reader.rows(`SELECT manifest_path FROM read_avro('${list}')`))
      manifests.add(String(path));
  const files = new Set([...lists, ...manifests]);
  for (const manifest of manifests) {
    // Status 2: the file is no longer there for snapshots from this one on.
    const select = `SELECT data_file.file_path FROM read_avro('${manifest}') WHERE status <> 2`;
    for (const [path] of await reader.rows(select)) files.add(String(path));
  }
  return files;
}

async function readFaults(
  reader: Reader,
  { schema, name }: { schema: string; name: string },
  { snapshots }: TableMetadata,
): Promise<string[]> {
  const faults: string[] = [];
  for (const { id } of sampleOf(snapshots)) {
    try {
      await reader.rows(
        `SELECT count(*) FROM (SELECT DISTINCT * FROM ice."${schema}"."${name}" AT (VERSION => ${id}))`,
      );
    } catch (thrown) {
      faults.push(`${name} at snapshot ${id}: ${String(thrown)}`);
    }
  }
  return faults;
}

/** The first and the last snapshot, and some between them. */
export function sampleOf(snapshots: readonly Snapshot[]): Snapshot[] {
  const steps = Math.min(snapshots.length - 1, READ_SNAPSHOTS + 1);
  if (steps < 1) return [...snapshots];
  return Array.from({ length: steps + 1 }, (_, n) => snapshots[Math.round((n * (snapshots.length - 1)) / steps)]!);
}
