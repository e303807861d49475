/** Compactions beside writers, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { stateOf } from "../../../../../lib/warehouse/iceberg/commit/bases.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { S3Options } from "../../../../../lib/blob/s3/s3-store.ts";
import { lossyProxy } from "../../../../support/lossy-proxy.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, reject } from "../../../../support/rows.ts";
import { LAYOUTS, TestTable } from "../../../../support/test-table.ts";

const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });
const COMPACTIONS = 10;
const LANES = 3;

const NAME = "iceberg: compactions beside writers";
const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());

  async function opened(t: TestContext): Promise<Warehouse> {
    const warehouse = await openWarehouse(given!.url, { iceberg: given!.options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  test("a compaction ends when rows have waited too long, and leaves the table as it was", async (t) => {
    const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
    for (const sourceOffset of [1, 2])
      await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows: [{ id: sourceOffset, name: "x" }] });
    const { warehouse, name } = table;
    const before = await warehouse.version(name);
    const compaction = { retentionMs: 0, signal: AbortSignal.abort() };
    assert.equal((await warehouse.maintain(name, "optimize", compaction)).status, "given up");
    assert.equal(await warehouse.version(name), before);
    assert.equal((await warehouse.maintain(name, "optimize", { retentionMs: 0 })).status, "completed");
    assert.deepEqual(await table.rows(["id"]), [[1], [2]]);
  });

  /** Compacts the table while `meanwhile` runs, after the rows were read; returns how often they were written. */
  async function compactedWhile(table: TestTable, meanwhile: () => Promise<unknown>): Promise<number> {
    const { s3 } = given!.options;
    let [written, waits]: [number, Promise<unknown> | undefined] = [0, undefined];
    const proxy = await lossyProxy(s3!.endpoint!, (method, path) => {
      const isFile =
        (method === "PUT" && !path.includes("uploadId")) || (method === "POST" && /[?&]uploads=/.test(path));
      if (!isFile || !path.includes(".parquet")) return undefined;
      written += 1;
      waits ??= meanwhile();
      return { until: waits };
    });
    const options = { ...given!.options, s3: { ...s3, endpoint: proxy.url } as S3Options };
    const warehouse = await openWarehouse(given!.url, { iceberg: options });
    try {
      const { status, details } = await warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      assert.equal(status, "completed", details);
      return written;
    } finally {
      await warehouse.close();
      await proxy.close();
    }
  }

  const upserts = async (t: TestContext): Promise<TestTable> => {
    const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["upsert"]);
    for (const [n, id] of [1, 2, 3].entries())
      await table.ingest({ sourceFile: `f${n}`, sourceOffset: n, rows: [{ id, name: "old" }] });
    return table;
  };
  const dataFiles = async ({ warehouse, name }: TestTable): Promise<number> => (await warehouse.health(name)).dataFiles;

  test("a compaction keeps what others add meanwhile, and writes no row again", async (t) => {
    const table = await upserts(t);
    const add = () => table.ingest({ sourceFile: "g", sourceOffset: 9, rows: [{ id: 4, name: "new" }] });
    assert.equal(await compactedWhile(table, add), 1);
    assert.deepEqual(await table.rows(), [[1, "old"], [2, "old"], [3, "old"], [4, "new"]]); // prettier-ignore
    assert.equal(await dataFiles(table), 2);
  });

  test("a compaction whose rows others change meanwhile writes them again", async (t) => {
    const table = await upserts(t);
    const change = () => table.ingest({ sourceFile: "g", sourceOffset: 9, rows: [{ id: 2, name: "new" }] });
    assert.equal(await compactedWhile(table, change), 2);
    assert.deepEqual(await table.rows(), [[1, "old"], [3, "old"], [2, "new"]]); // prettier-ignore
  });

  test("once only a compaction is left of the history, a table still has its key and its watermark", async (t) => {
    const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["upsert"]);
    for (const sourceOffset of [1, 2])
      await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows: [{ id: sourceOffset, name: "x" }] });
    const { warehouse, name } = table;
    const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
    t.after(() => catalog.close());
    const state = async (): Promise<unknown[]> => {
      const { metadata } = await catalog.loadTable({ namespace: [given.namespace], name });
      const { watermark, uniqueKey } = stateOf(metadata);
      return [metadata.snapshots.length > 1, watermark, uniqueKey];
    };
    const key = JSON.stringify([["id", "BIGINT"]]);
    assert.deepEqual(await state(), [true, 2, key]);
    for (const operation of ["optimize", "expire_snapshots"] as const)
      assert.equal((await warehouse.maintain(name, operation, { retentionMs: -1 })).status, "completed");
    assert.deepEqual(await state(), [false, 2, key]);
  });

  test("under a steady writer all compactions of the ledger succeed, and no record is lost", async (t) => {
    const warehouse = await opened(t);
    const tables = Array.from({ length: LANES }, () => new TestTable(warehouse, COLUMNS, LAYOUTS["append"]));
    let isWriting = true;
    const lanes = tables.map(async (table) => {
      let sourceOffset = 0;
      while (isWriting) {
        sourceOffset += 1;
        const rows = [{ id: sourceOffset, name: "x" }];
        await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows, rejects: [reject(4)] });
      }
      return sourceOffset;
    });
    const details: string[] = [];
    try {
      for (let n = 0; n < COMPACTIONS; n++) {
        const internal = n % 2 === 0 ? "_ingest_files" : "_rejected_rows";
        const done = await warehouse.maintain(internal, "optimize", { retentionMs: 0 });
        details.push(`${done.status}: ${done.details}`);
      }
    } finally {
      isWriting = false;
    }
    const sent = await Promise.all(lanes);
    assert.deepEqual(details.filter((one) => !one.startsWith("completed: ")), []); // prettier-ignore
    for (const [n, table] of tables.entries()) {
      for (const internal of ["_ingest_files", "_rejected_rows"]) {
        const own = `FROM ${internal} WHERE table_name = '${table.name}'`;
        assert.deepEqual(await table.query(`SELECT count(*), count(DISTINCT source_offset) ${own}`), [[sent[n], sent[n]]]); // prettier-ignore
      }
      assert.deepEqual(await table.query("SELECT count(*), count(DISTINCT id) FROM $t"), [[sent[n], sent[n]]]);
    }
  });
}
