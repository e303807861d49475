import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ColumnDefinition } from "../../lib/columns.ts";
import type { MaintenanceOperation, Warehouse } from "../../lib/warehouse/warehouse.ts";
import { columns, type Row } from "../support/rows.ts";
import { LAYOUTS, READ_ALL, TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const OPERATIONS = ["optimize", "expire_snapshots", "remove_orphan_files"] as const;

/** What a relation shows: its columns, and its rows in no order. */
interface Shown {
  columns: unknown[];
  rows: string[];
}

/** @param relation a table, or what is made of one */
async function shownBy(warehouse: Warehouse, relation: string): Promise<Shown> {
  const { columns: seen, rows } = await warehouse.query(`SELECT * FROM "${relation}"`, READ_ALL);
  return { columns: seen, rows: rows.map((row) => JSON.stringify(row)).toSorted() };
}

const trustedBy = (table: TestTable): Promise<Shown> => shownBy(table.warehouse, `${table.name}_trusted`);

/** As after checks that pass. */
async function trustNow(table: TestTable, atMs: number): Promise<Shown> {
  const { warehouse, name } = table;
  assert.equal(await warehouse.publish(name, await warehouse.version(name), atMs), true);
  return shownBy(warehouse, name);
}

/** Every snapshot may go that nothing needs. */
const maintain = (table: TestTable, operation: MaintenanceOperation) =>
  table.warehouse.maintain(table.name, operation, { retentionMs: 0 });

const T1 = Date.UTC(2024, 0, 1);
const [T2, T3, T4] = [T1 + 1_000, T1 + 2_000, T1 + 3_000];

/** version, trust, holdBack, trusted: what a table that is gated shows. */
export function trustedContract(opened: Opened): void {
  const tableOf = (definitions: readonly ColumnDefinition[], layout = {}): TestTable =>
    new TestTable(opened.warehouse, definitions, layout);

  describe("trusted data", () => {
    test("before the first pass it is empty, not missing, and has the table's columns", async () => {
      const table = tableOf(columns({ id: "INTEGER", money: "DECIMAL(5,2)", at: "TIMESTAMP WITH TIME ZONE" }));
      const { warehouse, name } = table;
      assert.equal(await warehouse.published(name), undefined);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      await warehouse.hold(name, null);
      assert.deepEqual(await warehouse.published(name), { asOfMs: null, heldBackSinceMs: null });
      const { columns: seen } = await shownBy(warehouse, name);
      assert.deepEqual(await trustedBy(table), { columns: seen, rows: [] });
      assert.ok(!(await warehouse.tables()).includes(`${name}_trusted`), "it is no table");

      const wider = columns({ id: "BIGINT", money: "DECIMAL(9,2)", more: "VARCHAR" });
      await table.ingest({ sourceFile: "b", sourceOffset: 2, columns: wider, rows: [{ id: 2 }] });
      assert.deepEqual((await trustedBy(table)).rows, []);
      await warehouse.hold(name, T1);
      const { columns: now } = await shownBy(warehouse, name);
      assert.deepEqual(await trustedBy(table), { columns: now, rows: [] });
      assert.deepEqual(await warehouse.published(name), { asOfMs: null, heldBackSinceMs: T1 });
    });

    test("it stays what it was, whatever becomes of the table, until the next pass", async () => {
      const table = tableOf(columns({ id: "INTEGER", money: "DECIMAL(5,2)", text: "VARCHAR" }));
      const { warehouse, name } = table;
      const row = (id: number, text = `text ${id}`): Row => ({ id, money: `${id}.50`, text });
      await table.ingest(
        { sourceFile: "a", sourceOffset: 1, rows: [row(1), row(2), row(3)] },
        { sourceFile: "b", sourceOffset: 2, rows: [row(4), row(5)] },
      );
      const then = await trustNow(table, T1);
      const unchanged = async (what: string): Promise<void> =>
        assert.deepEqual(await trustedBy(table), then, `changed after ${what}`);
      await unchanged("the pass itself");

      await table.ingest({ sourceFile: "a", sourceOffset: 3, rows: [row(1), row(2, "other")] });
      await unchanged("an update and a deleted row");
      await table.ingest({ sourceFile: "b", sourceOffset: 4, rows: null });
      await unchanged("a deleted file");
      const wider = columns({ id: "BIGINT", money: "DECIMAL(20,2)", text: "VARCHAR", more: "DATE" });
      const grown = { id: 2n ** 40n, money: "123456789012.25", text: "x", more: "2024-02-29" };
      await table.ingest({ sourceFile: "c", sourceOffset: 5, columns: wider, rows: [grown] });
      await unchanged("new and wider columns");
      await table.ingest({ sourceFile: "a", sourceOffset: 6, rows: [row(1), row(2), row(3)] });
      await unchanged("a replay of the old rows");
      await warehouse.hold(name, T2);
      for (const operation of OPERATIONS) {
        await maintain(table, operation);
        await unchanged(operation);
      }
      assert.deepEqual(await trustNow(table, T3), await trustedBy(table));
    });

    test("a table that has its name is noticed, and stays as it is", async () => {
      const table = tableOf(columns({ id: "INTEGER" }));
      const { warehouse, name, layout } = table;
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      await warehouse.ensureTable({ ...layout, table: `${name}_trusted` }, columns({ other: "VARCHAR" }));
      const taken = { code: "TRUSTED_NAME_TAKEN", message: new RegExp(`'${name}_trusted' is a table`) };
      await assert.rejects(warehouse.hold(name, null), taken);
      await assert.rejects(warehouse.publish(name, await warehouse.version(name), T1), taken);
      await assert.rejects(warehouse.published(name), taken);
      await warehouse.withdraw(name);
      await maintain(table, "optimize");
      const { columns: seen } = await trustedBy(table);
      assert.equal((seen[0] as { name: string }).name, "other");
    });

    test("withdrawn it is gone, and its name is free", async () => {
      const table = tableOf(columns({ id: "INTEGER" }));
      const { warehouse, name, layout } = table;
      await warehouse.withdraw(name);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      await trustNow(table, T1);
      await warehouse.withdraw(name);
      assert.equal(await warehouse.published(name), undefined);
      await assert.rejects(trustedBy(table), { code: "QUERY_FAILED" });
      await trustNow(table, T2);
      assert.equal((await trustedBy(table)).rows.length, 1, "a gate again");
      await warehouse.withdraw(name);
      await warehouse.ensureTable({ ...layout, table: `${name}_trusted` }, table.columns);
    });

    test("held back since the first of the runs that did not pass; a pass ends that", async () => {
      const table = tableOf(columns({ id: "INTEGER" }));
      const { warehouse, name } = table;
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      await trustNow(table, T1);
      for (const sinceMs of [T2, T3]) await warehouse.hold(name, sinceMs);
      assert.deepEqual(await warehouse.published(name), { asOfMs: T1, heldBackSinceMs: T2 });
      await trustNow(table, T4);
      assert.deepEqual(await warehouse.published(name), { asOfMs: T4, heldBackSinceMs: null });
    });

    test("a column that came after the rows is there, empty", async () => {
      const table = tableOf(columns({ id: "INTEGER" }));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      await table.warehouse.ensureTable(table.layout, columns({ id: "BIGINT", more: "DATE" }));
      assert.deepEqual(await trustNow(table, T1), await trustedBy(table));
    });

    test("a condition on a column that the table has widened since", async () => {
      const table = tableOf(columns({ id: "INTEGER" }));
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }, { id: 2 }] });
      await trustNow(table, T1);
      await table.warehouse.ensureTable(table.layout, columns({ id: "BIGINT" }));
      const { rows } = await table.warehouse.query(`SELECT id FROM "${table.name}_trusted" WHERE id > 1`, READ_ALL);
      assert.deepEqual(rows, [[2]]);
    });

    test("it keeps its columns if the table gets others and is then optimized", async () => {
      const table = tableOf(columns({ id: "INTEGER", money: "DECIMAL(5,2)" }));
      const { warehouse, layout } = table;
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, money: "1.50" }] });
      await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [{ id: 2, money: "2.50" }] });
      const then = await trustNow(table, T1);
      await warehouse.ensureTable(layout, columns({ id: "BIGINT", money: "DECIMAL(9,2)", more: "VARCHAR" }));
      await maintain(table, "optimize");
      assert.deepEqual(await trustedBy(table), then);
    });

    test("what was checked at another version is not trusted", async (t) => {
      if (!opened.warehouse.supports.snapshots) return t.skip("nobody but the one writer can change such a table");
      const table = tableOf(columns({ id: "INTEGER" }));
      const { warehouse, name } = table;
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      const then = await trustNow(table, T1);
      const version = await warehouse.version(name);
      await table.ingest({ sourceFile: "a", sourceOffset: 2, rows: [{ id: 2 }] });
      assert.equal(await warehouse.publish(name, version, T2), false);
      assert.deepEqual(await trustedBy(table), then);
      assert.deepEqual(await warehouse.published(name), { asOfMs: T1, heldBackSinceMs: null });
    });

    test("readers see the old state or the new one, at every moment", async () => {
      const table = tableOf(columns({ id: "INTEGER", text: "VARCHAR" }));
      const { warehouse, name } = table;
      const rows = (text: string, count: number): Row[] => Array.from({ length: count }, (_, id) => ({ id, text }));
      await table.ingest({ sourceFile: "f", sourceOffset: 1, rows: rows("state 1", 101) });
      await trustNow(table, T1);
      const seen = new Set<string>();
      let reading = true;
      const reader = (async () => {
        while (reading) {
          const sql = `SELECT count(*), min(text), max(text) FROM "${name}_trusted"`;
          seen.add(JSON.stringify((await warehouse.query(sql, READ_ALL)).rows));
        }
      })();
      for (let n = 2; n <= 4; n++) {
        await table.ingest({ sourceFile: "f", sourceOffset: n, rows: rows(`state ${n}`, 100 + n) });
        await trustNow(table, T1 + n);
      }
      reading = false;
      await reader;
      const states = [1, 2, 3, 4].map((n) => JSON.stringify([[100 + n, `state ${n}`, `state ${n}`]]));
      assert.deepEqual(
        [...seen].filter((one) => !states.includes(one)),
        [],
      );
      assert.ok(seen.has(states[0]!) || seen.size > 1, "the reader read while it changed");
    });

    for (const [mode, layout] of Object.entries(LAYOUTS)) {
      test(`${mode}: any history`, async () => {
        const property = fc.asyncProperty(history, async (steps) => {
          await followed(tableOf(columns({ id: "INTEGER", name: "VARCHAR" }), layout), steps);
        });
        const numRuns = Math.ceil(opened.subject.histories / 2);
        await fc.assert(property, { numRuns, endOnFailure: opened.subject.histories < 20 });
      });
    }
  });
}

interface Step {
  files: { sourceFile: string; rows: [number, string][] | null }[];
  wider: boolean;
  maintenance: MaintenanceOperation | undefined;
  verdict: "pass" | "fail" | undefined;
}

const history: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    files: fc.array(
      fc.record({
        sourceFile: fc.constantFrom("a", "b"),
        rows: fc.option(fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom("x", "y"))), { freq: 8 }),
      }),
      { maxLength: 2 },
    ),
    wider: fc.boolean(),
    maintenance: fc.constantFrom(undefined, ...OPERATIONS),
    verdict: fc.constantFrom(undefined, "pass" as const, "fail" as const),
  }),
  { minLength: 2, maxLength: 6 },
);

/** Goes through a history; after each step the trusted relation must show the table as of the last pass. */
async function followed(table: TestTable, steps: readonly Step[]): Promise<void> {
  const { warehouse, name } = table;
  await warehouse.ensureTable(table.layout, table.columns);
  await warehouse.hold(name, null);
  let expected: Shown | undefined;
  let offset = 0;
  for (const { files, wider, maintenance, verdict } of steps) {
    const definitions = wider ? columns({ id: "BIGINT", more: "DATE", name: "VARCHAR" }) : table.columns;
    for (const { sourceFile, rows } of files) {
      const plain = rows && [...new Map(rows).entries()].map(([id, text]): Row => ({ id, name: text }));
      await table.ingest({ sourceFile, sourceOffset: ++offset, columns: definitions, rows: plain });
    }
    if (verdict === "pass") expected = await trustNow(table, offset);
    if (verdict === "fail") await warehouse.hold(name, offset);
    if (maintenance) await maintain(table, maintenance);
    const shown = await trustedBy(table);
    if (expected) assert.deepEqual(shown, expected);
    else assert.deepEqual(shown.rows, []);
  }
}
