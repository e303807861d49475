import type { SqlColumn } from "../../sql/sql.ts";
import type { RestCatalog } from "../catalog/rest-catalog.ts";
import type { SchemaField, TableIdentifier, TableMetadata } from "../catalog/schemas.ts";
import { catalogCall, isMissing } from "../errors.ts";
import { tableKey, type Base } from "../gate/request.ts";
import { ForeignMetadataError, type Encoded } from "../manifests/avro-file.ts";
import { encodedList, readManifestList } from "../manifests/manifests.ts";
import type { Buckets } from "../tables/buckets.ts";
import { columnTypeIn } from "../tables/types.ts";
import type { FileColumn } from "./data-file.ts";

/** A snapshot that is not the current one. */
export interface OlderSnapshot {
  id: bigint;
  timestampMs: number;
}

/** What an append must know of a table. */
export interface Head {
  uuid: string;
  schemaId: number;
  fields: readonly SchemaField[];
  specId: number;
  sortOrderId: number;
  dataFolder: string;
  metadataFolder: string;
  /** undefined: the table has no snapshot. */
  snapshotId: bigint | undefined;
  sequenceNumber: number;
  /** Of its last change, by the clock of the process that made it. */
  timestampMs: number;
  /** Of the snapshot. */
  summary: ReadonlyMap<string, string>;
  /** The records of its manifest list. */
  manifests: Encoded;
  /** All others that no branch or tag names, oldest first. */
  older: readonly OlderSnapshot[];
  /** Which reading of this process it follows (`Heads.lastReading`): all changes since then are its own. */
  reading: number;
}

/** Manifest lists that are remembered, all together. A list of 1,000 manifests has 130 kB. */
const BYTES_MAX = 16 * 1024 * 1024;
const SNAPSHOT_BYTES = 64;
/** What a table counts at least: its fields and totals. */
const TABLE_BYTES_MIN = 16 * 1024;

/**
 * What this process has last written to a table or read of it: an append need not read what it knows. What
 * somebody else commits makes the commit fail, since it requires the snapshot that is remembered.
 */
export class Heads {
  readonly #catalog: RestCatalog;
  readonly #buckets: Buckets;
  /** The one that was set first comes first. */
  readonly #known = new Map<string, Head>();
  /** Of each watched table: the manifests that its last reading found, with the first reading that did. */
  readonly #found = new Map<string, ReadonlyMap<string, number>>();
  #bytes = 0;
  #readings = 0;

  /** `watched`: the tables that `foundAfter` is asked about. */
  constructor(catalog: RestCatalog, buckets: Buckets, watched: readonly TableIdentifier[] = []) {
    this.#catalog = catalog;
    this.#buckets = buckets;
    for (const table of watched) this.#found.set(tableKey(table), new Map());
  }

  /** The number of the last reading of a table that has ended. Later ones have higher numbers. */
  get lastReading(): number {
    return this.#readings;
  }

  /** The manifests of a watched table, as it was last read, that no reading up to this one had found. */
  foundAfter(table: TableIdentifier, reading: number): string[] {
    return [...(this.#found.get(tableKey(table)) ?? [])].filter(([, first]) => first > reading).map(([path]) => path);
  }

  /**
   * The table on this base; without a base, as it is remembered or else as it is. undefined: rows of these
   * columns cannot be appended to it here.
   */
  async get(table: TableIdentifier, base: Base | undefined, columns: readonly SqlColumn[]): Promise<Head | undefined> {
    const fits = (head: Head): boolean => isOn(head, base) && has(head, columns);
    const known = this.#known.get(tableKey(table));
    if (known && fits(known)) return known;
    const read = await this.#read(table);
    if (!read || !fits(read)) return undefined;
    this.set(table, read);
    return read;
  }

  set(table: TableIdentifier, head: Head): void {
    this.forget(table);
    this.#known.set(tableKey(table), head);
    this.#bytes += sizeOf(head);
    for (const [key, oldest] of this.#known) {
      if (this.#bytes <= BYTES_MAX) break;
      this.#delete(key, oldest);
    }
  }

  forget(table: TableIdentifier): void {
    const key = tableKey(table);
    this.#delete(key, this.#known.get(key));
  }

  /** Runs a transaction of another writer of this process, after which its tables are read again. */
  async without<T>(parts: readonly { table: TableIdentifier }[], transaction: () => Promise<T>): Promise<T> {
    try {
      return await transaction();
    } finally {
      for (const { table } of parts) this.forget(table);
    }
  }

  #delete(key: string, head: Head | undefined): void {
    if (head && this.#known.delete(key)) this.#bytes -= sizeOf(head);
  }

  async #read(table: TableIdentifier): Promise<Head | undefined> {
    try {
      const { metadata } = await this.#catalog.loadTable(table);
      const read = await headOf(metadata, this.#buckets);
      const reading = ++this.#readings;
      const found = this.#found.get(tableKey(table));
      if (read && found) {
        this.#found.set(tableKey(table), new Map(read.paths.map((path) => [path, found.get(path) ?? reading])));
      }
      return read && { ...read.head, reading };
    } catch (thrown) {
      if (isMissing(thrown) || thrown instanceof ForeignMetadataError) return undefined;
      return catalogCall(() => Promise.reject(thrown as Error));
    }
  }
}

const sizeOf = ({ manifests, older }: Head): number =>
  Math.max(TABLE_BYTES_MIN, manifests.data.length + older.length * SNAPSHOT_BYTES);

const isOn = ({ uuid, snapshotId }: Head, base: Base | undefined): boolean =>
  base === undefined || (base.uuid === uuid && base.snapshotId === snapshotId?.toString());

/** The table's columns of these names, with their ids. undefined: one is missing, or of another type. */
export function fileColumns({ fields }: Pick<Head, "fields">, columns: readonly SqlColumn[]): FileColumn[] | undefined {
  const byName = new Map(fields.map((field) => [field.name, field]));
  const found = columns.flatMap(({ name, type }) => {
    const field = byName.get(name);
    return field && columnTypeIn(field.type) === type ? [{ id: field.id, name, type }] : [];
  });
  return found.length === columns.length ? found : undefined;
}

const has = (head: Head, columns: readonly SqlColumn[]): boolean => fileColumns(head, columns) !== undefined;

/** The table as it is, and the paths of its manifests. */
async function headOf(
  metadata: TableMetadata,
  buckets: Buckets,
): Promise<{ head: Omit<Head, "reading">; paths: string[] } | undefined> {
  const { formatVersion, isSorted, partitionFields, location, properties, currentSnapshotId } = metadata;
  if (formatVersion !== 2 || isSorted || partitionFields.length > 0) return undefined;
  const snapshot = metadata.snapshots.find(({ id }) => id === currentSnapshotId);
  if (currentSnapshotId !== undefined && !snapshot) return undefined;
  const needed = new Set([currentSnapshotId, ...[...metadata.refs.values()].map(({ snapshotId }) => snapshotId)]);
  const folder = (property: string, name: string): string =>
    (properties.get(property) ?? `${location.replace(/\/+$/, "")}/${name}`).replace(/\/+$/, "");
  const listed = snapshot ? await readManifestList(buckets, snapshot) : [];
  const head = {
    ...{ uuid: metadata.uuid, schemaId: metadata.schemaId, fields: metadata.fields },
    ...{ specId: metadata.specId, sortOrderId: metadata.sortOrderId },
    dataFolder: folder("write.data.path", "data"),
    metadataFolder: folder("write.metadata.path", "metadata"),
    snapshotId: currentSnapshotId,
    sequenceNumber: metadata.lastSequenceNumber,
    timestampMs: Math.max(snapshot?.timestampMs ?? 0, metadata.lastUpdatedMs),
    summary: snapshot?.summary ?? NO_ROWS,
    older: metadata.snapshots
      .filter(({ id }) => !needed.has(id))
      .map(({ id, timestampMs }) => ({ id, timestampMs }))
      .toSorted((a, b) => a.timestampMs - b.timestampMs),
    manifests: encodedList(listed),
  };
  return { head, paths: listed.map((one) => String(one["f500"])) };
}

/** The counts of a table without a snapshot. */
const NO_ROWS: ReadonlyMap<string, string> = new Map(
  ["data-files", "delete-files", "records", "files-size", "position-deletes", "equality-deletes"].map((name) => [
    `total-${name}`,
    "0",
  ]),
);
