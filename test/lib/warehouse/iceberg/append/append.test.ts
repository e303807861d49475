/** Small commits that DuckDB's Iceberg writer has no part in, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import type { S3Options } from "../../../../../lib/blob/s3/s3-store.ts";
import { systemClock } from "../../../../../lib/clock.ts";
import type { ColumnDefinition } from "../../../../../lib/columns.ts";
import { isRetryable } from "../../../../../lib/errors.ts";
import { retry } from "../../../../../lib/retry.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import type { IcebergDuckdb } from "../../../../support/iceberg-duckdb.ts";
import { checkHistories } from "../../../../support/iceberg-history.ts";
import { lossyProxy } from "../../../../support/lossy-proxy.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, reject, type Row } from "../../../../support/rows.ts";
import { LAYOUTS, TestTable } from "../../../../support/test-table.ts";

const NAME = "iceberg: rows are appended";
const APPEND = LAYOUTS["append"]!;
const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });
const OWN = "iceberg append";

const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());

  async function opened(t: TestContext, options = given!.options, url = given!.url): Promise<Warehouse> {
    const warehouse = await openWarehouse(url, { iceberg: options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  /** Another DuckDB, which reads the tables through the catalog. */
  async function other(t: TestContext): Promise<IcebergDuckdb> {
    const duckdb = await given!.otherDuckdb("READ_ONLY");
    t.after(() => duckdb.close());
    return duckdb;
  }

  /** A warehouse whose requests are counted. */
  async function counted(t: TestContext): Promise<{ warehouse: Warehouse; requests: string[] }> {
    const requests: string[] = [];
    const count = (method: string, path: string): undefined => void requests.push(`${method} ${path}`);
    const { s3, uri } = { s3: given!.options.s3 as S3Options & { endpoint: string }, uri: given!.uri };
    const proxies = { s3: await lossyProxy(s3.endpoint, count), catalog: await lossyProxy(uri, count) };
    t.after(() => Promise.all([proxies.s3.close(), proxies.catalog.close()]));
    const { openBlobStore } = await import("../../../../../lib/blob/open.ts");
    const behind = { ...s3, endpoint: proxies.s3.url };
    const options = { ...given!.options, s3: behind, openBucket: (url: string) => openBlobStore(url, { s3: behind }) };
    return { warehouse: await opened(t, options, given!.urlAt(proxies.catalog.url)), requests };
  }

  const file = (n: number, rows: Row[] = [{ id: n, name: `of ${n}` }]) => ({
    ...{ sourceFile: `f${n}`, sourceOffset: n, rows },
    rejects: n % 3 === 0 ? [reject(4)] : [],
  });

  describe(NAME, () => {
    test("a commit of rows and their records makes seven requests, with rejects ten", async (t) => {
      const { warehouse, requests } = await counted(t);
      const table = new TestTable(warehouse, COLUMNS, APPEND);
      for (const n of [1, 2, 3]) assert.equal((await table.ingest(file(n))).strategy, OWN);
      for (const [n, count] of [
        [4, 7],
        [5, 7],
        [6, 10],
      ] as const) {
        requests.length = 0;
        const receipt = await table.ingest(file(n));
        assert.deepEqual([receipt.rowsInserted, receipt.rowsUpdated, receipt.rowsDeleted], [1, 0, 0]);
        assert.equal(requests.length, count, requests.join("\n"));
      }
      assert.deepEqual((await table.query("SELECT id FROM $t ORDER BY 1")).flat(), [1, 2, 3, 4, 5, 6]);
    });

    test("the records of an upsert go along with its commit", async (t) => {
      const { warehouse, requests } = await counted(t);
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["upsert"]);
      for (const n of [1, 2, 3]) await table.ingest(file(n));
      requests.length = 0;
      const receipt = await table.ingest(
        file(6, [
          { id: 2, name: "changed" },
          { id: 6, name: "new" },
        ]),
      );
      assert.deepEqual([receipt.strategy, receipt.rowsInserted, receipt.rowsUpdated], ["iceberg", 1, 1]);
      const ofLedger = requests.filter((one) => /_ingest_files|_rejected_rows/.test(one));
      assert.deepEqual(
        ofLedger.filter((one) => !one.startsWith("PUT ")),
        [],
        "what this process remembers",
      );
      assert.equal(requests.filter((one) => /^POST .*commit/.test(one)).length, 1);
      const own = `WHERE table_name = '${table.name}' ORDER BY 1`;
      assert.deepEqual((await table.query(`SELECT source_offset FROM _ingest_files ${own}`)).flat(), [1, 2, 3, 6]);
      assert.deepEqual((await table.query(`SELECT source_offset FROM _rejected_rows ${own}`)).flat(), [3, 6]);
      assert.deepEqual(await table.query("SELECT id, name FROM $t ORDER BY 1"), [
        [1, "of 1"],
        [2, "changed"],
        [3, "of 3"],
        [6, "new"],
      ]);
    });

    test("conditions find every value, whatever its column's bounds are", async (t) => {
      const warehouse = await opened(t);
      const types: Record<string, ColumnDefinition["type"]> = {
        ...{ b: "BOOLEAN", i: "INTEGER", l: "BIGINT", d: "DOUBLE", n: "DECIMAL(12,3)", day: "DATE" },
        ...{ at: "TIMESTAMP", zoned: "TIMESTAMP WITH TIME ZONE", "a \"b' c": "VARCHAR" },
      };
      const names = Object.keys(types);
      const table = new TestTable(warehouse, columns(types), APPEND);
      const of = (...values: (string | number | boolean | null)[]): Row =>
        Object.fromEntries(names.map((name, at) => [name, values[at] ?? null]));
      const files: Row[][] = [
        [of(true, -2147483648, "9223372036854775807", -0, "-0.001", "1969-12-31", "1969-12-31 23:59:59.999999", "1960-02-29 00:00:00.000001", "x".repeat(40))],
        [of(false, 7, "-9223372036854775808", 1e300, "999999999.999", "2024-02-29", "2026-01-02 03:04:05", "2026-01-02 03:04:05", "\u{10ffff}".repeat(17)), of()],
        [of(null, 0, 0, -1.5, "0.000", "0001-01-01", "9999-12-31 23:59:59", "0001-01-01 00:00:00", `a\n"'é\u0001`), of(null, 1, 1, 2, "1.280", null, null, null, "")],
        [of(), of()],
      ]; // prettier-ignore
      for (const [n, rows] of files.entries())
        assert.equal((await table.ingest({ ...file(n + 1, rows), rejects: [] })).strategy, OWN);
      const duckdb = await other(t);
      const from = `ice.${given.namespace}."${table.name}"`;
      const count = async (condition: string): Promise<number> =>
        Number((await duckdb.rows(`SELECT count(*) FROM ${from} WHERE ${condition}`))[0]![0]);
      for (const name of names) {
        const cell = `"${name.replaceAll('"', '""')}"`;
        const values = await duckdb.rows(
          `SELECT CAST(${cell} AS VARCHAR), count(*) FROM ${from} WHERE ${cell} IS NOT NULL GROUP BY ALL`,
        );
        assert.ok(values.length > 1, name);
        for (const [value, times] of values) {
          const literal = `CAST('${String(value).replaceAll("'", "''")}' AS ${types[name]})`;
          for (const condition of [`= ${literal}`, `BETWEEN ${literal} AND ${literal}`])
            assert.equal(await count(`${cell} ${condition}`), Number(times), `${cell} ${condition}`);
        }
        assert.equal(await count(`${cell} IS NULL`), 7 - values.reduce((sum, [, times]) => sum + Number(times), 0));
      }
      const [[zero]] = (await duckdb.rows(`SELECT CAST(d AS VARCHAR) FROM ${from} WHERE i = -2147483648`)) as [
        [string],
      ];
      assert.equal(zero, "-0.0");
    });

    test("writers of other tables share the ledger, and lose no record", async (t) => {
      const writers = await Promise.all([1, 2, 3].map(() => opened(t)));
      const tables = writers.map((warehouse) => new TestTable(warehouse, COLUMNS, APPEND));
      for (let n = 1; n <= 4; n++)
        for (const table of tables) assert.equal((await table.ingest(file(n))).strategy, OWN, "one after the other");
      await Promise.all(
        tables.map(async (table) => {
          const attempts = { attemptsMax: 20, backoffMsMin: 50, backoffMsMax: 500, retryable: isRetryable };
          for (let n = 5; n <= 10; n++) await retry(systemClock, attempts, () => table.ingest(file(n)));
        }),
      );
      for (const table of tables) {
        const numbers = Array.from({ length: 10 }, (_, n) => n + 1);
        assert.deepEqual((await table.query("SELECT id FROM $t ORDER BY 1")).flat(), numbers);
        const own = `WHERE table_name = '${table.name}' ORDER BY 1`;
        assert.deepEqual((await table.query(`SELECT source_offset FROM _ingest_files ${own}`)).flat(), numbers);
        assert.deepEqual((await table.query(`SELECT source_offset FROM _rejected_rows ${own}`)).flat(), [3, 6, 9]);
      }
    });

    test("a record that a former writer of the table adds late is there once, in either order", async (t) => {
      const [first, second] = [await opened(t), await opened(t)];
      const table = new TestTable(first, COLUMNS, APPEND);
      const taken = Object.assign(new TestTable(second, COLUMNS), { layout: table.layout });
      const others = new TestTable(second, COLUMNS, APPEND);
      const rowsOnly = async (by: TestTable, n: number) => {
        const versions = await by.files({ ...file(n), rejects: [] });
        await by.commitVersions(versions);
        return versions;
      };
      for (const one of [table, others]) await one.ingest({ ...file(1), rejects: [] });
      const late = await rowsOnly(table, 2);
      // The new writer looks for records; then both write the one that is missing.
      await rowsOnly(taken, 3);
      await table.record(late);
      await taken.record(late);
      const missing = await rowsOnly(taken, 4);
      await rowsOnly(table, 5);
      await table.record(missing);
      await taken.record(missing);
      const own = `WHERE table_name = '${table.name}' ORDER BY 1`;
      assert.deepEqual((await table.query(`SELECT source_offset FROM _ingest_files ${own}`)).flat(), [1, 2, 4]);
    });

    test("what others do to the table in between is seen: columns, compaction, partitions, rows", async (t) => {
      const [warehouse, second] = [await opened(t), await opened(t)];
      const table = new TestTable(warehouse, COLUMNS, APPEND);
      const strategies: string[] = [];
      const ingest = async (n: number, rows?: Row[]): Promise<void> => {
        strategies.push((await table.ingest({ ...file(n, rows), rejects: [] })).strategy);
      };
      for (const n of [1, 2]) await ingest(n);
      assert.equal((await warehouse.maintain(table.name, "optimize", { retentionMs: 0 })).status, "completed");
      await ingest(3);
      assert.equal((await second.maintain(table.name, "optimize", { retentionMs: 0 })).status, "completed");
      await ingest(4);
      table.columns = [...COLUMNS, ...columns({ more: "DOUBLE" })];
      await ingest(5, [{ id: 5, name: "wider", more: 1.5 }]);
      // Somebody else adds a column and widens one, while this writer remembers the table.
      await second.ensureTable(table.layout, [...table.columns, ...columns({ theirs: "VARCHAR" })]);
      await ingest(6, [{ id: 6, name: "narrower", more: 2 }]);
      assert.deepEqual(strategies, [OWN, OWN, OWN, OWN, OWN, OWN]);
      await second.ensureTable({ ...table.layout, partitioning: ["bucket(id, 2)"] }, table.columns);
      await ingest(7, [{ id: 7, name: "partitioned", more: 3 }]);
      assert.equal(strategies.at(-1), "iceberg", "partitions are not written here");
      const duckdb = await other(t);
      const files = await duckdb.rows(`SELECT file_path FROM iceberg_metadata(ice.${given.namespace}.${table.name})`);
      assert.equal(files.filter(([path]) => /id_bucket/.test(String(path))).length, 1);
      assert.deepEqual(await table.query("SELECT id, name, more, theirs FROM $t ORDER BY 1"), [
        ...[1, 2, 3, 4].map((n) => [n, `of ${n}`, null, null]),
        [5, "wider", 1.5, null],
        [6, "narrower", 2, null],
        [7, "partitioned", 3, null],
      ]);
    });

    test("new files of a table that replaces them are appended, until one is replaced", async (t) => {
      const [warehouse, second] = [await opened(t), await opened(t)];
      const table = new TestTable(warehouse, COLUMNS, LAYOUTS["replace"]);
      const strategies: string[] = [];
      const sent = (sourceFile: string, sourceOffset: number, id: number) => ({
        ...{ sourceFile, sourceOffset, rows: [{ id, name: sourceFile }] },
      });
      for (const [n, name] of ["a", "b", "a", "c"].entries())
        strategies.push((await table.ingest(sent(name, n + 1, n + 1))).strategy);
      assert.deepEqual(strategies, [OWN, OWN, "iceberg", OWN]);
      // Another writer takes the table over, and adds the file that this one would take for new.
      const theirs = new TestTable(second, COLUMNS, table.layout);
      assert.equal((await theirs.ingest(sent("d", 5, 5))).strategy, OWN);
      assert.equal((await table.ingest(sent("d", 6, 6))).strategy, "iceberg");
      await table.ingest({ sourceFile: "b", sourceOffset: 7, rows: null });
      assert.equal((await table.ingest(sent("b", 8, 8))).rowsInserted, 1);
      assert.deepEqual(await table.query("SELECT id, name FROM $t ORDER BY 1"), [[3, "a"], [4, "c"], [6, "d"], [8, "b"]]); // prettier-ignore
    });

    test("every snapshot and every file of every table is whole", async (t) => {
      const options = restCatalogGiven(NAME)!.oauth2;
      const place = { catalog: { ...options, warehouse: options.warehouse! }, schema: given.namespace };
      const { wrong } = await checkHistories({ ...place, s3: given.options.s3 as S3Options }, await other(t));
      assert.deepEqual(wrong, []);
    });
  });
}
