import { randomBytes } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import avsc from "avsc";

/** A file of metadata that was not written as this code expects it. */
export class ForeignMetadataError extends Error {}

/**
 * Avro container files (Avro 1.11, "Object Container Files") of Iceberg's metadata. A record's fields are
 * named by their Iceberg ids, `f100` for id 100: writers give some ids different names, and names of
 * partitions that Avro does not allow.
 */
export type AvroRecord = Readonly<Record<string, unknown>>;

export interface AvroFile {
  /** The header, with the schema under `avro.schema`. */
  metadata: Readonly<Record<string, Buffer>>;
  records: readonly AvroRecord[];
}

const HEADER = avsc.Type.forSchema({
  type: "record",
  name: "Header",
  fields: [
    { name: "magic", type: { type: "fixed", name: "Magic", size: 4 } },
    { name: "meta", type: { type: "map", values: "bytes" } },
    { name: "sync", type: { type: "fixed", name: "Sync", size: 16 } },
  ],
});
const BLOCK = avsc.Type.forSchema({
  type: "record",
  name: "Block",
  fields: [
    { name: "count", type: "long" },
    { name: "data", type: "bytes" },
    { name: "sync", type: { type: "fixed", name: "BlockSync", size: 16 } },
  ],
});
const MAGIC = Buffer.from("Obj\u0001", "latin1");

/** Ids of snapshots have 64 bits. */
const LONG = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer(value: bigint) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: (value: string) => BigInt(value),
  toJSON: String,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

/** @throws ForeignMetadataError */
export function readAvro(bytes: Buffer): AvroFile {
  const { value, offset } = decoded(HEADER, bytes, 0);
  const header = value as { magic: Buffer; meta: Record<string, Buffer> };
  if (!MAGIC.equals(header.magic)) throw new ForeignMetadataError("no Avro file");
  const type = typeOf(String(header.meta["avro.schema"]));
  const codec = String(header.meta["avro.codec"] ?? "null");
  if (codec !== "null" && codec !== "deflate") throw new ForeignMetadataError(`an Avro file of the codec ${codec}`);
  const records: AvroRecord[] = [];
  for (let at = offset; at < bytes.length;) {
    const block = decoded(BLOCK, bytes, at);
    const { count, data: packed } = block.value as { count: number; data: Buffer };
    const data = codec === "deflate" ? inflateRawSync(packed) : packed;
    for (let n = 0, from = 0; n < count; n++) {
      const one = decoded(type, data, from);
      records.push(one.value as AvroRecord);
      from = one.offset;
    }
    at = block.offset;
  }
  return { metadata: header.meta, records };
}

function decoded(type: avsc.Type, bytes: Buffer, from: number): { value: unknown; offset: number } {
  const found: { value: unknown; offset: number } = type.decode(bytes, from);
  if (found.offset < 0) throw new ForeignMetadataError("an Avro file that ends too early");
  return found;
}

/** Records of one schema, encoded one after the other. */
export interface Encoded {
  count: number;
  data: Buffer;
}

/** Encodes records of this Avro schema. */
export function encoded(schema: string, records: readonly AvroRecord[]): Encoded {
  const type = typeOf(schema);
  return { count: records.length, data: Buffer.concat(records.map((one) => type.toBuffer(one))) };
}

/** The bytes of a file with these records, not compressed. `metadata` has their schema. */
export function writeAvro(metadata: AvroFile["metadata"], { count, data }: Encoded): Buffer {
  const sync = randomBytes(16);
  const meta = { ...metadata, "avro.codec": Buffer.from("null") };
  const blocks = count === 0 ? [] : [BLOCK.toBuffer({ count, data, sync })];
  return Buffer.concat([HEADER.toBuffer({ magic: MAGIC, meta, sync }), ...blocks]);
}

const TYPES_MAX = 100;
/** Most files of a table have the same schema. */
const types = new Map<string, avsc.Type>();

function typeOf(schema: string): avsc.Type {
  const known = types.get(schema);
  if (known) return known;
  if (types.size >= TYPES_MAX) types.clear();
  let made: avsc.Type;
  try {
    let names = 0;
    const renamed = byIds(JSON.parse(schema), () => `r${(names += 1)}`);
    made = avsc.Type.forSchema(renamed as avsc.Schema, { registry: { long: LONG }, wrapUnions: false });
  } catch (thrown) {
    throw new ForeignMetadataError(`an Avro schema that is not understood: ${(thrown as Error).message}`);
  }
  types.set(schema, made);
  return made;
}

/** A field of an Avro schema of Iceberg's metadata. */
export const field = (id: number, name: string, type: unknown): object => ({ name, type, "field-id": id });

/** As `field`, for values that may be absent. */
export const optional = (id: number, name: string, type: unknown): object => ({
  ...field(id, name, ["null", type]),
  default: null,
});

interface SchemaNode {
  type: unknown;
  size?: number;
  items?: unknown;
  fields?: readonly { "field-id"?: number; type: unknown }[];
}

/** The same encoding under names that Avro allows. */
function byIds(schema: unknown, name: () => string): unknown {
  if (typeof schema === "string") return schema;
  if (Array.isArray(schema)) return schema.map((one) => byIds(one, name));
  const { type, size, items, fields } = schema as SchemaNode;
  if (type === "fixed") return { type, name: name(), size };
  if (type === "array") return { type, items: byIds(items, name) };
  if (type !== "record") return byIds(type, name);
  const named = (fields ?? []).map((field) => {
    if (typeof field["field-id"] !== "number") throw new Error("a field without an id");
    return { name: `f${field["field-id"]}`, type: byIds(field.type, name) };
  });
  return { type, name: name(), fields: named };
}
