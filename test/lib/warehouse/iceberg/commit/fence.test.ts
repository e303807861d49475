/**
 * Commits of DuckDB's writer to the real catalog that the environment names: by writers that have lost their
 * table, by several at once, and through a proxy that loses requests and answers.
 */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { uuidv7 } from "uuidv7";
import { TributaryError } from "../../../../../lib/errors.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { CommitOptions, CommitReceipt, TableLayout, Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { lossyProxy, type Loss } from "../../../../support/lossy-proxy.ts";
import { icebergGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, reject, type Row } from "../../../../support/rows.ts";
import { until } from "../../../../support/until.ts";
import { assertCounts, LAYOUTS, TestTable, type Sent } from "../../../../support/test-table.ts";

const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });
const rowsFrom = (first: number, count: number, name: string): Row[] =>
  Array.from({ length: count }, (_, k) => ({ id: first + k, name }));

const lost: CommitOptions = {
  confirmOwner: () => Promise.reject(new TributaryError("ASSIGNMENT_LOST", "the table is another's")),
};

/** The same table, written through another warehouse: another process's view of it. */
const through = (warehouse: Warehouse, { columns: definitions, layout }: TestTable): TestTable =>
  Object.assign(new TestTable(warehouse, definitions), { layout });

async function commit(table: TestTable, options: CommitOptions, ...sent: Sent[]): Promise<CommitReceipt> {
  const files = await table.files(...sent);
  for (const file of files) await table.warehouse.ensureTable(table.layout, file.columns);
  try {
    return await table.warehouse.commit({ layout: table.layout, files }, options);
  } finally {
    for (const { stage } of files) await stage?.discard();
  }
}

const isCommit = (method: string, path: string): boolean =>
  method === "POST" && /\/(transactions\/commit|tables\/[^/]+)$/.test(path);

const given = icebergGiven("iceberg: a table has one writer");
if (given) {
  after(() => given.drop());

  async function opened(t: TestContext, uri?: string): Promise<Warehouse> {
    const warehouse = await openWarehouse(given!.urlAt(uri), { iceberg: given!.options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  /** The writer that had the table, and the one that has it now. */
  async function twoWriters(t: TestContext, layout: Partial<TableLayout>) {
    const zombie = new TestTable(await opened(t), COLUMNS, layout);
    return { zombie, owner: through(await opened(t), zombie) };
  }

  /** A warehouse whose requests to the catalog may be lost. `losses` are those of the next matching requests. */
  async function behindProxy(t: TestContext, matches = isCommit) {
    const losses: Loss[] = [];
    const proxy = await lossyProxy(given!.uri, (method, path) => (matches(method, path) ? losses.shift() : undefined));
    const warehouse = await openWarehouse(given!.urlAt(proxy.url), { iceberg: given!.options });
    t.after(async () => {
      await warehouse.close();
      await proxy.close();
    });
    return { warehouse, losses };
  }

  describe("iceberg: a table has one writer", () => {
    for (const [name, layout] of Object.entries(LAYOUTS)) {
      test(`${name}: who has lost the table changes nothing after its successor's commit, recorded or not`, async (t) => {
        const { zombie, owner } = await twoWriters(t, layout);
        await commit(zombie, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "old") });
        await commit(owner, {}, { sourceFile: "f", sourceOffset: 3, rows: rowsFrom(1, 1, "new") });
        const before = await owner.origins();
        const late = { sourceFile: "f", sourceOffset: 2, rows: rowsFrom(0, 3, "between") };
        await assert.rejects(commit(zombie, lost, late), { code: "ASSIGNMENT_LOST" });
        assert.deepEqual(await owner.origins(), before);
      });
    }

    test("a compaction by who has lost the table lets none of its commits pass", async (t) => {
      const { zombie, owner } = await twoWriters(t, LAYOUTS["replace"]!);
      await commit(zombie, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "old") });
      await commit(owner, {}, { sourceFile: "f", sourceOffset: 3, rows: rowsFrom(1, 1, "new") });
      const { status, details } = await zombie.warehouse.maintain(zombie.name, "optimize", { retentionMs: 0 });
      assert.equal(status, "completed", details);
      const before = await owner.origins();
      const late = { sourceFile: "f", sourceOffset: 2, rows: rowsFrom(0, 3, "between") };
      await assert.rejects(commit(zombie, lost, late), { code: "ASSIGNMENT_LOST" });
      assert.deepEqual(await owner.origins(), before);
    });

    test("who compacts its table commits again without a look", async (t) => {
      const { zombie: writer } = await twoWriters(t, LAYOUTS["replace"]!);
      await commit(writer, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "a") });
      await commit(writer, {}, { sourceFile: "g", sourceOffset: 2, rows: rowsFrom(0, 3, "b") });
      const { status, details } = await writer.warehouse.maintain(writer.name, "optimize", { retentionMs: 0 });
      assert.equal(status, "completed", details);
      assertCounts(
        await commit(writer, lost, { sourceFile: "h", sourceOffset: 3, rows: rowsFrom(0, 3, "c") }),
        3,
        0,
        0,
      );
    });

    test("compactions of two writers at once double no row", async (t) => {
      const { zombie, owner } = await twoWriters(t, LAYOUTS["append"]!);
      for (let n = 1; n <= 6; n++)
        await commit(owner, {}, { sourceFile: `f${n}`, sourceOffset: n, rows: rowsFrom(n, 2, "x") });
      const before = await owner.origins();
      for (let round = 0; round < 5; round++) {
        await Promise.all(
          [zombie, owner].map((one) => one.warehouse.maintain(one.name, "optimize", { retentionMs: 0 })),
        );
        assert.deepEqual(await owner.origins(), before);
        await commit(owner, {}, { sourceFile: `g${round}`, sourceOffset: 10 + round, rows: rowsFrom(0, 1, "y") });
        before.splice(0, Infinity, ...(await owner.origins()));
      }
    });

    test("who still has the table looks again, and goes on", async (t) => {
      const { zombie: writer, owner: other } = await twoWriters(t, LAYOUTS["replace"]!);
      await commit(writer, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "a") });
      await commit(other, {}, { sourceFile: "g", sourceOffset: 2, rows: rowsFrom(0, 3, "b") });
      let asked = 0;
      const confirmOwner = async (): Promise<void> => void (asked += 1);
      const third = { sourceFile: "h", sourceOffset: 3, rows: rowsFrom(0, 3, "c") };
      assertCounts(await commit(writer, { confirmOwner }, third), 3, 0, 0);
      assert.equal(asked, 1);
      assertCounts(await commit(writer, { confirmOwner }, { ...third, sourceFile: "i", sourceOffset: 4 }), 3, 0, 0);
      assert.equal(asked, 1, "nobody came between");
    });

    test("who takes a table over repeats what its predecessor did, and doubles no row and no record", async (t) => {
      const { zombie, owner } = await twoWriters(t, LAYOUTS["append"]!);
      const sent = [1, 2, 3].map((sourceOffset) => ({
        fileId: uuidv7(),
        sourceFile: `f${sourceOffset}`,
        sourceOffset,
        rows: rowsFrom(sourceOffset, 2, "x"),
        rejects: [reject(7)],
      }));
      const [first, ...later] = sent;
      await zombie.ingest(first!);
      for (const one of later) await commit(zombie, {}, one);
      await zombie.record(await zombie.files(later[0]!));
      for (const one of sent) {
        assertCounts(await commit(owner, {}, one), 0, 0, 0);
        await owner.record(await owner.files(one));
        await owner.record(await owner.files(one));
      }
      assertCounts(await commit(owner, {}, { ...first!, sourceFile: "g", sourceOffset: 4 }), 2, 0, 0);
      assert.equal((await owner.rows()).length, 8);
      for (const table of ["_ingest_files", "_rejected_rows"]) {
        const select = `SELECT source_offset, count(*) FROM ${table} WHERE table_name = '${owner.name}'`;
        assert.deepEqual(
          await owner.query(`${select} GROUP BY ALL ORDER BY 1`),
          [
            [1, 1],
            [2, 1],
            [3, 1],
          ],
          table,
        );
      }
    });

    test("two writers that both believe they own the table lose no row and double none", async (t) => {
      const { zombie, owner } = await twoWriters(t, LAYOUTS["append"]!);
      const acknowledged: string[] = [];
      const write = async (table: TestTable, name: string, first: number): Promise<void> => {
        for (let n = 0; n < 6; n++) {
          const sourceFile = `${name}${n}`;
          try {
            await commit(table, {}, { sourceFile, sourceOffset: first + n, rows: rowsFrom(n, 2, name) });
            acknowledged.push(sourceFile, sourceFile);
          } catch (thrown) {
            assert.equal((thrown as TributaryError).code, "WAREHOUSE_CONFLICT");
          }
        }
      };
      await owner.warehouse.ensureTable(owner.layout, COLUMNS);
      await Promise.all([write(zombie, "a", 1), write(owner, "b", 101)]);
      const found = (await owner.rows(["_source_file"])).map(([name]) => name);
      assert.deepEqual(found, acknowledged.toSorted());
    });
  });

  const LOSSES: readonly Loss[][] = [
    ["after"],
    ["before"],
    [500],
    [502],
    [503],
    [504],
    ["after", "before", 503, "after"],
  ];

  describe("iceberg: requests and answers are lost", () => {
    for (const [mode, layout] of Object.entries(LAYOUTS)) {
      test(`${mode}: whatever is lost of a commit, the table has its rows once and can be read`, async (t) => {
        const { warehouse, losses } = await behindProxy(t);
        const table = new TestTable(warehouse, COLUMNS, layout);
        await commit(table, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 4, "0") });
        let sourceOffset = 1;
        for (const loss of LOSSES) {
          sourceOffset++;
          losses.push(...loss);
          const rows = [...rowsFrom(0, 2, String(sourceOffset)), ...rowsFrom(10 * sourceOffset, 2, "x")];
          const receipt = await commit(table, {}, { sourceFile: `f${sourceOffset}`, sourceOffset, rows });
          const what = JSON.stringify(loss);
          assert.equal(receipt.rowsInserted + receipt.rowsUpdated, 4, what);
          assert.deepEqual(losses, [], what);
        }
        const found = await table.rows();
        const expected = layout.mode === "upsert" ? 4 + 2 * LOSSES.length : 4 + 4 * LOSSES.length;
        assert.equal(found.length, expected);
        assert.equal(new Set((await table.origins()).map((row) => JSON.stringify(row))).size, expected);
      });
    }

    test("whatever is lost of a ledger write, each file is on record once", async (t) => {
      const { warehouse, losses } = await behindProxy(t);
      const table = new TestTable(warehouse, COLUMNS);
      await table.ingest({ sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 1, "0") });
      for (const [n, loss] of LOSSES.entries()) {
        const sourceOffset = n + 2;
        const versions = await table.files({ sourceFile: "f", sourceOffset, rows: rowsFrom(0, 1, String(n)) });
        await table.commitVersions(versions);
        losses.push(...loss);
        await table.record(versions);
        assert.deepEqual(losses, [], JSON.stringify(loss));
      }
      const recorded = await table.query(
        `SELECT source_offset, count(*) FROM _ingest_files WHERE table_name = '${table.name}' GROUP BY ALL ORDER BY 1`,
      );
      assert.deepEqual(
        recorded,
        Array.from({ length: LOSSES.length + 1 }, (_, n) => [n + 1, 1]),
      );
      assert.equal(await warehouse.watermark(table.name), LOSSES.length + 1);
    });

    test("a compaction that another writer's commit overtakes begins again", async (t) => {
      let name = "";
      const { warehouse, losses } = await behindProxy(
        t,
        (method, path) => isCommit(method, path) && path.endsWith(`/tables/${name}`),
      );
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["append"]);
      const other = through(await opened(t), table);
      for (let n = 1; n <= 3; n++)
        await commit(table, {}, { sourceFile: `f${n}`, sourceOffset: n, rows: rowsFrom(n, 1, "x") });
      name = table.name;
      losses.push({ lateMs: 2_000 });
      const compacting = warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      await until("the compaction is committed", () => losses.length === 0);
      await commit(other, {}, { sourceFile: "g", sourceOffset: 9, rows: rowsFrom(9, 1, "x") });
      const { status, details } = await compacting;
      assert.equal(status, "completed", details);
      assert.deepEqual(await table.rows(), [[1, "x"], [2, "x"], [3, "x"], [9, "x"]]); // prettier-ignore
      assert.equal((await warehouse.health(table.name)).dataFiles, 1);
    });

    test("a read that fails after a commit is no second commit", async (t) => {
      let committed = false;
      const { warehouse, losses } = await behindProxy(t, (method, path) => {
        if (isCommit(method, path)) committed = true;
        return committed && method === "GET";
      });
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["append"]);
      await table.warehouse.ensureTable(table.layout, COLUMNS);
      committed = false;
      losses.push(...Array.from({ length: 12 }, () => 503));
      await commit(table, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "x") });
      losses.length = 0;
      assert.equal((await table.rows()).length, 3);
    });

    test("more tables commit at once than there are threads, at a slow catalog", async (t) => {
      const { warehouse, losses } = await behindProxy(t);
      const tables = Array.from({ length: 8 }, () => new TestTable(warehouse, COLUMNS));
      for (const table of tables) await warehouse.ensureTable(table.layout, COLUMNS);
      losses.push(...tables.map(() => ({ lateMs: 300 })));
      const rows = rowsFrom(0, 2, "ÄÄÄÄÄÄÄÄÄ");
      await Promise.all(tables.map((table) => commit(table, {}, { sourceFile: "f", sourceOffset: 1, rows })));
      for (const table of tables) assert.equal((await table.rows()).length, 2);
    });
  });
}
