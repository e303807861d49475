/**
 * Upserts of more keys than DuckDB looks for by default, into files and row groups that it may skip: the
 * table must be what the same rows make without any files, before and after they are sorted. On the real
 * catalog that the environment names.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";
import type { ColumnType } from "../../../../../lib/columns.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import { icebergGiven } from "../../../../support/rest-catalog/given.ts";
import { seededRandom } from "../../../../support/random.ts";
import { columns, type Cell } from "../../../../support/rows.ts";
import { TestTable } from "../../../../support/test-table.ts";

interface Keys {
  types: Readonly<Record<string, ColumnType>>;
  /** Of the first file, if later ones widen the columns. */
  narrow?: Readonly<Record<string, ColumnType>>;
  /** The key of a number, different for each. */
  of: (n: number) => Readonly<Record<string, Cell>>;
}

const LONG_AGO_MS = Date.UTC(1950, 0, 1);
const DAY_MS = 86_400_000;
const isoOf = (ms: number): string => new Date(LONG_AGO_MS + ms).toISOString().replace("Z", "");

const KEYS: Readonly<Record<string, Keys>> = {
  "texts with one beginning": { types: { k: "VARCHAR" }, of: (n) => ({ k: `customer-${n}` }) },
  "texts of any script": {
    types: { k: "VARCHAR" },
    of: (n) => ({ k: n === 0 ? "" : `${["a", "A", " a", "a ", "ä", "ß", "\u{1f600}", "\u{ffff}"][n % 8]}${n >> 3}` }),
  },
  integers: { types: { k: "INTEGER" }, of: (n) => ({ k: (n % 2 === 0 ? 1 : -1) * (2_147_483_647 - n) }) },
  longs: { types: { k: "BIGINT" }, of: (n) => ({ k: (n % 2 === 0 ? 1n : -1n) * (2n ** 63n - 1n - BigInt(n)) }) },
  "widened integers": { types: { k: "BIGINT" }, narrow: { k: "INTEGER" }, of: (n) => ({ k: n * 7 }) },
  doubles: {
    types: { k: "DOUBLE" },
    of: (n) => ({ k: [NaN, 0, Infinity, -Infinity, 5e-324][n] ?? (n % 2 === 0 ? n : -n) * 1.25 }),
  },
  decimals: { types: { k: "DECIMAL(12,2)" }, of: (n) => ({ k: `${n % 2 === 0 ? "-" : ""}${n + 1}.25` }) },
  "long decimals": { types: { k: "DECIMAL(38,2)" }, of: (n) => ({ k: `${n + 1}00000000000000000000000.25` }) },
  "widened decimals": {
    types: { k: "DECIMAL(12,2)" },
    narrow: { k: "DECIMAL(7,2)" },
    of: (n) => ({ k: `${n}.75` }),
  },
  dates: { types: { k: "DATE" }, of: (n) => ({ k: isoOf(n * DAY_MS).slice(0, 10) }) },
  times: { types: { k: "TIMESTAMP" }, of: (n) => ({ k: isoOf(n * 3_333_333) }) },
  "two columns, the first with few values": {
    types: { shop: "VARCHAR", k: "BIGINT" },
    of: (n) => ({ shop: `shop ${n % 5}`, k: n }),
  },
  "two columns that only together are unique": {
    types: { day: "DATE", flag: "BOOLEAN" },
    of: (n) => ({ day: isoOf((n >> 1) * DAY_MS).slice(0, 10), flag: n % 2 === 1 }),
  },
};

/** More than a row group has. */
const ROWS = 12_000;
const SEED = 20261129;

const given = icebergGiven("iceberg: upserts into files that are skipped");
if (given) {
  after(() => given.drop());
  for (const [name, { types, narrow, of }] of Object.entries(KEYS)) {
    test(`keys that are ${name}: a row is updated once or inserted once`, async (t) => {
      const warehouse = await openWarehouse(given.url, { iceberg: given.options });
      t.after(() => warehouse.close());
      const wide = columns({ ...types, n: "INTEGER", version: "INTEGER" });
      const table = new TestTable(warehouse, wide, { mode: "upsert", key: Object.keys(types) });
      const random = seededRandom(SEED);
      const held = new Map<number, number>();
      let sourceOffset = 0;

      async function send(numbers: readonly number[], as = wide): Promise<void> {
        sourceOffset += 1;
        const version = sourceOffset;
        const rows = numbers.map((n) => ({ ...cellsOf(n, version), n, version }));
        await table.ingest({ sourceFile: `f${version}`, sourceOffset, rows, columns: as });
        for (const n of numbers) held.set(n, version);
      }
      /** Zero has two signs. */
      const cellsOf = (n: number, version: number) => {
        const cells = of(n);
        return cells["k"] === 0 && types["k"] === "DOUBLE" && version % 2 === 0 ? { ...cells, k: -0 } : cells;
      };
      const some = (count: number): number[] =>
        [...new Set([0, 1, 2, 3, 4, ...Array.from({ length: count }, () => Math.floor(random() * ROWS * 1.1))])].sort(
          () => random() - 0.5,
        );
      async function check(): Promise<void> {
        const found = await table.query("SELECT n, version FROM $t ORDER BY n");
        const expected = [...held].sort(([a], [b]) => a - b);
        assert.equal(JSON.stringify(found), JSON.stringify(expected));
      }

      const half = Array.from({ length: ROWS }, (_, n) => n);
      await send(half, columns({ ...(narrow ?? types), n: "INTEGER", version: "INTEGER" }));
      await send(some(60));
      await send(some(400));
      await check();
      assert.equal((await warehouse.maintain(table.name, "optimize", { retentionMs: 0 })).status, "completed");
      await send(some(60));
      await send([ROWS * 2]);
      await send(some(900));
      await check();
    });
  }

  test("a key with NaN is found in files whose bounds leave NaN out", async (t) => {
    const warehouse = await openWarehouse(given.url, { iceberg: given.options });
    t.after(() => warehouse.close());
    const table = new TestTable(warehouse, columns({ shop: "VARCHAR", k: "DOUBLE", n: "BIGINT" }), {
      ...{ mode: "upsert", key: ["shop", "k"] },
    });
    const send = (sourceOffset: number, ...rows: [shop: string, k: number][]): Promise<unknown> =>
      table.ingest({
        ...{ sourceFile: `f${sourceOffset}`, sourceOffset },
        rows: rows.map(([shop, k]) => ({ shop, k, n: sourceOffset })),
      });
    await send(1, ["a", 1], ["a", NaN], ["b", 2], ["c", NaN]);
    await send(2, ["a", NaN]);
    assert.equal((await warehouse.maintain(table.name, "optimize", { retentionMs: 0 })).status, "completed");
    await send(3, ["c", NaN]);
    const found = await table.query("SELECT shop, CAST(k AS VARCHAR), n FROM $t ORDER BY 1, 2");
    assert.deepEqual(found, [["a", "1.0", 1], ["a", "nan", 2], ["b", "2.0", 1], ["c", "nan", 3]]); // prettier-ignore
  });

  test("a compaction sorts by key, in row groups that share no key", async (t) => {
    const warehouse = await openWarehouse(given.url, { iceberg: given.options });
    t.after(() => warehouse.close());
    const table = new TestTable(warehouse, columns({ k: "VARCHAR" }), { mode: "upsert", key: ["k"] });
    for (const sourceOffset of [1, 2]) {
      const rows = Array.from({ length: ROWS }, (_, n) => ({ k: hashed(`${sourceOffset} ${n}`) }));
      await table.ingest({ sourceFile: `f${sourceOffset}`, sourceOffset, rows });
    }
    assert.equal((await warehouse.maintain(table.name, "optimize", { retentionMs: 0 })).status, "completed");
    const groups = await rowGroupsOf(table.name);
    assert.ok(groups.length >= 3, `${groups.length} row groups of at most 10,240 rows`);
    for (const [at, [smallest]] of groups.entries())
      if (at > 0) assert.ok(String(smallest) > String(groups[at - 1]![1]), "row groups overlap");
  });

  /** The smallest and the largest key of each row group, in order. */
  async function rowGroupsOf(table: string): Promise<unknown[][]> {
    const engine = await given!.otherDuckdb();
    try {
      const from = `iceberg_metadata(ice.${given!.namespace}.${table})`;
      const files = await engine.rows(`SELECT file_path FROM ${from} WHERE status <> 'DELETED'`);
      const paths = files.map(([path]) => `'${String(path)}'`).join(", ");
      return await engine.rows(
        `SELECT stats_min_value, stats_max_value FROM parquet_metadata([${paths}]) ` +
          `WHERE path_in_schema = 'k' ORDER BY stats_min_value`,
      );
    } finally {
      engine.close();
    }
  }
}

const hashed = (text: string): string => createHash("md5").update(text).digest("hex");
