import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommitContext } from "../../../../lib/warehouse/trino/commit/context.ts";
import { TrinoLedger } from "../../../../lib/warehouse/trino/ledger.ts";
import { fileVersion, outcomeOf } from "../../../support/rows.ts";
import { FakeWarehouse } from "../../../support/fake-warehouse.ts";

test("a call that follows the answer of the one before at once is answered, too", { timeout: 5_000 }, async () => {
  const statements: string[] = [];
  const context = {
    client: {
      run: (sql: string) => {
        statements.push(sql);
        return Promise.resolve({ rows: [], updateCount: 1, queryId: "q" });
      },
    },
    clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() },
    tables: { ensureInternal: () => Promise.resolve() },
    recordedOffsets: { written: () => undefined },
  };
  const ledger = new TrinoLedger(context as unknown as CommitContext);
  const ended = outcomeOf(
    await fileVersion(new FakeWarehouse(), "t", { sourceFile: "a", sourceOffset: 1, columns: [], rows: null }),
  );
  for (let n = 0; n < 3; n++) await ledger.record("t", [ended], 0);
  assert.equal(statements.filter((sql) => sql.startsWith("MERGE")).length, 3);
});
