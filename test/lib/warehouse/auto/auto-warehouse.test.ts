import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../../lib/errors.ts";
import {
  openAuto,
  type AutoOptions,
  type DirectWarehouse,
  type TrinoEngine,
} from "../../../../lib/warehouse/auto/auto-warehouse.ts";
import type { CommitReceipt, Stage } from "../../../../lib/warehouse/warehouse.ts";

const RECEIPT: CommitReceipt = { snapshotId: "1", strategy: "staged", rowsInserted: 1, rowsUpdated: 0, rowsDeleted: 0 };

/** Two engines whose commits fail as given. `calls` names what was called. */
async function opened(failures: { direct?: Error; trino?: Error }, options: Partial<AutoOptions> = {}) {
  const calls: string[] = [];
  const committing = (name: "direct" | "trino") => {
    calls.push(`${name}.commit`);
    const failure = failures[name];
    return failure === undefined ? Promise.resolve(RECEIPT) : Promise.reject(failure);
  };
  const shared = (name: "direct" | "trino") => ({
    forget: () => void calls.push(`${name}.forget`),
    locationOf: () => Promise.resolve("s3://bucket/ingest_files"),
    ready: () => Promise.resolve(),
    close: () => Promise.resolve(void calls.push(`${name}.close`)),
    commit: () => committing(name),
  });
  const guardOf = (thrown: unknown) => ((thrown as TributaryError).code === "WAREHOUSE_LIMIT" ? "memory" : undefined);
  const own = { discard: () => Promise.resolve(void calls.push("discard")) } as Stage;
  const direct = { ...shared("direct"), guardOf } as unknown as DirectWarehouse;
  const trino = { ...shared("trino"), stageFrom: () => Promise.resolve(own) } as unknown as TrinoEngine;
  const warehouse = await openAuto(direct, () => Promise.resolve(trino), { fallsBack: true, ...options });
  const layout = { table: "t", mode: "append", key: [], deleteMissing: false, partitioning: [] } as const;
  const file = { fileId: "1", sourceFile: "f", sourceOffset: 1, columns: [], stage: {} as Stage };
  return { calls, commit: () => warehouse.commit({ layout, files: [file] }) };
}

const limit = (retryable: boolean) => new TributaryError("WAREHOUSE_LIMIT", "out of memory", { retryable });

test("a guard: Trino commits on what the table is now, and DuckDB's writer looks again", async () => {
  const fallbacks: unknown[] = [];
  const { calls, commit } = await opened({ direct: limit(true) }, { onFallback: (one) => fallbacks.push(one) });
  assert.equal((await commit()).strategy, "trino staged");
  assert.deepEqual(calls, ["direct.commit", "trino.forget", "trino.commit", "discard", "direct.forget"]);
  assert.deepEqual(fallbacks, [{ table: "t", guard: "memory", message: "out of memory" }]);
});

test("no guard, or no fallback wanted: the error as it is", async () => {
  const conflict = new TributaryError("WAREHOUSE_CONFLICT", "changed");
  const other = await opened({ direct: conflict });
  await assert.rejects(other.commit(), conflict);
  assert.deepEqual(other.calls, ["direct.commit"]);
  const alone = await opened({ direct: limit(true) }, { fallsBack: false });
  await assert.rejects(alone.commit(), { code: "WAREHOUSE_LIMIT" });
  assert.deepEqual(alone.calls, ["direct.commit"]);
});

test("what Trino refuses too is the guard's error if the file is at fault; else Trino's error, and both forget", async () => {
  const refused = new TributaryError("WAREHOUSE_REFUSED", "403");
  const final = await opened({ direct: limit(false), trino: refused });
  await assert.rejects(final.commit(), { code: "WAREHOUSE_LIMIT", message: "out of memory" });
  const waits = await opened({ direct: limit(true), trino: refused });
  await assert.rejects(waits.commit(), refused);
  const away = await opened({ direct: limit(false), trino: new TributaryError("WAREHOUSE_UNAVAILABLE", "away") });
  await assert.rejects(away.commit(), { code: "WAREHOUSE_UNAVAILABLE" });
  for (const { calls } of [final, waits, away]) assert.deepEqual(calls.slice(-2), ["discard", "direct.forget"]);
});

test("another catalog of Trino, or no Trino: nothing stays open", async () => {
  const closed: string[] = [];
  const engine = (name: string, location: string | undefined) => ({
    url: "trino://t",
    locationOf: () => Promise.resolve(location),
    ready: () => (location === "away" ? Promise.reject(new Error("away")) : Promise.resolve()),
    close: () => Promise.resolve(void closed.push(name)),
  });
  const direct = engine("direct", "s3://a") as unknown as DirectWarehouse;
  for (const location of ["s3://b", undefined]) {
    const trino = engine("trino", location) as unknown as TrinoEngine;
    await assert.rejects(
      openAuto(direct, () => Promise.resolve(trino), { fallsBack: true }),
      {
        code: "CONFIG_INVALID",
      },
    );
  }
  const away = engine("trino", "away") as unknown as TrinoEngine;
  await assert.rejects(
    openAuto(direct, () => Promise.resolve(away), { fallsBack: true }),
    /away/,
  );
  assert.deepEqual(closed, ["trino", "direct", "trino", "direct", "trino", "direct"]);
});
