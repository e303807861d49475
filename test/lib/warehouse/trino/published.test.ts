import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrinoClient } from "../../../../lib/warehouse/trino/client/client.ts";
import { viewOf } from "../../../../lib/warehouse/trino/published.ts";

test("the view of an internal table is looked up by a name that every catalog takes", async () => {
  const asked: string[] = [];
  const client = {
    run: async (sql: string) => {
      asked.push(sql);
      return { columns: [], rows: [["CREATE VIEW somebody AS SELECT 1"]] };
    },
  } as unknown as TrinoClient;
  for (const table of ["_ingest_files", "sales"]) assert.equal(await viewOf(client, table), undefined);
  assert.deepEqual(asked, ['SHOW CREATE VIEW "tributary_ingest_files_trusted"', 'SHOW CREATE VIEW "sales_trusted"']);
});
