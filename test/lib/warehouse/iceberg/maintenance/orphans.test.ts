/** Removal of orphan files from the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import { systemClock, type Clock } from "../../../../../lib/clock.ts";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, RECEIVED_AT_MS, type Row } from "../../../../support/rows.ts";
import { LAYOUTS, READ_ALL, TestTable } from "../../../../support/test-table.ts";

const COLUMNS = columns({ id: "BIGINT", city: "VARCHAR" });
const HOUR_MS = 3_600_000;
const rowsFrom = (first: number, count: number, city: string): Row[] =>
  Array.from({ length: count }, (_, k) => ({ id: first + k, city }));

const NAME = "iceberg: orphan files";
const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());

  /** The time, so many hours later. */
  const later = (hours: number): Clock => ({
    nowMs: () => systemClock.nowMs() + hours * HOUR_MS,
    monotonicMs: () => systemClock.monotonicMs(),
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
  });

  async function opened(t: TestContext, clock: Clock): Promise<Warehouse> {
    const warehouse = await openWarehouse(given!.url, { clock, iceberg: given!.options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  /** The bucket and the folder of a table's files. */
  async function folderOf(table: string) {
    const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
    const { metadata } = await catalog.loadTable({ namespace: [given!.namespace], name: table });
    catalog.close();
    const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(metadata.location)!;
    return { location: metadata.location, store: await given!.options.openBucket!(`s3://${bucket}`), key: key! };
  }

  async function filesOf(table: string): Promise<string[]> {
    const { store, key } = await folderOf(table);
    const keys: string[] = [];
    for await (const info of store.list(`${key}/`)) keys.push(info.key.slice(key.length));
    return keys;
  }

  /** An upsert table with small files, position deletes, a trusted snapshot, a compaction and more commits. */
  async function filled(warehouse: Warehouse): Promise<TestTable> {
    const table = new TestTable(warehouse, COLUMNS, { ...LAYOUTS["upsert"], partitioning: ["city"] });
    for (let n = 1; n <= 3; n++)
      await table.ingest({ sourceFile: `f${n}`, sourceOffset: n, rows: rowsFrom(n, 4, "Zürich / Ost") });
    assert.equal(await warehouse.publish(table.name, await warehouse.version(table.name), RECEIVED_AT_MS), true);
    await table.ingest({ sourceFile: "f4", sourceOffset: 4, rows: rowsFrom(2, 2, "Bern") });
    assert.equal((await warehouse.maintain(table.name, "optimize", { retentionMs: 0 })).status, "completed");
    for (let n = 5; n <= 6; n++)
      await table.ingest({ sourceFile: `f${n}`, sourceOffset: n, rows: rowsFrom(n, 2, "Rom") });
    return table;
  }

  test("files of expired snapshots and of nobody go once they are old; rows and trusted rows stay", async (t) => {
    const [now, then] = [await opened(t, systemClock), await opened(t, later(3))];
    const table = await filled(now);
    const rows = await table.rows();
    const trusted = (): Promise<unknown[][]> =>
      then.query(`SELECT id, city FROM "${table.name}_trusted" ORDER BY id`, READ_ALL).then((read) => read.rows);
    const before = await trusted();
    const { store, key } = await folderOf(table.name);
    for (const planted of ["data/city=x/lost.parquet", "metadata/lost.avro"])
      await store.put(`${key}/${planted}`, Buffer.from("nobody's"));
    const options = { retentionMs: HOUR_MS };
    const all = await filesOf(table.name);
    assert.equal((await now.maintain(table.name, "remove_orphan_files", { retentionMs: 0 })).status, "completed");
    assert.deepEqual(await filesOf(table.name), all, "no file is an hour old");
    assert.equal((await then.maintain(table.name, "expire_snapshots", options)).status, "completed");
    const listed = await filesOf(table.name);
    const dry = await then.maintain(table.name, "remove_orphan_files", { ...options, dryRun: true });
    assert.match(dry.details, /^would remove \d+ orphan files, \d+\.\d MB; \S+; .*…$/);
    assert.deepEqual(await filesOf(table.name), listed, "a dry run removes nothing");
    const { status, details } = await then.maintain(table.name, "remove_orphan_files", options);
    assert.equal(status, "completed", details);
    assert.equal(dry.details.split(";")[0], `would remove ${details}`);
    const left = await filesOf(table.name);
    assert.ok(left.length < all.length - 4, `${details}: ${all.length} files before, ${left.length} after`);
    assert.ok(!left.some((name) => name.includes("lost")), left.join("\n"));
    assert.deepEqual(await table.rows(), rows);
    assert.deepEqual(await trusted(), before);
    await table.ingest({ sourceFile: "f7", sourceOffset: 7, rows: rowsFrom(50, 1, "Rom") });
    assert.equal((await table.rows()).length, rows.length + 1);
    const again = await then.maintain(table.name, "remove_orphan_files", { retentionMs: 24 * HOUR_MS });
    assert.equal(again.details, "no file is old enough");
  });

  test("a file that any snapshot refers to stays, also of one that is no longer current", async (t) => {
    const [now, then] = [await opened(t, systemClock), await opened(t, later(3))];
    const table = await filled(now);
    const versions = async (): Promise<unknown[][][]> => {
      const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
      const { metadata } = await catalog.loadTable({ namespace: [given.namespace], name: table.name });
      catalog.close();
      // Another instance has nothing in its caches.
      const duckdb = await given.otherDuckdb();
      const read: unknown[][][] = [];
      for (const { id } of metadata.snapshots)
        read.push(
          await duckdb.rows(`SELECT * FROM ice.${given.namespace}.${table.name} AT (VERSION => ${id}) ORDER BY 1`),
        );
      duckdb.close();
      return read;
    };
    const before = await versions();
    assert.equal((await then.maintain(table.name, "remove_orphan_files", { retentionMs: 0 })).status, "completed");
    assert.deepEqual(await versions(), before);
  });

  test("a folder that two tables share is left alone", async (t) => {
    const [now, then] = [await opened(t, systemClock), await opened(t, later(3))];
    const table = await filled(now);
    const { location } = await folderOf(table.name);
    const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
    const column = { id: 1, name: "id", type: "long", required: false };
    await catalog.createTable([given.namespace], {
      name: "inner",
      columns: [column],
      location: `${location}/data/inner`,
    });
    catalog.close();
    const { status, details } = await then.maintain(table.name, "remove_orphan_files", { retentionMs: 0 });
    assert.equal(status, "not_applicable");
    assert.match(details, /table inner has files in the same folder/);
  });
}
