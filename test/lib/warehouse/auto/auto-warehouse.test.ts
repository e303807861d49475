import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../../lib/errors.ts";
import {
  openAuto,
  type AutoOptions,
  type DirectWarehouse,
  type TrinoEngine,
} from "../../../../lib/warehouse/auto/auto-warehouse.ts";
import type {
  CommitReceipt,
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  Stage,
} from "../../../../lib/warehouse/warehouse.ts";

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

/** Two engines whose steps of maintenance end as given, one after the other. */
async function maintained(results: { direct?: MaintenanceResult[]; trino?: MaintenanceResult[] }) {
  const calls: string[] = [];
  const engine = (name: "direct" | "trino") => ({
    forget: () => void calls.push(`${name}.forget`),
    locationOf: () => Promise.resolve("s3://bucket/ingest_files"),
    ready: () => Promise.resolve(),
    maintain: (_table: string, operation: string, { cursor }: MaintenanceOptions) => {
      calls.push(`${name} ${operation}${cursor === undefined ? "" : ` from ${cursor}`}`);
      return Promise.resolve(results[name]!.shift()!);
    },
  });
  const direct = engine("direct") as unknown as DirectWarehouse;
  const trino = engine("trino") as unknown as TrinoEngine;
  const warehouse = await openAuto(direct, () => Promise.resolve(trino), { fallsBack: true });
  const run = (operation: MaintenanceOperation, cursor?: string) =>
    warehouse.maintain("t", operation, { retentionMs: 0, ...(cursor === undefined ? {} : { cursor }) });
  return { calls, run };
}

const done: MaintenanceResult = { status: "completed", details: "" };

test("a compaction is DuckDB's, whose steps hold up no commit", async () => {
  const { calls, run } = await maintained({ direct: [{ ...done, next: "7 64" }, done] });
  const { next } = await run("optimize");
  assert.equal(next, "7 64");
  assert.deepEqual(await run("optimize", next), done);
  assert.deepEqual(calls, ["direct optimize", "direct optimize from 7 64"]);
});

for (const status of ["not_applicable", "failed"] as const)
  test(`a compaction that is ${status} in DuckDB is Trino's, with all further steps`, async () => {
    const trino: MaintenanceResult[] = [{ ...done, next: "=b" }, { status: "divided", details: "", next: "" }, done];
    const { calls, run } = await maintained({ direct: [{ status, details: "guarded" }], trino });
    const first = await run("optimize", "7 64");
    const second = await run("optimize", first.next);
    assert.equal(second.status, "divided");
    assert.deepEqual(await run("optimize", second.next), done);
    const steps = calls.filter((call) => !call.endsWith(".forget"));
    assert.deepEqual(steps, [
      "direct optimize from 7 64",
      "trino optimize",
      "trino optimize from =b",
      "trino optimize",
    ]);
    assert.deepEqual(calls.slice(1, 4), ["trino.forget", "trino optimize", "direct.forget"]);
  });

test("an interrupted compaction of DuckDB is not repeated by Trino", async () => {
  for (const status of ["divided", "given up"] as const) {
    const { calls, run } = await maintained({ direct: [{ status, details: "" }] });
    assert.equal((await run("optimize")).status, status);
    assert.deepEqual(calls, ["direct optimize"]);
  }
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
