import type { ColumnDefinition } from "../../columns.ts";
import { hasCode, isRetryable, messageOf, TributaryError } from "../../errors.ts";
import type { Fallback } from "../gate-events.ts";
import type { CheckMeasurements, MeasuredTable, ReadLimits, TableCheck, WarehouseReads } from "../reads/port.ts";
import type {
  CommitOptions,
  CommitReceipt,
  FileVersion,
  LogRow,
  LogTable,
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  MicroBatch,
  Published,
  QueryOptions,
  QueryResult,
  RecordedContent,
  RecordedFile,
  RecordedVersions,
  Stage,
  TableDescription,
  TableHealth,
  TableLayout,
  Warehouse,
} from "../warehouse.ts";

/** A warehouse that another one shares tables with. */
export interface SharingWarehouse extends Warehouse {
  /** Forgets what it keeps of a table: another engine has written or may have written it. */
  forget(table: string): void;
  /** Where the table's files are; undefined if it does not exist. */
  locationOf(table: string): Promise<string | undefined>;
}

/** DuckDB's Iceberg writer. */
export interface DirectWarehouse extends SharingWarehouse {
  /**
   * The guard that an error of `commit`, `ensureTable` or `replaceWith` stands for, if Trino can do the
   * write; undefined: a failure.
   */
  guardOf(thrown: unknown): string | undefined;
}

/** Trino over the same tables. */
export interface TrinoEngine extends SharingWarehouse {
  /** A stage of its own with the rows of a stage of the direct warehouse. The caller discards it. */
  stageFrom(stage: Stage): Promise<Stage>;
}

export interface AutoOptions {
  /** False: a guard is an error. */
  fallsBack: boolean;
  onFallback?: ((fallback: Fallback) => void) | undefined;
}

/** A compaction whose next step is Trino's. */
const TRINO_CURSOR = "trino ";

/** Every open warehouse has this table. */
const SHARED_TABLE = "_ingest_files";

/**
 * Two engines over the tables of one Iceberg REST catalog. DuckDB's writer does what happens often: commits,
 * the ledger, columns, compactions, the services' own reads. Trino does what its SQL or its size is for:
 * users' queries, checks, orphan files, and the writes that DuckDB's writer guards against. Each engine sees
 * the other's commits: the base snapshot fences both alike, and the ledger is one table.
 * @throws CONFIG_INVALID if Trino's catalog is another one
 */
export async function openAuto(
  direct: DirectWarehouse,
  openTrino: () => Promise<TrinoEngine>,
  options: AutoOptions,
): Promise<Warehouse> {
  let trino: TrinoEngine | undefined;
  try {
    trino = await openTrino();
    await trino.ready();
    const [own, others] = [await direct.locationOf(SHARED_TABLE), await trino.locationOf(SHARED_TABLE)];
    if (own !== undefined && own === others) return new AutoWarehouse(direct, trino, options);
    const found = others === undefined ? "does not have it" : `has it at ${others}`;
    throw new TributaryError(
      "CONFIG_INVALID",
      `${trino.url} names no Trino catalog of the Iceberg REST catalog: the catalog has ${SHARED_TABLE} at ${own}, and Trino ` +
        `${found}. Name Trino's catalog of this REST catalog in TRIBUTARY_WAREHOUSE_URL, or set TRIBUTARY_COMMIT_ENGINE=trino`,
    );
  } catch (thrown) {
    await trino?.close();
    await direct.close();
    throw thrown;
  }
}

class AutoWarehouse implements Warehouse {
  readonly url: string;
  readonly reads: WarehouseReads;
  readonly supports: Warehouse["supports"];
  readonly #direct: DirectWarehouse;
  readonly #trino: TrinoEngine;
  readonly #options: AutoOptions;

  constructor(direct: DirectWarehouse, trino: TrinoEngine, options: AutoOptions) {
    this.url = trino.url;
    this.reads = direct.reads;
    this.supports = direct.supports;
    this.#direct = direct;
    this.#trino = trino;
    this.#options = options;
  }

  describe(table: string): Promise<TableDescription | undefined> {
    return this.#direct.describe(table);
  }

  tables(): Promise<string[]> {
    return this.#direct.tables();
  }

  ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription> {
    return this.#orTrino(
      layout.table,
      () => this.#direct.ensureTable(layout, columns),
      () => this.#trino.ensureTable(layout, columns),
    );
  }

  stage(table: string, runId: string): Stage {
    return this.#direct.stage(table, runId);
  }

  commit(batch: MicroBatch, options: CommitOptions = {}): Promise<CommitReceipt> {
    return this.#orTrino(
      batch.layout.table,
      () => this.#direct.commit(batch, options),
      () => this.#commitByTrino(batch, options),
    );
  }

  record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    return this.#direct.record(table, ended, recordedAtMs);
  }

  recover(table: string, options?: CommitOptions): Promise<void> {
    return this.#direct.recover(table, options);
  }

  recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    return this.#direct.recordedContents(table, sourceFiles);
  }

  recordedVersions(table: string): Promise<RecordedVersions> {
    return this.#direct.recordedVersions(table);
  }

  drop(table: string, options?: CommitOptions): Promise<void> {
    this.#trino.forget(table);
    return this.#direct.drop(table, options);
  }

  replaceWith(layout: TableLayout, shadow: string, options?: CommitOptions): Promise<void> {
    this.#trino.forget(shadow);
    return this.#orTrino(
      layout.table,
      () => this.#direct.replaceWith(layout, shadow, options),
      () => this.#trino.replaceWith(layout, shadow, options).finally(() => this.#direct.forget(shadow)),
    );
  }

  watermark(table: string): Promise<number | undefined> {
    return this.#direct.watermark(table);
  }

  watermarks(): Promise<Map<string, number>> {
    return this.#direct.watermarks();
  }

  query(sql: string, options: QueryOptions): Promise<QueryResult> {
    return this.#trino.query(sql, options);
  }

  measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements> {
    return this.#trino.measure(table, checks, limits);
  }

  health(table: string): Promise<TableHealth> {
    return this.#direct.health(table);
  }

  async maintain(
    table: string,
    operation: MaintenanceOperation,
    options: MaintenanceOptions,
  ): Promise<MaintenanceResult> {
    // Trino has no dry run, and expires all snapshots before one of them.
    if (options.dryRun || operation === "expire_snapshots") return this.#direct.maintain(table, operation, options);
    return operation === "optimize" ? this.#optimize(table, options) : this.#byTrino(table, operation, options);
  }

  appendLog(table: LogTable, rows: readonly LogRow[]): Promise<void> {
    return this.#direct.appendLog(table, rows);
  }

  version(table: string): Promise<string> {
    return this.#direct.version(table);
  }

  publish(table: string, version: string, atMs: number): Promise<boolean> {
    return this.#direct.publish(table, version, atMs);
  }

  hold(table: string, sinceMs: number | null): Promise<void> {
    return this.#direct.hold(table, sinceMs);
  }

  withdraw(table: string): Promise<void> {
    return this.#direct.withdraw(table);
  }

  published(table: string): Promise<Published | undefined> {
    return this.#direct.published(table);
  }

  async ready(): Promise<void> {
    await Promise.all([this.#direct.ready(), this.#trino.ready()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#direct.close(), this.#trino.close()]);
  }

  /**
   * One step of `optimize`. DuckDB's writer compacts beside commits, and sorts by key. Trino takes seconds
   * even for a few rows, loses to each commit, and rewrites whole partitions: it does what DuckDB's writer
   * cannot, and then all further steps.
   */
  async #optimize(table: string, { cursor, ...options }: MaintenanceOptions): Promise<MaintenanceResult> {
    const ofTrino = cursor?.startsWith(TRINO_CURSOR) ? cursor.slice(TRINO_CURSOR.length) : undefined;
    if (ofTrino === undefined) {
      const direct = await this.#direct.maintain(table, "optimize", { ...options, ...(cursor ? { cursor } : {}) });
      if (direct.status !== "failed" && direct.status !== "not_applicable") return direct;
    }
    const step = await this.#byTrino(table, "optimize", { ...options, ...(ofTrino ? { cursor: ofTrino } : {}) });
    return step.next === undefined ? step : { ...step, next: `${TRINO_CURSOR}${step.next}` };
  }

  async #byTrino(
    table: string,
    operation: MaintenanceOperation,
    options: MaintenanceOptions,
  ): Promise<MaintenanceResult> {
    this.#trino.forget(table);
    try {
      return await this.#trino.maintain(table, operation, options);
    } finally {
      this.#direct.forget(table);
    }
  }

  /**
   * Runs `direct`, or if a guard refuses it, `trino` on what the table is now. Each forgets what it knew of
   * the table before the other one wrote it.
   */
  async #orTrino<T>(table: string, direct: () => Promise<T>, trino: () => Promise<T>): Promise<T> {
    let refusal: unknown;
    try {
      return await direct();
    } catch (thrown) {
      const guard = this.#direct.guardOf(thrown);
      if (guard === undefined || !this.#options.fallsBack) throw thrown;
      this.#options.onFallback?.({ table, guard, message: messageOf(thrown) });
      refusal = thrown;
    }
    this.#trino.forget(table);
    try {
      return await trino();
    } catch (thrown) {
      // The file is at fault, and the store refuses it from Trino too: a repetition cannot succeed.
      throw !isRetryable(refusal) && hasCode(thrown, "WAREHOUSE_REFUSED") ? refusal : thrown;
    } finally {
      this.#direct.forget(table);
    }
  }

  async #commitByTrino({ layout, files }: MicroBatch, options: CommitOptions): Promise<CommitReceipt> {
    const staged: FileVersion[] = [];
    try {
      for (const { stage, ...file } of files) {
        const own = stage && (await this.#trino.stageFrom(stage));
        staged.push(own ? { ...file, stage: own } : file);
      }
      const receipt = await this.#trino.commit({ layout, files: staged }, options);
      return { ...receipt, strategy: `trino ${receipt.strategy}` };
    } finally {
      for (const { stage } of staged) await stage?.discard();
    }
  }
}
