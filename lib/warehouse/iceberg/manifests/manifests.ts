import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { Semaphore } from "async-mutex";
import type { Snapshot } from "../catalog/schemas.ts";
import { ownOf } from "../../../own.ts";
import type { Buckets } from "../tables/buckets.ts";
import { encoded, field, ForeignMetadataError, optional, readAvro, writeAvro } from "./avro-file.ts";
import type { AvroRecord, Encoded } from "./avro-file.ts";

/** Iceberg's table specification, version 2: "Manifests" and "Manifest Lists". */

/** What a manifest says of a file in its snapshot. */
export const EXISTING = 0;
export const ADDED = 1;
export const DELETED = 2;

/** A file of a snapshot. */
export interface Entry {
  path: string;
  /** False: a file of position deletes. */
  isData: boolean;
  rows: number;
  bytes: number;
  /** A text that is equal for files of one partition of one partition spec. */
  partition: string;
  /** Of the file's data: deletes of a lower number do not apply to them. */
  sequenceNumber: bigint;
  /** Of deletes: the only data file that they refer to. undefined: the file itself must be read. */
  deletesFrom: string | undefined;
  /** As the manifest has it, with what it inherits from the manifest list. */
  record: AvroRecord;
}

/** A manifest of a snapshot, with the files that the snapshot has. */
export interface Manifest {
  path: string;
  specId: number;
  isData: boolean;
  sequenceNumber: bigint;
  /** Of the Avro file. */
  metadata: Readonly<Record<string, Buffer>>;
  entries: readonly Entry[];
  /** The manifest list's record of it. */
  listed: AvroRecord;
}

const READS_AT_ONCE = 8;

/**
 * The manifests of a snapshot of a table of format version 2.
 * @throws ForeignMetadataError if they hold what this code does not know: equality deletes, deletion
 *   vectors, encryption keys, a manifest of format version 1
 */
export async function readManifests(buckets: Buckets, snapshot: Snapshot): Promise<Manifest[]> {
  const records = await readManifestList(buckets, snapshot);
  const turns = new Semaphore(READS_AT_ONCE);
  const read = async (listed: AvroRecord): Promise<Manifest> => {
    const path = String(listed["f500"]);
    return manifestOf(path, listed, await turns.runExclusive(() => bytesOf(buckets, path)));
  };
  return Promise.all(records.map(read));
}

/**
 * The records of a snapshot's manifest list.
 * @throws ForeignMetadataError if they have what this code does not know
 */
export async function readManifestList(buckets: Buckets, { manifestList }: Snapshot): Promise<readonly AvroRecord[]> {
  if (manifestList === undefined) throw new ForeignMetadataError("a snapshot without a manifest list");
  const { records } = readAvro(await bytesOf(buckets, manifestList));
  for (const listed of records) {
    const unknown = Object.entries(listed).flatMap(([name, value]) =>
      LIST_NAMES.has(name) || value === null ? [] : [name],
    );
    if (unknown.length > 0 || typeof listed["f515"] !== "bigint" || (listed["f519"] ?? null) !== null)
      throw new ForeignMetadataError(`a manifest list with ${unknown.join(", ") || "other fields"}`);
  }
  return records;
}

async function bytesOf(buckets: Buckets, path: string): Promise<Buffer> {
  const place = await buckets.at(path);
  if (!place) throw new ForeignMetadataError(`${path} is not in an S3 bucket`);
  return buffer((await place.store.get(place.key)).body);
}

/** The records of a manifest, as its schema names their fields. */
export const readManifestRecords = async (buckets: Buckets, path: string): Promise<readonly AvroRecord[]> =>
  readAvro(await bytesOf(buckets, path)).records;

function manifestOf(path: string, listed: AvroRecord, bytes: Buffer): Manifest {
  const { metadata, records } = readAvro(bytes);
  const version = String(metadata["format-version"]);
  if (version !== "2") throw new ForeignMetadataError(`a manifest of format version ${version}`);
  const specId = Number(listed["f502"]);
  return {
    ...{ path, specId, metadata, listed },
    isData: Number(listed["f517"]) === 0,
    sequenceNumber: listed["f515"] as bigint,
    entries: records.filter((record) => record["f0"] !== DELETED).map((record) => entryOf(record, listed, specId)),
  };
}

/** Ids of the file's path in statistics of position deletes: of the specification, and of DuckDB. */
const PATH_IDS = new Set([2147483546, 2147483646]);

function entryOf(record: AvroRecord, listed: AvroRecord, specId: number): Entry {
  const file = record["f2"] as AvroRecord;
  const content = file["f134"];
  if (content !== 0 && content !== 1) throw new ForeignMetadataError("equality deletes");
  // Of format version 3: first row id, and a deletion vector's place.
  const later = [file["f131"], file["f142"], file["f144"], file["f145"]];
  if (later.some((value) => (value ?? null) !== null)) throw new ForeignMetadataError("a file of format version 3");
  if (!/^parquet$/i.test(String(file["f101"]))) throw new ForeignMetadataError(`files of ${String(file["f101"])}`);
  const sequenceNumber = (record["f3"] ?? listed["f515"]) as bigint;
  return {
    path: String(file["f100"]),
    isData: content === 0,
    rows: Number(file["f103"]),
    bytes: Number(file["f104"]),
    partition: `${specId} ${JSON.stringify(file["f102"], plain)}`,
    sequenceNumber,
    deletesFrom: content === 1 ? deletesFrom(file) : undefined,
    record: {
      ...record,
      f1: record["f1"] ?? listed["f503"],
      f3: sequenceNumber,
      f4: record["f4"] ?? listed["f515"],
    },
  };
}

const plain = (_name: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

function deletesFrom(file: AvroRecord): string | undefined {
  if (typeof file["f143"] === "string") return file["f143"];
  const lowers = (file["f125"] ?? []) as readonly AvroRecord[];
  const uppers = (file["f128"] ?? []) as readonly AvroRecord[];
  const lower = lowers.find((one) => PATH_IDS.has(Number(one["f126"])))?.["f127"] as Buffer | undefined;
  const upper = uppers.find((one) => PATH_IDS.has(Number(one["f129"])))?.["f130"] as Buffer | undefined;
  return lower && upper && lower.equals(upper) ? lower.toString("utf8") : undefined;
}

/** Of a snapshot that is being made. */
export interface NewSnapshotPlace {
  buckets: Buckets;
  /** The folder of the table's metadata. */
  folder: string;
  snapshotId: bigint;
  parentId: bigint | undefined;
  sequenceNumber: number;
}

/** Entries for one manifest, with the statuses that they get. */
export interface NewManifest {
  like: Pick<Manifest, "specId" | "isData" | "metadata">;
  added: readonly Entry[];
  existing: readonly Entry[];
  deleted: readonly Entry[];
}

/** Writes a manifest, and returns the record of it for the manifest list. */
export async function writeManifest(
  { buckets, folder, snapshotId, sequenceNumber }: NewSnapshotPlace,
  name: string,
  { like, added, existing, deleted }: NewManifest,
): Promise<AvroRecord> {
  const path = `${folder}/${name}`;
  const inherited = { f1: snapshotId, f3: null, f4: null };
  const records = [
    ...added.map(({ record }) => ({ ...record, ...inherited, f0: ADDED })),
    ...existing.map(({ record }) => ({ ...record, f0: EXISTING })),
    ...deleted.map(({ record }) => ({ ...record, f1: snapshotId, f0: DELETED })),
  ];
  const bytes = writeAvro(like.metadata, encoded(String(like.metadata["avro.schema"]), records));
  await put(buckets, path, bytes);
  const rows = (entries: readonly Entry[]): bigint => BigInt(entries.reduce((sum, one) => sum + one.rows, 0));
  const newest = BigInt(sequenceNumber);
  const oldest = existing.reduce((least, one) => (one.sequenceNumber < least ? one.sequenceNumber : least), newest);
  return {
    ...{ f500: path, f501: BigInt(bytes.length), f502: like.specId, f517: like.isData ? 0 : 1 },
    ...{ f515: newest, f516: oldest, f503: snapshotId },
    ...{ f504: added.length, f505: existing.length, f506: deleted.length },
    ...{ f512: rows(added), f513: rows(existing), f514: rows(deleted) },
    ...{ f507: partitionBounds(like.metadata, [...added, ...existing, ...deleted]), f519: null },
  };
}

/**
 * The summaries of partition values for the manifest list, by which readers prune; null for a table without
 * partitions, as DuckDB writes it.
 * @throws ForeignMetadataError for values of rare types
 */
function partitionBounds(
  { "avro.schema": schema }: Manifest["metadata"],
  entries: readonly Entry[],
): AvroRecord[] | null {
  const types = partitionTypes(JSON.parse(String(schema)));
  if (types.length === 0) return null;
  return types.map(([name, type]) => {
    const values = entries.map(({ record }) => ownOf((record["f2"] as AvroRecord)["f102"] as AvroRecord, name) ?? null);
    const known = values.filter((value) => value !== null);
    if (known.length === 0) return { f509: true, f518: false, f510: null, f511: null };
    const ordered = known.toSorted((a, b) => compareValues(a as PartitionValue, b as PartitionValue));
    const [lower, upper] = [ordered[0], ordered.at(-1)].map((value) => boundOf(type, value));
    return { f509: known.length < values.length, f518: false, f510: lower, f511: upper };
  });
}

type PartitionValue = number | bigint | string | boolean;

const compareValues = (a: PartitionValue, b: PartitionValue): number => {
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
};

/** Iceberg's table specification, "Binary single-value serialization". */
function boundOf(type: string, value: unknown): Buffer {
  const bytes = Buffer.alloc(type === "long" ? 8 : type === "int" ? 4 : 1);
  if (type === "string") return Buffer.from(value as string);
  if (type === "long") bytes.writeBigInt64LE(value as bigint);
  else if (type === "int") bytes.writeInt32LE(value as number);
  else if (type === "boolean") bytes.writeUInt8(value === true ? 1 : 0);
  else throw new ForeignMetadataError(`partitions by values of the Avro type ${type}`);
  return bytes;
}

interface SchemaField {
  "field-id": number;
  type: unknown;
}

/** Names of the fields of an entry's partition, as `AvroRecord` names them, and their Avro types. */
function partitionTypes(schema: unknown): [string, string][] {
  const inner = (fields: unknown, id: number): unknown =>
    (fields as { fields: SchemaField[] }).fields.find((one) => one["field-id"] === id)?.type;
  const { fields } = inner(inner(schema, 2), 102) as { fields: SchemaField[] };
  return fields.map((one) => [`f${one["field-id"]}`, plainType(one.type)]);
}

function plainType(type: unknown): string {
  if (typeof type === "string") return type;
  if (Array.isArray(type)) return plainType(type.find((one) => one !== "null"));
  return plainType((type as { type: unknown }).type);
}

/** A random id, as writers of Iceberg make it. */
export const newSnapshotId = (): bigint => (randomBytes(8).readBigUInt64BE() >> 1n) | (1n << 62n);

/** Encodes records of a manifest list. */
export const encodedList = (records: readonly AvroRecord[]): Encoded =>
  encoded(
    LIST_SCHEMA,
    records.map((one) => ({ f507: null, f519: null, ...one })),
  );

/** Writes the manifest list of a snapshot, and returns its path. */
export async function writeManifestList(
  { buckets, folder, snapshotId, parentId, sequenceNumber }: NewSnapshotPlace,
  name: string,
  manifests: Encoded,
): Promise<string> {
  const path = `${folder}/${name}`;
  const texts = {
    "avro.schema": LIST_SCHEMA,
    "snapshot-id": String(snapshotId),
    ...(parentId === undefined ? {} : { "parent-snapshot-id": String(parentId) }),
    "sequence-number": String(sequenceNumber),
    "format-version": "2",
  };
  const metadata = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text)]));
  await put(buckets, path, writeAvro(metadata, manifests));
  return path;
}

async function put(buckets: Buckets, path: string, bytes: Buffer): Promise<void> {
  const place = await buckets.at(path);
  if (!place) throw new ForeignMetadataError(`${path} is not in an S3 bucket`);
  await place.store.put(place.key, bytes, { sizeBytes: bytes.length });
}

const SUMMARY = {
  type: "record",
  name: "r508",
  fields: [
    field(509, "contains_null", "boolean"),
    optional(518, "contains_nan", "boolean"),
    optional(510, "lower_bound", "bytes"),
    optional(511, "upper_bound", "bytes"),
  ],
};

const LIST_FIELDS: [number, string, string][] = [
  [500, "manifest_path", "string"],
  [501, "manifest_length", "long"],
  [502, "partition_spec_id", "int"],
  [517, "content", "int"],
  [515, "sequence_number", "long"],
  [516, "min_sequence_number", "long"],
  [503, "added_snapshot_id", "long"],
  [504, "added_files_count", "int"],
  [505, "existing_files_count", "int"],
  [506, "deleted_files_count", "int"],
  [512, "added_rows_count", "long"],
  [513, "existing_rows_count", "long"],
  [514, "deleted_rows_count", "long"],
];

const LIST_SCHEMA = JSON.stringify({
  type: "record",
  name: "manifest_file",
  fields: [
    ...LIST_FIELDS.map(([id, name, type]) => field(id, name, type)),
    optional(507, "partitions", { type: "array", "element-id": 508, items: SUMMARY }),
    optional(519, "key_metadata", "bytes"),
  ],
});

const LIST_NAMES = new Set([...LIST_FIELDS.map(([id]) => `f${id}`), "f507", "f519"]);
