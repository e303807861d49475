import assert from "node:assert/strict";
import { test } from "node:test";
import { Heads, type Head } from "../../../../../lib/warehouse/iceberg/append/heads.ts";
import type { RestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { Buckets } from "../../../../../lib/warehouse/iceberg/tables/buckets.ts";

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
  ...{ timestampMs: 1, summary: new Map(), manifests: { count: 0, data: Buffer.alloc(0) }, older: [] },
  ...over,
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
