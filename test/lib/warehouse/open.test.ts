import assert from "node:assert/strict";
import { test } from "node:test";
import { openWarehouse } from "../../../lib/warehouse/open.ts";

test("an unknown scheme is refused, naming those that are known", async () => {
  for (const url of ["", "duckdb", "postgres://x", "/some/file.duckdb"]) {
    await assert.rejects(openWarehouse(url), (error: Error & { code?: string }) => {
      assert.equal(error.code, "URL_SCHEME_UNKNOWN");
      assert.match(error.message, /duckdb:.*trino:/);
      return true;
    });
  }
});

test("a commit engine needs what it writes to", async () => {
  const misplaced = [
    ["trino://t:1/ice", "iceberg", /needs a REST catalog: set TRIBUTARY_REST_CATALOG_URI/],
    ["iceberg:", "trino", /needs a Trino: name it in TRIBUTARY_WAREHOUSE_URL/],
  ] as const;
  for (const [url, engine, message] of misplaced) {
    await assert.rejects(openWarehouse(url, { engine }), { code: "CONFIG_INVALID", message });
  }
  const iceberg = { catalog: { uri: "http://127.0.0.1:1", warehouse: "w" } };
  await assert.rejects(openWarehouse("trino://t:1/ice", { iceberg }), { message: /DuckDB's extension files/ });
});

test("the clock handed in times the queries out", async () => {
  const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const warehouse = await openWarehouse("duckdb::memory:", { clock });
  const endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1";
  await assert.rejects(warehouse.query(endless, { rowsMax: 1, timeoutMs: 1 }), { code: "QUERY_TIMEOUT" });
  await warehouse.close();
});
