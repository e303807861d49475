/**
 * Transactions of rows and records of which the catalog holds a part only. The catalog is real, and snapshots are taken
 * back to make the state that a crash leaves in a catalog that applies a transaction table by table.
 */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { TributaryError } from "../../../../../lib/errors.ts";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { lacks } from "../../../../../lib/warehouse/iceberg/commit/torn.ts";
import { physicalName } from "../../../../../lib/warehouse/iceberg/names.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, outcomeOf, reject } from "../../../../support/rows.ts";
import { LAYOUTS, TestTable, type Sent } from "../../../../support/test-table.ts";

const NAME = "iceberg: torn transactions";
const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });

const snapshot = (id: bigint, timestampMs: number, parentId?: bigint) => ({
  ...{ id, parentId, timestampMs, summary: new Map<string, string>(), sequenceNumber: 0 },
  ...{ manifestList: undefined, schemaId: undefined },
});

test("a table lacks a transaction only if its history reaches back to it", () => {
  const records = { recordedAtMs: 50 };
  const history = [snapshot(1n, 10), snapshot(2n, 60, 1n), snapshot(3n, 70, 2n)];
  assert.equal(lacks({ currentSnapshotId: 3n, snapshots: history }, records), true);
  assert.equal(lacks({ currentSnapshotId: 3n, snapshots: history.slice(1) }, records), false, "older ones expired");
  assert.equal(lacks({ currentSnapshotId: undefined, snapshots: [] }, records), true);
  const kept = [snapshot(1n, 10), snapshot(3n, 70, 2n)];
  assert.equal(lacks({ currentSnapshotId: 3n, snapshots: kept }, records), false, "an old one is kept for a view");
});

const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());

  const file = (n: number, over: Partial<Sent> = {}): Sent => ({
    sourceFile: `f${n}`,
    sourceOffset: n,
    rows: [{ id: n, name: `file ${n}` }],
    rejects: [reject(4)],
    ...over,
  });

  async function opened(t: TestContext): Promise<Warehouse> {
    const warehouse = await openWarehouse(given!.url, { iceberg: given!.options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  /** The same table, as another process sees it. */
  const through = (warehouse: Warehouse, { columns: definitions, layout }: TestTable): TestTable =>
    Object.assign(new TestTable(warehouse, definitions), { layout });

  /** Runs `work` and takes back what it has committed to these tables of the catalog. */
  async function takenBack(tables: readonly string[], work: () => Promise<unknown>): Promise<void> {
    const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
    const load = async (name: string) =>
      (await catalog.loadTable({ namespace: [given!.namespace], name: physicalName(name) })).metadata;
    const before = new Map<string, bigint>();
    for (const name of tables) before.set(name, (await load(name)).currentSnapshotId!);
    await work();
    for (const [name, snapshotId] of before) {
      const { snapshots } = await load(name);
      const old = snapshots.findIndex(({ id }) => id === snapshotId);
      const added = snapshots.slice(old + 1).map(({ id }) => id);
      assert.notEqual(added.length, 0, `${name} has no new snapshot`);
      const identifier = { namespace: [given!.namespace], name: physicalName(name) };
      const back = {
        ...({ action: "set-snapshot-ref", "ref-name": "main", type: "branch" } as const),
        "snapshot-id": snapshotId,
      };
      await catalog.commitTable({ identifier, requirements: [], updates: [back] });
      const updates = [{ action: "remove-snapshots", "snapshot-ids": added }] as const;
      await catalog.commitTable({ identifier, requirements: [], updates });
    }
    catalog.close();
  }

  async function shared(table: TestTable, ...sent: Sent[]): Promise<void> {
    const versions = await table.files(...sent);
    const records = { ended: versions.map((version) => outcomeOf(version)), recordedAtMs: Date.now() };
    const { isRecorded } = await table.commitVersions(versions, records);
    assert.equal(isRecorded, true, "one transaction");
    for (const { stage } of versions) await stage?.discard();
  }

  const onRecord = (table: TestTable): Promise<unknown[][]> =>
    table.query(
      `SELECT source_offset, status, count(*) FROM _ingest_files WHERE table_name = '${table.name}' GROUP BY ALL ORDER BY 1`,
    );
  const rejectsOf = (table: TestTable): Promise<unknown[][]> =>
    table.query(`SELECT source_offset FROM _rejected_rows WHERE table_name = '${table.name}' ORDER BY 1`);

  async function assertWhole(table: TestTable, ...offsets: number[]): Promise<void> {
    assert.deepEqual(await onRecord(table), offsets.map((n) => [n, "committed", 1])); // prettier-ignore
    assert.deepEqual(await rejectsOf(table), offsets.map((n) => [n])); // prettier-ignore
    assert.deepEqual(await table.rows(), offsets.map((n) => [n, `file ${n}`])); // prettier-ignore
  }

  describe(NAME, () => {
    for (const [mode, layout] of Object.entries(LAYOUTS)) {
      test(`${mode}: records without rows are removed, and the file is loaded again`, async (t) => {
        const table = new TestTable(await opened(t), COLUMNS, layout);
        await table.ingest(file(1));
        await takenBack([table.name], () => shared(table, file(2)));
        const next = through(await opened(t), table);
        assert.equal(await next.warehouse.watermark(table.name), 2);
        await next.warehouse.recover(table.name);
        assert.equal(await next.warehouse.watermark(table.name), 1);
        assert.deepEqual(await rejectsOf(next), [[1]]);
        await next.ingest(file(2));
        await assertWhole(next, 1, 2);
      });

      test(`${mode}: a writer that has not asked finds them before it commits`, async (t) => {
        const table = new TestTable(await opened(t), COLUMNS, layout);
        await table.ingest(file(1));
        await takenBack([table.name], () => shared(table, file(2)));
        const next = through(await opened(t), table);
        await next.ingest(file(2));
        await assertWhole(next, 1, 2);
      });

      test(`${mode}: rows without records get them`, async (t) => {
        const table = new TestTable(await opened(t), COLUMNS, layout);
        await table.ingest(file(1));
        await takenBack(["_ingest_files", "_rejected_rows"], () => shared(table, file(2)));
        const next = through(await opened(t), table);
        await next.warehouse.recover(table.name);
        await next.ingest(file(2));
        await assertWhole(next, 1, 2);
      });
    }

    test("records without their rejected rows are removed", async (t) => {
      const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
      await table.ingest(file(1));
      await takenBack(["_rejected_rows"], () => shared(table, file(2)));
      const next = through(await opened(t), table);
      await next.warehouse.recover(table.name);
      assert.deepEqual(await onRecord(next), [[1, "committed", 1]]);
      await next.ingest(file(2));
      await assertWhole(next, 1, 2);
    });

    test("rejected rows without records are not written twice", async (t) => {
      const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
      await table.ingest(file(1));
      await takenBack([table.name, "_ingest_files"], () => shared(table, file(2)));
      const next = through(await opened(t), table);
      await next.warehouse.recover(table.name);
      await next.ingest(file(2));
      await assertWhole(next, 1, 2);
    });

    test("who does not own the table removes nothing", async (t) => {
      const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
      await table.ingest(file(1));
      await takenBack([table.name], () => shared(table, file(2)));
      const confirmOwner = () => Promise.reject(new TributaryError("ASSIGNMENT_LOST", "the table is another's"));
      const next = await opened(t);
      await assert.rejects(next.recover(table.name, { confirmOwner }), { code: "ASSIGNMENT_LOST" });
      assert.equal(await next.watermark(table.name), 2);
    });

    test("the first transaction of a table", async (t) => {
      const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
      await shared(table, file(1));
      await dropped(table);
      const next = through(await opened(t), table);
      await next.warehouse.ensureTable(next.layout, COLUMNS);
      await next.warehouse.recover(table.name);
      assert.equal(await next.warehouse.watermark(table.name), undefined);
      await next.ingest(file(1));
      await assertWhole(next, 1);
    });

    test("a table that somebody has made again keeps its records", async (t) => {
      const table = new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]);
      await shared(table, file(1));
      await shared(table, file(2));
      await dropped(table);
      const next = await opened(t);
      await next.recover(table.name);
      await next.ensureTable(table.layout, COLUMNS);
      await next.recover(table.name);
      assert.equal(await next.watermark(table.name), 2);
    });

    test("what brings no rows, is undone, replaced or compacted stays on record", async (t) => {
      const warehouse = await opened(t);
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["replace"]);
      await shared(table, file(1), file(2));
      const recorded = async (n: number, over: object = {}): Promise<void> => {
        const [version] = await table.files(file(n, { rows: [], rejects: [] }));
        const { outcome } = outcomeOf(version!);
        await warehouse.record(table.name, [{ outcome: { ...outcome, ...over } }], 1);
      };
      await recorded(3, { status: "failed", errorCode: "FILE_NOT_CSV" });
      await table.ingest(file(4, { rows: [] }));
      await table.ingest(file(5, { sourceFile: "f1", rows: null, rejects: [] }));
      await assertKept(t, table, 5);
      await shared(table, file(6, { sourceFile: "f2" }));
      await assertKept(t, table, 6);
      for (const operation of ["optimize", "expire_snapshots"] as const)
        await warehouse.maintain(table.name, operation, { retentionMs: 0 });
      await assertKept(t, table, 6);
      const shadow = new TestTable(warehouse, COLUMNS, LAYOUTS["replace"]);
      await shadow.commit(file(6, { sourceFile: "f2" }));
      await warehouse.replaceWith(table.layout, shadow.name);
      await assertKept(t, table, 6);
      await shared(table, file(7));
      await assertKept(t, table, 7);
    });
  });

  async function assertKept(t: TestContext, table: TestTable, watermark: number): Promise<void> {
    const next = through(await opened(t), table);
    const before = await onRecord(next);
    await next.warehouse.recover(table.name);
    assert.deepEqual(await onRecord(next), before);
    assert.equal(await next.warehouse.watermark(table.name), watermark);
  }

  async function dropped(table: TestTable): Promise<void> {
    const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
    await catalog.dropTable({ namespace: [given!.namespace], name: table.name }, { purge: true });
    catalog.close();
  }
}
