import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnType } from "../../../../../lib/columns.ts";
import { boundsOf } from "../../../../../lib/warehouse/iceberg/append/bounds.ts";
import { manifestEntry, manifestMetadata } from "../../../../../lib/warehouse/iceberg/append/data-file.ts";
import { mayHoldRecords, type Records } from "../../../../../lib/warehouse/iceberg/append/records-since.ts";
import { writeManifest, type NewManifest } from "../../../../../lib/warehouse/iceberg/manifests/manifests.ts";
import { memoryBuckets } from "../../../../support/memory-buckets.ts";

const FIELDS = [
  { id: 1, name: "file_id", type: "string" },
  { id: 3, name: "table_name", type: "string" },
  { id: 12, name: "source_offset", type: "long" },
];
const COLUMNS: { id: number; name: string; type: ColumnType }[] = [
  { id: 3, name: "table_name", type: "VARCHAR" },
  { id: 12, name: "source_offset", type: "BIGINT" },
];

/** A file of records of tables between two names, with offsets up to one. undefined: without such bounds. */
function entryOf(tables: [string, string] | undefined, last: number | undefined) {
  const names = boundsOf("VARCHAR", { min: tables?.[0], max: tables?.[1] });
  const offsets = boundsOf("BIGINT", { min: undefined, max: last?.toString() });
  const known = (bounds: [number, Buffer | undefined][]) =>
    new Map(bounds.flatMap(([id, bound]) => (bound ? [[id, bound] as const] : [])));
  const lower = known([[3, names.lower]]);
  const upper = known([[3, names.upper], [12, offsets.upper]]); // prettier-ignore
  return manifestEntry({ path: "s3://b/f", rows: 1, bytes: 1, nulls: new Map(), lower, upper }, COLUMNS);
}

/** A ledger with a manifest of each of these. */
async function ledger(...manifests: Partial<NewManifest>[]) {
  const buckets = memoryBuckets();
  const place = { buckets, folder: "s3://b/metadata", snapshotId: 5n, parentId: undefined, sequenceNumber: 2 };
  const like = { specId: 0, isData: true, metadata: manifestMetadata({ fields: FIELDS, schemaId: 0, specId: 0 }) };
  const paths: string[] = [];
  for (const [n, one] of manifests.entries()) {
    const listed = await writeManifest(place, `${n}.avro`, { like, added: [], existing: [], deleted: [], ...one });
    paths.push(String(listed["f500"]));
  }
  return (records: Records): Promise<boolean> => mayHoldRecords(buckets, { paths, fields: FIELDS }, records);
}

const orders = (from: number): Records => ({ table: "orders", from });

test("a file may have records unless its bounds exclude the table or the offsets", async () => {
  const mayHold = async (...of: Parameters<typeof entryOf>): Promise<boolean> =>
    (await ledger({ added: [entryOf(...of)] }))(orders(7));
  assert.equal(await mayHold(["orders", "orders"], 7), true);
  assert.equal(await mayHold(["a", "z"], 9), true);
  assert.equal(await mayHold(["orders", "orders"], 6), false);
  assert.equal(await mayHold(["orders_eu", "z"], 9), false);
  assert.equal(await mayHold(["a", "order"], 9), false);
  assert.equal(await mayHold(undefined, 9), true);
  assert.equal(await mayHold(undefined, 6), false);
  assert.equal(await mayHold(["orders", "orders"], undefined), true);
});

test("long names are compared with bounds that are cut", async () => {
  const name = "a_table_with_a_long_name";
  const records = { table: name, from: 7 };
  assert.equal(await (await ledger({ added: [entryOf([name, name], 7)] }))(records), true);
  assert.equal(await (await ledger({ added: [entryOf(["a_table_with_b", "z"], 7)] }))(records), false);
});

test("every manifest counts, except for files that are gone; of many none is read", async () => {
  const other = entryOf(["a", "b"], 9);
  const added = entryOf(["orders", "orders"], 9);
  const own = { ...added, record: { ...added.record, f1: 4n, f3: 1n, f4: 1n } };
  assert.equal(await (await ledger())(orders(7)), false);
  assert.equal(await (await ledger({ added: [other] }, { existing: [own] }))(orders(7)), true);
  assert.equal(await (await ledger({ added: [other], deleted: [own] }))(orders(7)), false);
  assert.equal(await (await ledger(...Array.from({ length: 9 }, () => ({ added: [other] }))))(orders(7)), true);
});
