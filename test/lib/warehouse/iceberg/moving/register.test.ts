import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { scratchCommit } from "../../../../../lib/warehouse/iceberg/doctor/scratch-commit.ts";
import {
  moveTables,
  type FoundTable,
  type MoveOptions,
  type TableSource,
} from "../../../../../lib/warehouse/iceberg/moving/register.ts";
import { startFakeRestCatalog, type FakeCatalogOptions } from "../../../../support/rest-catalog/fake-rest-catalog.ts";

const COLUMNS = [{ id: 1, name: "id", type: "long", required: false }];

/** Tables `a` and `b` of the namespace `old`, which stands for the other catalog, with two snapshots each. */
async function opened(t: TestContext, options: FakeCatalogOptions = {}) {
  const server = await startFakeRestCatalog(options);
  const catalog = await openRestCatalog({ uri: server.uri });
  t.after(async () => {
    catalog.close();
    await server.close();
  });
  await catalog.createNamespace(["old"]);
  for (const name of ["a", "b"]) {
    await catalog.createTable(["old"], { name, columns: COLUMNS });
    for (const atMs of [1, 2]) {
      const table = { namespace: ["old"], name };
      const { metadata } = await catalog.loadTable(table);
      await catalog.commitTable(scratchCommit(table, metadata, { atMs, summary: {} }));
    }
  }
  const changed = new Map<string, Partial<FoundTable>>();
  const source: TableSource = {
    names: () => Promise.resolve(["b", "a"]),
    async read(name) {
      const { metadata, metadataLocation } = await catalog.loadTable({ namespace: ["old"], name });
      const found: FoundTable = {
        metadataLocation: metadataLocation!,
        snapshots: metadata.snapshots.map(({ id, manifestList }) => ({ id: String(id), manifestList: manifestList! })),
        currentSnapshotId: metadata.currentSnapshotId?.toString(),
        columns: [{ name: "id", type: "BIGINT" }],
        rows: 7,
      };
      return { ...found, ...changed.get(name) };
    },
    countMoved: () => Promise.resolve(changed.get("moved")?.rows),
    copy: (name) => catalog.createTable(["new"], { name, columns: COLUMNS }).then(() => undefined),
  };
  const move = (more: Partial<MoveOptions> = {}) =>
    moveTables(source, catalog, { namespace: ["new"], dryRun: false, copy: false, ...more });
  const names = async (namespace: string) => (await catalog.listTables([namespace])).map(({ name }) => name).toSorted();
  return { catalog, server, changed, move, names };
}

const statuses = (moves: readonly { table: string; status: string }[]) =>
  moves.map(({ table, status }) => `${table} ${status}`);

describe("tables move to a REST catalog", () => {
  test("with their history; again, they are there; the old entries stay", async (t) => {
    const { catalog, move, names } = await opened(t);
    assert.deepEqual(statuses(await move()), ["a moved", "b moved"]);
    assert.equal((await catalog.loadTable({ namespace: ["new"], name: "a" })).metadata.snapshots.length, 2);
    assert.deepEqual(statuses(await move()), ["a already there", "b already there"]);
    assert.deepEqual([await names("old"), await names("new")], [["a", "b"], ["a", "b"]]); // prettier-ignore
    assert.deepEqual((await catalog.listNamespaces()).flat().toSorted(), ["new", "old"], "no scratch is left");
  });

  test("a dry run says what would move, and changes nothing", async (t) => {
    const { server, move } = await opened(t);
    const before = server.requests.length;
    const moves = await move({ dryRun: true, tables: ["b"] });
    assert.deepEqual(statuses(moves), ["b would move"]);
    assert.deepEqual([moves[0]!.rows, moves[0]!.snapshots], [7, 2]);
    assert.match(moves[0]!.metadataLocation, /^s3:\/\/fake\//);
    const sent = server.requests.slice(before).filter(({ method }) => method !== "GET");
    assert.deepEqual(sent, []);
  });

  test("a catalog that forgets the history is refused before a table moves; a copy works", async (t) => {
    const { move, names, catalog } = await opened(t, { forgetsRegistered: true });
    await assert.rejects(move(), {
      code: "CATALOG_UNSUPPORTED",
      message: /without its snapshots.*Nothing was moved.*--copy/,
    });
    assert.deepEqual((await catalog.listNamespaces()).flat(), ["old"]);
    assert.deepEqual(statuses(await move({ copy: true })), ["a moved", "b moved"]);
    assert.deepEqual(await names("new"), ["a", "b"]);
  });

  const FAULTS: readonly (readonly [string, string, Partial<FoundTable>, RegExp])[] = [
    ["another column", "a", { columns: [{ name: "id", type: "VARCHAR" }] }, /its columns are id BIGINT/],
    ["a lost snapshot", "a", { snapshots: [{ id: "1", manifestList: "x" }] }, /does not keep 1 of its 1 snapshots/],
    ["another newest snapshot", "a", { currentSnapshotId: "5" }, /its newest snapshot is \d+/],
    ["rows that are missing", "moved", { rows: 6 }, /it has 6 rows in place of 7/],
  ];
  for (const [what, name, fault, message] of FAULTS) {
    test(`${what}: taken out again, and the move ends`, async (t) => {
      const { changed, move, names } = await opened(t);
      changed.set(name, fault);
      const moves = await move();
      assert.deepEqual(statuses(moves), ["a refused"]);
      assert.match(moves[0]!.details, message);
      assert.match(moves[0]!.details, /taken out of the catalog again/);
      assert.deepEqual([await names("new"), await names("old")], [[], ["a", "b"]]);
    });
  }

  test("a table of that name that is another one stays, and is named", async (t) => {
    const { catalog, move } = await opened(t);
    await catalog.createNamespace(["new"]);
    await catalog.createTable(["new"], { name: "a", columns: COLUMNS });
    const moves = await move();
    assert.deepEqual([statuses(moves), /new\.a exists there/.test(moves[0]!.details)], [["a refused"], true]);
    assert.equal((await catalog.loadTable({ namespace: ["new"], name: "a" })).metadata.snapshots.length, 0);
    await assert.rejects(move({ tables: ["zzz"] }), { code: "NOT_FOUND" });
  });
});
