import { openBlobStore } from "../../lib/blob/open.ts";
import type { S3Options } from "../../lib/blob/s3/s3-store.ts";
import {
  openRestCatalog,
  type RestCatalog,
  type RestCatalogOptions,
} from "../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import type { Snapshot, TableMetadata } from "../../lib/warehouse/iceberg/catalog/schemas.ts";
import { isMissing } from "../../lib/warehouse/iceberg/errors.ts";
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
 * Checks each table of the catalog's namespace: its history is one line from the first snapshot to the last
 * (`expires`: maintenance may have removed old ones); every file that any of its snapshots refers to is in the
 * store, and has the same sequence number in all of them; snapshots of all ages can be read. A file is looked
 * for by a listing of the bucket, not by reading it.
 */
export async function checkHistories(
  { catalog: options, s3, schema }: CheckedCatalog,
  reader: Reader,
  { expires = false }: { expires?: boolean } = {},
): Promise<Histories> {
  const catalog = await openRestCatalog(options);
  try {
    const tables = await tablesOf(catalog, schema);
    const stored = await storedFiles(`s3://${options.warehouse}`, s3);
    const wrong: string[] = [];
    let files = 0;
    for (const [name, metadata] of tables) {
      wrong.push(...lineFaults(name, metadata, expires));
      const { files: needed, wrong: wrongEntries } = await filesOf(reader, metadata);
      wrong.push(...wrongEntries.map((fault) => `${name}: ${fault}`));
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
  for (const table of await catalog.listTables([schema])) {
    try {
      tables.set(table.name, (await catalog.loadTable(table)).metadata);
    } catch (thrown) {
      // The scratch table of a compaction that has ended meanwhile.
      if (!isMissing(thrown)) throw thrown;
    }
  }
  return tables;
}

async function storedFiles(bucket: string, s3: S3Options): Promise<Set<string>> {
  const store = await openBlobStore(bucket, { s3 });
  const found = new Set<string>();
  for await (const { key } of store.list("")) found.add(`${bucket}/${key}`);
  await store.close();
  return found;
}

/** Only the ledger forgets its oldest snapshots without `expire_snapshots`. */
const LEDGER = "tributary_ingest_files";

/** Every snapshot has its parent, back to the first one or (`expires`) to one whose parent has expired. */
function lineFaults(name: string, { snapshots, currentSnapshotId }: TableMetadata, expires: boolean): string[] {
  const byId = new Map(snapshots.map((one) => [one.id, one]));
  const line: Snapshot[] = [];
  for (let at = currentSnapshotId; at !== undefined && line.length <= snapshots.length; at = line.at(-1)!.parentId) {
    const snapshot = byId.get(at);
    if (!snapshot && line.length > 0 && (expires || name === LEDGER)) break;
    if (!snapshot) return [`${name}: snapshot ${at} of the history is missing`];
    line.push(snapshot);
  }
  const isOrdered = line.every((one, index) => index === 0 || one.sequenceNumber < line[index - 1]!.sequenceNumber);
  if (!isOrdered) return [`${name}: sequence numbers do not grow`];
  const oldest = line.at(-1)?.sequenceNumber ?? 0;
  const beside = snapshots.filter((one) => !line.includes(one) && !(expires && one.sequenceNumber < oldest));
  if (beside.length === 0) return [];
  return [`${name}: ${beside.length} of ${snapshots.length} snapshots are beside its history`];
}

/** Every file that a snapshot refers to: manifest lists, manifests, data files and delete files. */
async function filesOf(reader: Reader, { snapshots }: TableMetadata): Promise<{ files: Set<string>; wrong: string[] }> {
  const lists = snapshots.flatMap(({ manifestList }) => manifestList ?? []);
  const manifests = new Map<string, Inherited>();
  for (const list of lists) {
    const select = `SELECT manifest_path, added_snapshot_id, sequence_number FROM read_avro('${list}')`;
    for (const [path, snapshotId, sequenceNumber] of await reader.rows(select))
      manifests.set(String(path), { snapshotId: String(snapshotId), sequenceNumber: String(sequenceNumber) });
  }
  const files = new Set([...lists, ...manifests.keys()]);
  const entries = new Map<string, Inherited>();
  const wrong: string[] = [];
  const numbers = new Map(snapshots.map(({ id, sequenceNumber }) => [String(id), String(sequenceNumber)]));
  for (const [manifest, listed] of manifests) {
    // Status 2: the file is no longer there for snapshots from this one on. What an entry has not, it inherits.
    const select = `SELECT data_file.file_path, coalesce(snapshot_id, ${listed.snapshotId}),
      coalesce(sequence_number, ${listed.sequenceNumber}), coalesce(file_sequence_number, ${listed.sequenceNumber})
      FROM read_avro('${manifest}') WHERE status <> 2`;
    for (const row of await reader.rows(select)) {
      const [path, snapshotId, sequenceNumber, fileSequenceNumber] = row.map(String) as [
        string,
        string,
        string,
        string,
      ];
      files.add(path);
      const known = entries.get(path) ?? { snapshotId, sequenceNumber };
      entries.set(path, known);
      if (known.snapshotId !== snapshotId || known.sequenceNumber !== sequenceNumber)
        wrong.push(`${path} is of ${row.join(", ")} in ${manifest}, of ${Object.values(known).join(", ")} elsewhere`);
      const added = numbers.get(snapshotId) ?? fileSequenceNumber;
      if (added !== fileSequenceNumber)
        wrong.push(`${path} has the number ${fileSequenceNumber} in ${manifest}, its snapshot ${added}`);
    }
  }
  return { files, wrong };
}

/** The snapshot that has added a file, and the sequence number by which deletes apply to it. */
interface Inherited {
  snapshotId: string;
  sequenceNumber: string;
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
