import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { expiryAge } from "../../../../../lib/warehouse/trino/maintenance/maintain.ts";
import { nextSlice } from "../../../../../lib/warehouse/trino/maintenance/optimize.ts";
import type { MaintenanceResult } from "../../../../../lib/warehouse/warehouse.ts";
import type { ColumnType } from "../../../../../lib/columns.ts";
import { columns, type Cell, type Row } from "../../../../support/rows.ts";
import { READ_ALL, TestTable } from "../../../../support/test-table.ts";
import { openTestTrino, trinoGiven } from "../../../../support/trino-server.ts";

const MIB = 1024 * 1024;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("slices of an optimize", () => {
  const part = (value: string | null, over: object = {}) => ({ value, dataFiles: 2, deleteFiles: 0, bytes: MIB, fileBytesMax: MIB, ...over }); // prettier-ignore
  /** The values of each slice, one after the other. */
  function all(parts: ReturnType<typeof part>[]): (string | null)[][] {
    const slices: (string | null)[][] = [];
    let cursor: string | undefined;
    do {
      const slice = nextSlice(parts, cursor);
      if (!slice) break;
      slices.push(slice.parts.map(({ value }) => value));
      cursor = slice.next;
    } while (cursor !== undefined);
    return slices;
  }

  test("every part comes once, in the order of its value, NULL first and the empty text after it", () => {
    assert.deepEqual(all([part("b"), part(""), part(null), part("a")]), [[null, "", "a", "b"]]);
    assert.deepEqual(all([]), []);
  });

  test("about 64 MiB and 50 partitions a slice; a part larger than that is one by itself", () => {
    const big = (value: string) => part(value, { bytes: 40 * MIB });
    assert.deepEqual(all([big("a"), big("b"), part("c"), big("d")]), [["a"], ["b", "c"], ["d"]]);
    assert.deepEqual(all([part("a", { bytes: 900 * MIB }), part("b")]), [["a"], ["b"]]);
    const many = Array.from({ length: 120 }, (_, n) => part(String(n).padStart(3, "0")));
    assert.deepEqual(
      all(many).map((slice) => slice.length),
      [50, 50, 20],
    );
  });

  test("of a part larger than a slice only the smallest files are merged, unless it has delete files", () => {
    const huge = { bytes: 900 * MIB, fileBytesMax: 3 * MIB };
    assert.equal(nextSlice([part("a", huge)], undefined)?.thresholdBytes, 3 * MIB + 1);
    assert.equal(nextSlice([part("a", { ...huge, deleteFiles: 1 })], undefined)?.thresholdBytes, 32 * MIB);
    assert.equal(nextSlice([part("a")], undefined)?.thresholdBytes, 32 * MIB);
  });

  test("a cursor behind everything leaves nothing", () => {
    assert.equal(nextSlice([part("a")], "=a"), undefined);
  });
});

describe("from which age on snapshots go", () => {
  const ages = { count: 10, oldestKept: 5 * HOUR, trusted: undefined };
  const ageMs = (over: object, options: object = {}): number =>
    expiryAge("t", { ...ages, ...over }, { retentionMs: 7 * DAY, ...options }).ageMs;

  test("the retention; earlier where there are too many, but never below an hour", () => {
    assert.equal(ageMs({}), 7 * DAY);
    assert.equal(ageMs({}, { snapshotsMax: 10 }), 7 * DAY);
    assert.equal(ageMs({}, { snapshotsMax: 9 }), 5 * HOUR);
    assert.equal(ageMs({ oldestKept: 60_000 }, { snapshotsMax: 9 }), HOUR);
    assert.equal(ageMs({ oldestKept: 9 * DAY }, { snapshotsMax: 9 }), 7 * DAY);
    assert.equal(ageMs({}, { snapshotsMax: 9, retentionMs: 0 }), 0);
  });

  test("never the snapshot that trusted data stands on, however old and however many", () => {
    assert.ok(ageMs({ trusted: 30 * DAY }) > 30 * DAY + 60_000);
    assert.ok(ageMs({ trusted: 6 * HOUR }, { snapshotsMax: 1 }) > 6 * HOUR + 60_000);
    assert.equal(ageMs({ trusted: HOUR }), 7 * DAY);
    assert.match(expiryAge("t", { ...ages, trusted: 30 * DAY }, { retentionMs: DAY }).why, /t_trusted stands on one/);
  });
});

if (trinoGiven("trino: maintenance on a real server")) {
  const server = await openTestTrino();
  after(() => server.close());
  const opened = server.open();
  after(async () => (await opened).close());

  /** All steps of an optimize. */
  async function optimize(table: TestTable): Promise<MaintenanceResult[]> {
    const results: MaintenanceResult[] = [];
    let cursor: string | undefined;
    do {
      const options = { retentionMs: 0, ...(cursor === undefined ? {} : { cursor }) };
      results.push(await table.warehouse.maintain(table.name, "optimize", options));
      cursor = results.at(-1)!.next;
    } while (cursor !== undefined);
    return results;
  }

  /** The statements that optimised the table, as the server had them. */
  async function statementsOf(table: TestTable): Promise<string[]> {
    const { rows } = await server.client.run(
      `SELECT query FROM system.runtime.queries WHERE query LIKE 'ALTER TABLE "${table.name}" EXECUTE optimize%' ORDER BY created`,
    );
    return rows.map(([query]) => String(query));
  }

  const content = (table: TestTable): Promise<unknown[][]> =>
    table.query("SELECT * FROM $t ORDER BY _source_file, _source_row, _source_offset");

  describe("trino: maintenance on a real server", () => {
    const partitionings: [string, ColumnType, Cell[]][] = [
      ["p", "DATE", ["2024-01-31", "2024-02-01", null]],
      ["month(p)", "DATE", ["2023-12-31", "2024-01-01", "1969-12-31", null]],
      ["year(p)", "TIMESTAMP", ["2023-12-31T23:59:59.999999", "2024-01-01T00:00:00", "1969-06-01T00:00:00"]],
      ["day(p)", "TIMESTAMP", ["2024-01-01T00:00:00", "2024-01-01T23:59:59.999999", null]],
      ["hour(p)", "TIMESTAMP", ["2024-01-01T00:59:59.999999", "2024-01-01T01:00:00"]],
      ["p", "VARCHAR", ["it's", "", "=", null, 'say "x"', "日本"]],
      ["p", "BOOLEAN", [true, false, null]],
      ["p", "INTEGER", [-5, 7, 10]],
      ["p", "DECIMAL(12,2)", ["-0.05", "100.00"]],
      ["p", "TIMESTAMP", ["2024-01-01T00:00:00.000001", "2024-01-01T00:00:00"]],
    ];
    for (const [partitioning, type, values] of partitionings) {
      test(`partitions by ${partitioning} ${type} are merged and rid of delete files, by their values`, async () => {
        const table = new TestTable(await opened, columns({ p: type, n: "INTEGER" }), { partitioning: [partitioning] });
        const rows = values.map((p, n): Row => ({ p, n }));
        await table.ingest({ sourceFile: "a", sourceOffset: 1, rows });
        await table.ingest({ sourceFile: "b", sourceOffset: 2, rows });
        await table.ingest({ sourceFile: "a", sourceOffset: 3, rows: rows.map((row) => ({ ...row, n: 9 })) });
        const before = await content(table);
        assert.ok((await table.warehouse.health(table.name)).deleteFiles > 0);
        assert.deepEqual((await optimize(table)).map(({ status }) => status), ["completed"]); // prettier-ignore
        const { mergeableFiles, deleteFiles } = await table.warehouse.health(table.name);
        assert.deepEqual({ mergeableFiles, deleteFiles }, { mergeableFiles: 0, deleteFiles: 0 });
        assert.deepEqual(await content(table), before);
        const statements = await statementsOf(table);
        assert.equal(statements.length, 1);
        assert.match(statements[0]!, / WHERE \(?"p" /);
      });
    }

    test("more partitions than a slice holds go in several, and the table may be written in between", async () => {
      const table = new TestTable(await opened, columns({ day: "DATE", n: "INTEGER" }), { partitioning: ["day"] });
      const rows = Array.from({ length: 60 }, (_, n): Row => ({
        day: new Date(n * DAY).toISOString().slice(0, 10),
        n,
      }));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows });
      await table.ingest({ sourceFile: "b", sourceOffset: 2, rows });
      const first = await table.warehouse.maintain(table.name, "optimize", { retentionMs: 0 });
      assert.equal(first.status, "completed");
      assert.notEqual(first.next, undefined);
      assert.equal((await table.warehouse.health(table.name)).dataFiles, 70);
      await table.ingest({ sourceFile: "b", sourceOffset: 3, rows: rows.slice(0, 30) });
      const before = await content(table);
      const last = await table.warehouse.maintain(table.name, "optimize", { retentionMs: 0, cursor: first.next! });
      assert.equal(last.next, undefined);
      assert.deepEqual(await content(table), before);
    });

    test("without a field to slice by, and with files of an older partitioning, the whole table is one slice", async () => {
      const definitions = columns({ v: "VARCHAR", day: "DATE", n: "INTEGER" });
      for (const partitioning of [[], ["bucket(v, 3)"]]) {
        const table = new TestTable(await opened, definitions, { partitioning });
        const rows = ["a", "b", "c"].map((v, n): Row => ({ v, n }));
        for (const sourceOffset of [1, 2]) await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows });
        const before = await content(table);
        await optimize(table);
        assert.equal((await table.warehouse.health(table.name)).mergeableFiles, 0);
        assert.deepEqual(await content(table), before);
      }
      const grown = new TestTable(await opened, definitions);
      const rows: Row[] = [{ day: "2024-01-01" }, { day: "2024-01-02" }];
      await grown.ingest({ sourceFile: "a", sourceOffset: 1, rows });
      Object.assign(grown, { layout: { ...grown.layout, partitioning: ["day"] } });
      for (const sourceOffset of [2, 3]) await grown.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows });
      const before = await content(grown);
      assert.deepEqual((await optimize(grown)).map(({ status }) => status), ["completed"]); // prettier-ignore
      assert.equal((await grown.warehouse.health(grown.name)).mergeableFiles, 0);
      assert.deepEqual(await content(grown), before);
    });

    test("a step whose time is up is given up and changes nothing", async () => {
      const table = new TestTable(await opened, columns({ n: "INTEGER" }));
      for (const sourceOffset of [1, 2])
        await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows: [{ n: 1 }] });
      const before = await table.warehouse.health(table.name);
      for (const operation of ["optimize", "expire_snapshots", "remove_orphan_files"] as const) {
        const options = { retentionMs: 7 * DAY, signal: AbortSignal.abort() };
        assert.equal((await table.warehouse.maintain(table.name, operation, options)).status, "given up");
      }
      assert.deepEqual(await table.warehouse.health(table.name), before);
    });

    test("a step whose time is up is tried again in smaller ones, down to one partition; then it is given up", async () => {
      const table = new TestTable(await opened, columns({ day: "DATE" }), { partitioning: ["day"] });
      const rows = ["2024-01-01", "2024-01-02", "2024-01-03"].map((day): Row => ({ day }));
      for (const sourceOffset of [1, 2]) await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows });
      const signal = AbortSignal.abort();
      let cursor: string | undefined;
      const seen: string[] = [];
      for (let n = 0; n < 4; n++) {
        const options = { retentionMs: 0, signal, ...(cursor === undefined ? {} : { cursor }) };
        const { status, details, next } = await table.warehouse.maintain(table.name, "optimize", options);
        seen.push(`${status}: ${details}`);
        cursor = next;
      }
      const files = (count: number): string => `${count} data files and 0 delete files`;
      assert.deepEqual(seen, [`divided: ${files(6)}`, `divided: ${files(4)}`, `given up: ${files(2)}`, `given up: ${files(2)}`]); // prettier-ignore
      assert.equal(cursor, "=2024-01-02");
      const last = await table.warehouse.maintain(table.name, "optimize", { retentionMs: 0, cursor });
      assert.deepEqual([last.status, last.details, last.next], ["completed", files(2), undefined]);
      assert.equal((await table.warehouse.health(table.name)).mergeableFiles, 2);
    });

    test("trusted data follows an optimize, so that the old files can go; it is the same after a restart", async () => {
      const table = new TestTable(await opened, columns({ n: "INTEGER" }));
      const { warehouse, name } = table;
      for (const sourceOffset of [1, 2, 3]) await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows: [{ n: sourceOffset }] }); // prettier-ignore
      await warehouse.publish(name, await warehouse.version(name), 1_000);
      await optimize(table);
      await warehouse.maintain(name, "expire_snapshots", { retentionMs: 0 });
      const { snapshots, dataFiles } = await warehouse.health(name);
      assert.deepEqual({ snapshots, dataFiles }, { snapshots: 1, dataFiles: 1 });
      await table.ingest({ sourceFile: "f1", sourceOffset: 4, rows: [{ n: 5 }] });
      await warehouse.hold(name, 2_000);
      await optimize(table);
      await warehouse.maintain(name, "expire_snapshots", { retentionMs: 0 });
      const other = await server.open();
      try {
        const { rows } = await other.query(`SELECT n FROM "${name}_trusted" ORDER BY n`, READ_ALL);
        assert.deepEqual(rows, [[1], [2], [3]]);
        assert.deepEqual(await other.published(name), { asOfMs: 1_000, heldBackSinceMs: 2_000 });
      } finally {
        await other.close();
      }
    });

    test("a commit tells how many files the table has", async () => {
      const warehouse = await server.open({ adoptRowsMin: 3 });
      const table = new TestTable(warehouse, columns({ n: "INTEGER" }));
      const told: unknown[] = [];
      for (const [sourceFile, sourceOffset, count] of [
        ["a", 1, 1],
        ["b", 2, 5],
        ["a", 3, 2],
      ] as const) {
        // prettier-ignore
        const rows = Array.from({ length: count }, (_, n): Row => ({ n: n + sourceOffset }));
        const { strategy, files } = await table.ingest({ sourceFile, sourceOffset, rows });
        told.push([strategy, files?.dataFiles, files?.deleteFiles]);
        const { dataFiles, deleteFiles } = await warehouse.health(table.name);
        assert.deepEqual(files, { dataFiles, deleteFiles });
      }
      assert.deepEqual(told.map((one) => (one as unknown[])[0]), ["inline", "adopted", "inline"]); // prettier-ignore
      await warehouse.close();
    });
  });
}
