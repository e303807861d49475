import assert from "node:assert/strict";
import { test } from "node:test";
import { Heads, type Head } from "../../../../../lib/warehouse/iceberg/append/heads.ts";
import type { RestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import type { AvroRecord } from "../../../../../lib/warehouse/iceberg/manifests/avro-file.ts";
import { encodedList, writeManifestList } from "../../../../../lib/warehouse/iceberg/manifests/manifests.ts";
import { Buckets } from "../../../../../lib/warehouse/iceberg/tables/buckets.ts";
import { memoryBuckets } from "../../../../support/memory-buckets.ts";

const named = (name: string) => ({ namespace: ["lake"], name });

function heads() {
  const loads: string[] = [];
  const catalog = {
    loadTable({ name }: { name: string }) {
      loads.push(name);
      return Promise.reject(new Error("away"));
    },
  } as unknown as RestCatalog;
  return { loads, heads: new Heads(catalog, new Buckets(() => Promise.reject(new Error("no bucket")))) };
}

const head = (over: Partial<Head> = {}): Head => ({
  ...{ uuid: "u", schemaId: 0, fields: [{ id: 1, name: "id", type: "long" }], specId: 0, sortOrderId: 0 },
  ...{ dataFolder: "s3://b/data", metadataFolder: "s3://b/metadata", snapshotId: 1n, sequenceNumber: 1 },
  ...{ timestampMs: 1, summary: new Map(), manifests: { count: 0, data: Buffer.alloc(0) }, older: [], reading: 1 },
  ...over,
});

const listed = (path: string): AvroRecord => ({
  ...{ f500: path, f501: 1n, f502: 0, f517: 0, f515: 1n, f516: 1n, f503: 1n },
  ...{ f504: 1, f505: 0, f506: 0, f512: 1n, f513: 0n, f514: 0n },
});

const metadataOf = (id: bigint, manifestList: string) => ({
  ...{ uuid: "u", formatVersion: 2, isSorted: false, partitionFields: [], location: "s3://b", properties: new Map() },
  ...{ schemaId: 0, fields: [{ id: 1, name: "id", type: "long" }], specId: 0, sortOrderId: 0, refs: new Map() },
  ...{ currentSnapshotId: id, lastSequenceNumber: 1, lastUpdatedMs: 1 },
  snapshots: [{ id, timestampMs: 1, summary: new Map(), manifestList }],
});

const ID = [{ name: "id", type: "BIGINT" }] as const;

test("a table is read again on another base, or if it lacks a column or has another type", async () => {
  const { loads, heads: known } = heads();
  const t = named("t");
  known.set(t, head());
  assert.equal((await known.get(t, { snapshotId: "1", uuid: "u" }, ID))?.snapshotId, 1n);
  assert.equal((await known.get(t, undefined, ID))?.snapshotId, 1n);
  assert.deepEqual(loads, []);
  await assert.rejects(known.get(t, { snapshotId: "2", uuid: "u" }, ID));
  await assert.rejects(known.get(t, { snapshotId: undefined, uuid: "u" }, ID));
  await assert.rejects(known.get(t, { snapshotId: "1", uuid: "another" }, ID));
  await assert.rejects(known.get(t, undefined, [{ name: "id", type: "INTEGER" }]));
  await assert.rejects(known.get(t, undefined, [...ID, { name: "more", type: "VARCHAR" }]));
  assert.equal(loads.length, 5);
});

test("a table that was written otherwise is read again, whatever came of it", async () => {
  const { loads, heads: known } = heads();
  const parts = [{ table: named("t") }];
  known.set(named("t"), head());
  known.set(named("u"), head());
  assert.equal(await known.without(parts, async () => "done"), "done");
  await assert.rejects(known.get(named("t"), undefined, ID));
  known.set(named("t"), head());
  await assert.rejects(
    known.without(parts, () => Promise.reject(new Error("lost"))),
    /lost/,
  );
  await assert.rejects(known.get(named("t"), undefined, ID));
  assert.ok(await known.get(named("u"), undefined, ID));
  assert.deepEqual(loads, ["t", "t"]);
});

test("what was remembered first is forgotten beyond a limit", async () => {
  const { loads, heads: known } = heads();
  const manifests = { count: 1, data: Buffer.alloc(5 * 1024 * 1024) };
  for (const name of ["a", "b", "c"]) known.set(named(name), head({ manifests }));
  known.set(named("b"), head({ manifests }));
  known.set(named("d"), head({ manifests }));
  for (const name of ["b", "c", "d"]) assert.ok(await known.get(named(name), undefined, ID), name);
  assert.deepEqual(loads, []);
  await assert.rejects(known.get(named("a"), undefined, ID));
});

test("what a watched table has got since a reading is known, also after it was forgotten", async () => {
  const buckets = memoryBuckets();
  const lists = [["a"], ["a", "b"], ["b", "c"]];
  const catalog = {
    async loadTable() {
      const at = {
        buckets,
        folder: "s3://b/m",
        snapshotId: BigInt(lists.length),
        parentId: undefined,
        sequenceNumber: 1,
      };
      const manifestList = await writeManifestList(at, `${lists.length}.avro`, encodedList(lists.shift()!.map(listed)));
      return { metadata: metadataOf(at.snapshotId, manifestList) };
    },
  } as unknown as RestCatalog;
  const known = new Heads(catalog, buckets, [named("t")]);
  const read = async (): Promise<number | undefined> => {
    known.forget(named("t"));
    return (await known.get(named("t"), undefined, ID))?.reading;
  };
  assert.equal(known.lastReading, 0);
  assert.deepEqual([await read(), known.foundAfter(named("t"), 0)], [1, ["a"]]);
  assert.deepEqual([await read(), known.foundAfter(named("t"), 1)], [2, ["b"]]);
  assert.deepEqual([await read(), known.foundAfter(named("t"), 1)], [3, ["b", "c"]]);
  assert.deepEqual([known.foundAfter(named("t"), 2), known.foundAfter(named("t"), 3)], [["c"], []]);
  assert.equal(known.lastReading, 3);
});
