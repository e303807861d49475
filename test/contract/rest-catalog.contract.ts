/** What Tributary needs of an Iceberg REST catalog, through lib/warehouse/iceberg/catalog. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { ErrorCode } from "../../lib/errors.ts";
import type { NewColumn } from "../../lib/warehouse/iceberg/catalog/commit.ts";
import { CatalogError, type Outcome } from "../../lib/warehouse/iceberg/catalog/errors.ts";
import type { RestCatalog } from "../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { randomSnapshotId, scratchCommit, snapshotIdOf } from "../../lib/warehouse/iceberg/doctor/scratch-commit.ts";

export interface RestCatalogSubject {
  open(): Promise<RestCatalog>;
  /** True if creating a table or view that exists is answered with the existing one. */
  answersExisting?: boolean;
  /** True if a registered table is served without its snapshots. */
  registersEmpty?: boolean;
}

const COLUMNS: NewColumn[] = [
  { id: 1, name: "id", type: "long", required: false },
  { id: 2, name: "Text", type: "string", required: false },
];

const failsWith =
  (code: ErrorCode, outcome: Outcome = "none") =>
  (error: unknown): boolean => {
    assert.ok(error instanceof CatalogError, String(error));
    assert.deepEqual([error.code, error.outcome], [code, outcome], error.message);
    return true;
  };

export function restCatalogContract(name: string, subject: RestCatalogSubject): void {
  describe(`${name}: REST catalog`, () => {
    let catalog: RestCatalog;
    const namespace = [`contract_${randomBytes(5).toString("hex")}`];
    const table = (at: string) => ({ namespace, name: at });
    const make = (at: string) => catalog.createTable(namespace, { name: at, columns: COLUMNS });
    const append = async (at: string, summary: Record<string, string> = {}): Promise<bigint> => {
      const { metadata } = await catalog.loadTable(table(at));
      const change = scratchCommit(table(at), metadata, { atMs: Date.now(), summary });
      await catalog.commitTable(change);
      return snapshotIdOf(change);
    };
    const idsOf = async (at: string): Promise<bigint[]> => {
      const { metadata } = await catalog.loadTable(table(at));
      return metadata.snapshots.toSorted((a, b) => a.sequenceNumber - b.sequenceNumber).map(({ id }) => id);
    };

    before(async () => {
      catalog = await subject.open();
      await catalog.createNamespace(namespace, { owner: "contract" });
    });

    after(async () => {
      for (const one of await catalog.listTables(namespace)) await catalog.dropTable(one, { purge: true });
      await catalog.dropNamespace(namespace);
      catalog.close();
    });

    test("a namespace: its properties, a second one with its name, its end", async () => {
      assert.equal((await catalog.loadNamespace(namespace)).get("owner"), "contract");
      assert.ok((await catalog.listNamespaces()).some((found) => found.join() === namespace.join()));
      await assert.rejects(catalog.createNamespace(namespace), failsWith("CATALOG_CONFLICT"));
      const other = [`${namespace[0]}_other`];
      await catalog.createNamespace(other);
      await catalog.dropNamespace(other);
      await assert.rejects(catalog.loadNamespace(other), failsWith("CATALOG_NOT_FOUND"));
    });

    test("a table is created once, in format version 2, is found, and is dropped", async () => {
      const created = await make("made");
      assert.equal(created.metadata.formatVersion, 2);
      assert.equal(created.metadata.currentSnapshotId, undefined);
      if (subject.answersExisting) assert.equal((await make("made")).metadata.uuid, created.metadata.uuid);
      else await assert.rejects(make("made"), failsWith("CATALOG_CONFLICT"));
      assert.equal((await catalog.loadTable(table("made"))).metadata.uuid, created.metadata.uuid);
      assert.ok((await catalog.listTables(namespace)).some((one) => one.name === "made"));
      await catalog.dropTable(table("made"), { purge: true });
      await assert.rejects(catalog.loadTable(table("made")), failsWith("CATALOG_NOT_FOUND"));
    });

    test("a snapshot keeps its id of 64 bits and its summary", async () => {
      await make("ids");
      const { metadata } = await catalog.loadTable(table("ids"));
      const summary = { "tributary.watermark": "9007199254740993", "odd ✓": 'a "quoted" \\ text' };
      const change = scratchCommit(table("ids"), metadata, { id: 2n ** 62n + 1n, atMs: Date.now(), summary });
      const answer = await catalog.commitTable(change);
      for (const found of [answer.metadata, (await catalog.loadTable(table("ids"))).metadata]) {
        assert.equal(found.currentSnapshotId, 4611686018427387905n);
        const [snapshot] = found.snapshots;
        assert.equal(snapshot?.id, 4611686018427387905n);
        for (const [key, value] of Object.entries(summary)) assert.equal(snapshot.summary.get(key), value);
        assert.equal(found.refs.get("main")?.snapshotId, 4611686018427387905n);
      }
    });

    test("the whole history is served, in its order", async () => {
      await make("history");
      const made: bigint[] = [];
      for (let n = 0; n < 5; n++) made.push(await append("history", { n: String(n) }));
      assert.deepEqual(await idsOf("history"), made);
      const { metadata } = await catalog.loadTable(table("history"));
      assert.deepEqual(metadata.snapshotLog, made);
      const parents = metadata.snapshots.map(({ id, parentId }) => [id, parentId] as const);
      assert.deepEqual(new Map(parents), new Map(made.map((id, n) => [id, made[n - 1]])));
    });

    test("a commit on a snapshot that is not the newest is refused and changes nothing", async () => {
      await make("stale");
      const { metadata } = await catalog.loadTable(table("stale"));
      const first = await append("stale");
      const late = scratchCommit(table("stale"), metadata, { atMs: Date.now() });
      await assert.rejects(catalog.commitTable(late), failsWith("CATALOG_CONFLICT"));
      if (catalog.has("commitTransaction")) {
        await assert.rejects(catalog.commitTransaction([late]), failsWith("CATALOG_CONFLICT"));
      }
      assert.deepEqual(await idsOf("stale"), [first]);
    });

    test("a commit for another table of the same name is refused", async () => {
      const { metadata } = await make("another");
      const change = scratchCommit(table("another"), { ...metadata, uuid: crypto.randomUUID() }, { atMs: Date.now() });
      await assert.rejects(catalog.commitTable(change), failsWith("CATALOG_CONFLICT"));
      assert.deepEqual(await idsOf("another"), []);
    });

    test("an identical commit is applied once, however often it is sent", async () => {
      const { metadata } = await make("again");
      const change = scratchCommit(table("again"), metadata, { atMs: Date.now() });
      await catalog.commitTable(change);
      await assert.rejects(catalog.commitTable(change), failsWith("CATALOG_CONFLICT"));
      assert.deepEqual(await idsOf("again"), [snapshotIdOf(change)]);
    });

    test("a transaction changes all its tables; with one stale part it changes none", async (t) => {
      if (!catalog.has("commitTransaction")) return t.skip("the catalog has no transactions");
      const [a, b] = [(await make("pair_a")).metadata, (await make("pair_b")).metadata];
      const changes = [
        scratchCommit(table("pair_a"), a, { atMs: Date.now() }),
        scratchCommit(table("pair_b"), b, { atMs: Date.now() }),
      ];
      await catalog.commitTransaction(changes);
      const [first, second] = changes.map(snapshotIdOf);
      const now = (await catalog.loadTable(table("pair_a"))).metadata;
      const torn = [
        scratchCommit(table("pair_a"), now, { atMs: Date.now() }),
        scratchCommit(table("pair_b"), b, { atMs: Date.now() }),
      ];
      await assert.rejects(catalog.commitTransaction(torn), failsWith("CATALOG_CONFLICT"));
      assert.deepEqual([await idsOf("pair_a"), await idsOf("pair_b")], [[first], [second]]);
    });

    test("commits that race: every acknowledged one is there, and no other", async () => {
      await make("race");
      const acknowledged: bigint[] = [];
      const writer = async (): Promise<void> => {
        for (let n = 0; n < 10; n++) {
          const { metadata } = await catalog.loadTable(table("race"));
          const change = scratchCommit(table("race"), metadata, { id: randomSnapshotId(), atMs: Date.now() });
          try {
            if (catalog.has("commitTransaction") && n % 2 === 0) await catalog.commitTransaction([change]);
            else await catalog.commitTable(change);
            acknowledged.push(snapshotIdOf(change));
          } catch (error) {
            failsWith("CATALOG_CONFLICT")(error);
          }
        }
      };
      await Promise.all([writer(), writer(), writer(), writer()]);
      assert.ok(acknowledged.length >= 10, `${acknowledged.length} of 40 commits succeeded`);
      assert.deepEqual(new Set(await idsOf("race")), new Set(acknowledged));
    });

    test("a table is renamed, and registered from its metadata file", async (t) => {
      await make("before");
      const id = await append("before");
      let current = "before";
      if (catalog.has("renameTable")) {
        await catalog.renameTable(table("before"), table("after"));
        await assert.rejects(catalog.loadTable(table("before")), failsWith("CATALOG_NOT_FOUND"));
        current = "after";
      }
      assert.deepEqual(await idsOf(current), [id]);
      if (subject.registersEmpty) return t.skip("the catalog registers tables without their snapshots");
      const { metadataLocation } = await catalog.loadTable(table(current));
      assert.ok(metadataLocation);
      await catalog.registerTable(table("registered"), metadataLocation);
      assert.deepEqual(await idsOf("registered"), [id]);
    });

    test("a view is created, found and dropped", async (t) => {
      if (!catalog.has("createView")) return t.skip("the catalog has no views");
      const view = {
        name: "a_view",
        columns: [COLUMNS[0]!],
        sql: "SELECT 1 AS id",
        dialect: "trino",
        defaultNamespace: namespace,
        atMs: Date.now(),
      };
      await catalog.createView(namespace, view);
      await catalog.loadView(table("a_view"));
      if (!subject.answersExisting) {
        await assert.rejects(catalog.createView(namespace, view), failsWith("CATALOG_CONFLICT"));
      }
      await catalog.dropView(table("a_view"));
      await assert.rejects(catalog.loadView(table("a_view")), failsWith("CATALOG_NOT_FOUND"));
    });
  });
}
