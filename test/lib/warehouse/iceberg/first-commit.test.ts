/** Reads that begin before a table's first commit, on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../lib/warehouse/warehouse.ts";
import { lossyProxy, type Loss } from "../../../support/lossy-proxy.ts";
import { icebergGiven } from "../../../support/rest-catalog/given.ts";
import { columns } from "../../../support/rows.ts";
import { TestTable } from "../../../support/test-table.ts";

/** Requests for a table that reads of it send: of the port, of DuckDB for a view, of DuckDB for the query. */
const REQUESTS_MAX = 4;

const given = icebergGiven("iceberg: a table's first commit");
if (given)
  describe("iceberg: a table's first commit", () => {
    after(() => given.drop());

    async function opened(t: TestContext, uri?: string): Promise<Warehouse> {
      const warehouse = await openWarehouse(given!.urlAt(uri), { iceberg: given!.options });
      t.after(() => warehouse.close());
      return warehouse;
    }

    /** A warehouse whose `n`th request for a table, counted from `arm`, reaches the catalog after `commit`. */
    async function overtaken(t: TestContext, n: number, table: string, commit: () => Promise<unknown>) {
      let count = Infinity;
      const lossOf = (method: string, path: string): Loss | undefined => {
        if (method !== "GET" || !path.includes(`/tables/${table}`)) return undefined;
        count += 1;
        return count === n ? { until: commit() } : undefined;
      };
      const proxy = await lossyProxy(given!.uri, lossOf);
      t.after(() => proxy.close());
      const arm = (): void => void (count = 0);
      return { warehouse: await opened(t, proxy.url), arm, requests: () => count };
    }

    for (let n = 1; n <= REQUESTS_MAX; n++)
      test(`a query whose request ${n} it overtakes reads all rows or none`, async (t) => {
        const table = new TestTable(await opened(t), columns({ id: "BIGINT" }));
        await table.warehouse.ensureTable(table.layout, table.columns);
        const commit = () => table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }, { id: 2 }] });
        const { warehouse, arm, requests } = await overtaken(t, n, table.name, commit);
        const reader = Object.assign(new TestTable(warehouse, table.columns), { layout: table.layout });
        arm();
        const [[count] = []] = await reader.query("SELECT count(*) FROM $t");
        if (requests() >= n) assert.ok(count === 0 || count === 2, String(count));
        else assert.ok(n > 2, `a query sends ${requests()} requests`);
      });
  });
