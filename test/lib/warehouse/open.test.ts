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

test("the clock handed in times the queries out", async () => {
  const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const warehouse = await openWarehouse("duckdb::memory:", { clock });
  const endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1";
  await assert.rejects(warehouse.query(endless, { rowsMax: 1, timeoutMs: 1 }), { code: "QUERY_TIMEOUT" });
  await warehouse.close();
});
