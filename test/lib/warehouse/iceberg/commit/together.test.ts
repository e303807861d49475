/** Tables that share a transaction with the ledger, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { systemClock } from "../../../../../lib/clock.ts";
import { isRetryable } from "../../../../../lib/errors.ts";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { TABLES_PROPERTY } from "../../../../../lib/warehouse/iceberg/gate/transactions.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import { retry } from "../../../../../lib/retry.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, reject } from "../../../../support/rows.ts";
import { LAYOUTS, TestTable, type Sent } from "../../../../support/test-table.ts";

const NAME = "iceberg: tables share a transaction with the ledger";
const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });
const FILES = 5;

const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());

  async function opened(t: TestContext): Promise<Warehouse> {
    const warehouse = await openWarehouse(given!.url, { iceberg: given!.options });
    t.after(() => warehouse.close());
    return warehouse;
  }

  const file = (n: number): Sent => ({
    sourceFile: `f${n}`,
    sourceOffset: n,
    rows: [{ id: n, name: "ÄÄÄÄÄÄÄÄÄ of every file" }, { id: 1_000 + n }],
    rejects: n % 2 === 0 ? [reject(4)] : [],
  });

  async function assertWhole(table: TestTable, files: number): Promise<void> {
    const numbers = Array.from({ length: files }, (_, n) => n + 1);
    const own = `WHERE table_name = '${table.name}' ORDER BY 1`;
    assert.deepEqual(await table.query(`SELECT source_offset FROM _ingest_files ${own}`), numbers.map((n) => [n])); // prettier-ignore
    assert.deepEqual(
      await table.query(`SELECT source_offset FROM _rejected_rows ${own}`),
      numbers.filter((n) => n % 2 === 0).map((n) => [n]),
    );
    assert.deepEqual((await table.query("SELECT id FROM $t ORDER BY 1")).flat(), [
      ...numbers,
      ...numbers.map((n) => 1_000 + n),
    ]);
  }

  describe(NAME, () => {
    test("lanes that write at once share transactions; each file is there once", async (t) => {
      const warehouse = await opened(t);
      const layouts = Object.values(LAYOUTS);
      const tables = Array.from(
        { length: 6 },
        (_, n) => new TestTable(warehouse, COLUMNS, layouts[n % layouts.length]),
      );
      await Promise.all(
        tables.map(async (table) => {
          for (let n = 1; n <= FILES; n++) await table.ingest(file(n));
        }),
      );
      for (const table of tables) await assertWhole(table, FILES);
      const catalog = await openRestCatalog(restCatalogGiven(NAME)!.oauth2);
      const sizes: number[] = [];
      for (const { name } of tables) {
        const { metadata } = await catalog.loadTable({ namespace: [given.namespace], name });
        for (const { summary } of metadata.snapshots)
          sizes.push((JSON.parse(summary.get(TABLES_PROPERTY) ?? "[]") as unknown[]).length);
      }
      catalog.close();
      assert.ok(Math.max(...sizes) > 3, `transactions had ${Math.max(...sizes)} tables at most`);
    });

    test("a table that somebody else has changed does not hold up the others", async (t) => {
      const warehouse = await opened(t);
      const tables = Array.from({ length: 3 }, () => new TestTable(warehouse, COLUMNS, LAYOUTS["append"]));
      for (const table of tables) for (const n of [1, 2]) await table.ingest(file(n));
      const [changed] = tables;
      const rival = Object.assign(new TestTable(await opened(t), COLUMNS), { layout: changed!.layout });
      await rival.ingest(file(3));
      await Promise.all(tables.map((table) => table.ingest(file(table === changed ? 4 : 3))));
      await assertWhole(changed!, 4);
      for (const table of tables.slice(1)) await assertWhole(table, 3);
    });

    test("two processes that write the ledger at once lose no record and double none", async (t) => {
      const tables: TestTable[] = [];
      for (let n = 0; n < 2; n++) tables.push(new TestTable(await opened(t), COLUMNS, LAYOUTS["append"]));
      await Promise.all(
        tables.map(async (table) => {
          // As the committer does.
          const attempts = { attemptsMax: 20, backoffMsMin: 50, backoffMsMax: 500, retryable: isRetryable };
          for (let n = 1; n <= FILES; n++) await retry(systemClock, attempts, () => table.ingest(file(n)));
        }),
      );
      for (const table of tables) await assertWhole(table, FILES);
    });
  });
}
