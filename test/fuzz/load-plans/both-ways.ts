/** Reads a file row by row and by a load plan, and compares what a table would hold after each. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { AUDIT_COLUMNS } from "../../../lib/columns.ts";
import { hasCode } from "../../../lib/errors.ts";
import type { LoadPlan } from "../../../lib/messages/generated.ts";
import type { PlannedRows } from "../../../lib/parsing/output/load-planner.ts";
import { compressionOf } from "../../../lib/text/decompress.ts";
import { StagedRows, type StagedPart, type StagingDatabase } from "../../../lib/warehouse/duckdb-engine/stage.ts";
import { rowsSelect } from "../../../lib/warehouse/duckdb-engine/statements.ts";
import { PlanLoader } from "../../../lib/warehouse/staging/plan-loader.ts";
import { plannedColumns } from "../../../lib/warehouse/staging/planned-rows.ts";
import { identifier, type SqlColumn } from "../../../lib/warehouse/sql/sql.ts";
import { jobOf, ORIGIN, read, readBothWays, type Given, type Reading } from "./readings.ts";

/**
 * How the file loads: by its plan, row by row because of what the parser found (before it read the rows, or
 * in them), or row by row because DuckDB did not execute the plan. `failed`: not at all.
 */
export interface Way {
  way: "planned" | "not asked" | "irregular" | "refused" | "failed";
  because: string;
  /** Rows of the plan that were taken at once, without reading value by value. */
  atOnce: number;
}

/** The databases that hold the rows of both ways. Close it after use. */
export class BothWays implements StagingDatabase {
  readonly #folder = mkdtempSync(join(tmpdir(), "tributary-both-ways-"));
  readonly plans = new PlanLoader(join(this.#folder, "plans"));
  #opened: Promise<{ instance: DuckDBInstance; connection: DuckDBConnection }> | undefined;
  #names = 0;

  async run(sql: string): Promise<void> {
    await (await this.#connected()).connection.run(sql);
  }

  stagingName(): string {
    return `staged_${++this.#names}`;
  }

  async appenderConnection(): Promise<DuckDBConnection> {
    return (await this.#connected()).instance.connect();
  }

  /** @throws AssertionError for a difference */
  async compare(given: Given): Promise<Way> {
    const job = jobOf(given);
    const byRows = await read(given.bytes, job, false);
    const { reading: byPlan, atOnce } = await readBothWays(given.bytes, job);
    assert.deepEqual(byPlan.rejects, byRows.rejects, "the same rejects");
    const { planObstacle, ...summary } = byPlan.summary;
    assert.deepEqual(summary, byRows.summary, "the same summary");
    if (byRows.summary.outcome === "failed") return { way: "failed", because: byRows.summary.error!.code, atOnce };
    if (!byPlan.plan) {
      assert.deepEqual(byPlan.batches, byRows.batches, "the same rows");
      assert.ok(byPlan.irregular ?? planObstacle, "a reason why there is no plan");
      return byPlan.irregular === undefined
        ? { way: "not asked", because: planObstacle!, atOnce }
        : { way: "irregular", because: byPlan.irregular, atOnce };
    }
    assert.deepEqual([byPlan.batches, planObstacle], [[], undefined], "a plan stands for all rows");
    return { ...(await this.#compareRows(given.bytes, byRows, byPlan.plan)), atOnce };
  }

  async close(): Promise<void> {
    await this.plans.close();
    const opened = await this.#opened;
    opened?.connection.closeSync();
    opened?.instance.closeSync();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #compareRows(bytes: Buffer, { batches, summary }: Reading, planned: PlannedRows): Promise<Omit<Way, "atOnce">> {
    const path = join(this.#folder, "raw");
    writeFileSync(path, bytes);
    const origin = { rowsOffset: ORIGIN.sourceOffset, receivedAtMs: ORIGIN.receivedAtMs };
    const plan: LoadPlan = { ...planned, blobKey: "raw", contentHash: "0".repeat(64), ...origin };
    const file = { plan, path, compression: compressionOf(bytes), sourceFile: ORIGIN.sourceFile };
    let written: { path: string; rows: string };
    try {
      written = await this.plans.write(file);
    } catch (thrown) {
      if (!hasCode(thrown, "LOAD_PLAN_FAILED")) throw thrown;
      return { way: "refused", because: thrown.message };
    }
    const staged = new StagedRows(this);
    try {
      for (const batch of batches) await staged.append(batch);
      const columns: SqlColumn[] = [...summary.columns.map(({ name, type }) => ({ name, type })), ...AUDIT_COLUMNS];
      await this.#compareTables(columns, staged.parts(), { rows: written.rows, columns: plannedColumns(plan) });
    } finally {
      await staged.drop();
      await rm(written.path, { force: true });
    }
    return { way: "planned", because: "" };
  }

  async #compareTables(
    columns: readonly SqlColumn[],
    parts: readonly StagedPart[],
    loaded: { rows: string; columns: readonly SqlColumn[] },
  ): Promise<void> {
    const types = new Map(columns.map(({ name, type }) => [name, type as string]));
    const found = await this.#rows(`SELECT column_name, column_type FROM (DESCRIBE ${loaded.rows})`);
    for (const [name, type] of found) assert.equal(type, types.get(name as string), `the type of ${String(name)}`);
    const sent = rowsSelect("t", parts, columns);
    const part = { table: `(${loaded.rows})`, columns: loaded.columns };
    const planned = rowsSelect("t", [part], columns);
    // 0.0 and -0.0 are equal, but not the same.
    const exact = columns.map(({ name, type }) =>
      type === "DOUBLE" ? `${identifier(name)}::VARCHAR` : identifier(name),
    );
    const of = (rows: string): string => `SELECT ${exact.join(", ")} FROM (${rows})`;
    const missing = await this.#rows(`${of(sent)} EXCEPT ALL ${of(planned)} LIMIT 5`);
    const added = await this.#rows(`${of(planned)} EXCEPT ALL ${of(sent)} LIMIT 5`);
    assert.deepEqual(added, missing, "rows of the plan, and rows that were sent");
  }

  async #rows(sql: string): Promise<unknown[][]> {
    return (await (await this.#connected()).connection.runAndReadAll(sql)).getRowsJson();
  }

  #connected(): Promise<{ instance: DuckDBInstance; connection: DuckDBConnection }> {
    this.#opened ??= (async () => {
      const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
      const connection = await instance.connect();
      await connection.run("SET GLOBAL TimeZone = 'UTC'");
      return { instance, connection };
    })();
    return this.#opened;
  }
}
