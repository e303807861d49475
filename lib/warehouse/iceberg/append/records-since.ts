import type { SchemaField } from "../catalog/schemas.ts";
import type { AvroRecord } from "../manifests/avro-file.ts";
import { DELETED, readManifestRecords } from "../manifests/manifests.ts";
import type { Buckets } from "../tables/buckets.ts";

/** Records of a table's files at this source offset and later ones. */
export interface Records {
  table: string;
  from: number;
}

/** More are not read here: a query takes about as long. */
const MANIFESTS_MAX = 8;

/**
 * Whether one of these manifests of the ledger, whose fields these are, may have a file with such records. It
 * looks at the files' bounds, so "false" is certain.
 */
export async function mayHoldRecords(
  buckets: Buckets,
  { paths, fields }: { paths: readonly string[]; fields: readonly SchemaField[] },
  records: Records,
): Promise<boolean> {
  if (paths.length > MANIFESTS_MAX) return true;
  const idOf = (name: string): number | undefined => fields.find((field) => field.name === name)?.id;
  const ids = { table: idOf("table_name"), offset: idOf("source_offset") };
  const manifests = await Promise.all(paths.map((path) => readManifestRecords(buckets, path)));
  return manifests.flat().some((entry) => {
    const file = entry["f2"] as AvroRecord;
    return entry["f0"] !== DELETED && file["f134"] === 0 && mayHold(file, ids, records);
  });
}

/** By the bounds of a file of a manifest. Without bounds it may have any value. */
function mayHold(
  file: AvroRecord,
  ids: { table: number | undefined; offset: number | undefined },
  { table, from }: Records,
): boolean {
  const name = Buffer.from(table);
  const [least, greatest] = [boundIn(file, LOWER, ids.table), boundIn(file, UPPER, ids.table)];
  if (least && Buffer.compare(least, name) > 0) return false;
  if (greatest && Buffer.compare(greatest, name) < 0) return false;
  const last = boundIn(file, UPPER, ids.offset);
  return last?.length !== BIGINT_BYTES || last.readBigInt64LE() >= BigInt(from);
}

/** Names of the fields of bounds, of the column's id in them, and of its value. */
const LOWER = ["f125", "f126", "f127"] as const;
const UPPER = ["f128", "f129", "f130"] as const;
const BIGINT_BYTES = 8;

function boundIn(file: AvroRecord, [bounds, id, value]: typeof LOWER | typeof UPPER, column: number | undefined) {
  const all = (file[bounds] ?? []) as readonly AvroRecord[];
  return all.find((one) => one[id] === column)?.[value] as Buffer | undefined;
}
