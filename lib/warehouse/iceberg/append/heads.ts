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
  #bytes = 0;

  constructor(catalog: RestCatalog, buckets: Buckets) {
    this.#catalog = catalog;
    this.#buckets = buckets;
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
      return await headOf(metadata, this.#buckets);
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

async function headOf(metadata: TableMetadata, buckets: Buckets): Promise<Head | undefined> {
  const { formatVersion, isSorted, partitionFields, location, properties, currentSnapshotId } = metadata;
  if (formatVersion !== 2 || isSorted || partitionFields.length > 0) return undefined;
  const snapshot = metadata.snapshots.find(({ id }) => id === currentSnapshotId);
  if (currentSnapshotId !== undefined && !snapshot) return undefined;
  const needed = new Set([currentSnapshotId, ...[...metadata.refs.values()].map(({ snapshotId }) => snapshotId)]);
  const folder = (property: string, name: string): string =>
    (properties.get(property) ?? `${location.replace(/\/+$/, "")}/${name}`).replace(/\/+$/, "");
  return {
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
    manifests: snapshot ? encodedList(await readManifestList(buckets, snapshot)) : { count: 0, data: Buffer.alloc(0) },
  };
}

/** The counts of a table without a snapshot. */
const NO_ROWS: ReadonlyMap<string, string> = new Map(
  ["data-files", "delete-files", "records", "files-size", "position-deletes", "equality-deletes"].map((name) => [
    `total-${name}`,
    "0",
  ]),
);
