import { folderOf, tableId } from "../../tables.ts";
import { randomBytes } from "node:crypto";
import type { BlobStore } from "../../blob/blob-store.ts";
import { systemClock, type Clock } from "../../clock.ts";
import type { ColumnDefinition } from "../../columns.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { temporaryPath } from "../../temporary-folders.ts";
import { INTERNAL_TABLES, type InternalTable } from "../internal-tables.ts";
import { TrinoClient, type TrinoTarget } from "./client/client.ts";
import { targetOf } from "./target.ts";
import { removeAddedOrphans } from "./commit/add-files.ts";
import { dropTable } from "./drop.ts";
import { replaceTable } from "./replace.ts";
import { commitBatch } from "./commit/commit.ts";
import type { CommitContext } from "./commit/context.ts";
import { RecordedOffsets } from "./commit/recorded-offsets.ts";
import { currentSnapshot } from "./commit/snapshot.ts";
import { appendRows, TrinoLedger } from "./ledger.ts";
import { healthOf, maintainTable } from "./maintenance/maintain.ts";
import { internalQuery, LIMITS_DEFAULT, userQuery, type UserQueryLimits, type UserSource } from "./queries/run.ts";
import { checkedStatement, checkSelect } from "./queries/statement.ts";
import { BaseSnapshots } from "./commit/base-snapshots.ts";
import { ParquetSpill } from "../staging/parquet-spill.ts";
import { PlanLoader } from "../staging/plan-loader.ts";
import { MemoryBudget, TrinoStage, type StageShared } from "./commit/stage.ts";
import { stageFrom } from "./commit/stage-from.ts";
import { LEFTOVER_AGE_MS, StageTables } from "./commit/stage-tables.ts";
import { TrinoTables } from "./tables.ts";
import { hold, publish, publishedOf, withdraw } from "./published.ts";
import { trino } from "./dialect.ts";
import { customSelects, measure } from "../reads/checks.ts";
import type { CheckMeasurements, MeasuredTable, ReadLimits, TableCheck, WarehouseReads } from "../reads/port.ts";
import type { SqlReader } from "../reads/sql-reader.ts";
import { sqlReads } from "../reads/sql-reads.ts";
import type {
  CommitOptions,
  CommitReceipt,
  LogRow,
  LogTable,
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  MicroBatch,
  QueryOptions,
  QueryResult,
  RecordedContent,
  RecordedFile,
  RecordedVersions,
  Stage,
  TableDescription,
  TableHealth,
  TableLayout,
  Published,
  Warehouse,
} from "../warehouse.ts";

export interface TrinoOptions {
  clock?: Clock;
  /**
   * Blob store for staged files. It is required. Trino reads the same objects under `stagingLocation`. The
   * caller closes the store.
   */
  staging?: BlobStore;
  /**
   * Trino's name for the location of `staging`: `s3://bucket/prefix`. The default is the store's URL without
   * its query.
   */
  stagingLocation?: string;
  /** A password requires https. */
  password?: string;
  /** PEM certificates that the client trusts instead of Node's own. */
  ca?: readonly string[];
  /** Maximum encoded bytes that all stages together hold in memory. The default is 128 MiB. */
  stagesBytesHeldMax?: number;
  /** Maximum encoded bytes that one stage holds in memory before it spills them. The default is 8 MiB. */
  stageBytesHeldMax?: number;
  /**
   * Minimum rows for add files: a new file of this many rows becomes a data file of an unpartitioned table
   * without a rewrite. The default is 20,000. Infinity disables add files.
   */
  adoptRowsMin?: number;
  /** The limits of each user's query; the default is LIMITS_DEFAULT. */
  userQueries?: UserQueryLimits;
  /**
   * Receives warnings about problems that do not stop the work: an untested server version, a failed
   * clean-up.
   */
  warn?: (message: string) => void;
}

const MIB = 1024 * 1024;

/** Trino releases in which MERGE writes rows twice or fails for no reason (trino#26968, #29604, #30639). */
const BAD_VERSIONS = { from: 477, to: 483 };
const PROVEN_VERSION = 476;

/** Interval between two searches for the staged files and tables of dead writers. */
const SWEEP_EVERY_MS = 6 * 60 * 60 * 1000;

/** Key prefix of all staged files in the staging store. The sweep never touches another key. */
const STAGE_PREFIX = "stage/";

/**
 * Opens Iceberg tables through a Trino server: `trino://user@host:port/catalog/schema`, or `trino+https://…`
 * for https. Opening sends no request; call `ready` to connect. It throws CONFIG_INVALID for a URL without a
 * catalog, or without a staging store.
 */
export async function openTrino(url: string, options: TrinoOptions = {}): Promise<TrinoWarehouse> {
  return new TrinoWarehouse(url, options);
}

/** See `openTrino`. */
export class TrinoWarehouse implements Warehouse {
  readonly url: string;
  readonly reads: WarehouseReads;
  readonly supports = { partitioning: true, snapshots: true };
  readonly #target: TrinoTarget;
  readonly #client: TrinoClient;
  readonly #clock: Clock;
  readonly #reader: SqlReader;
  readonly #userQueries: UserQueryLimits;
  readonly #tables: TrinoTables;
  readonly #context: CommitContext;
  readonly #ledger: TrinoLedger;
  readonly #staging: StageShared;
  readonly #warn: (message: string) => void;
  readonly #writer = randomBytes(6).toString("hex");
  readonly #background = new Set<Promise<void>>();
  #prefixes = 0;
  #prepared: Promise<void> | undefined;
  #sweptAtMs = -Infinity;
  #versionSeen: string | undefined;

  constructor(url: string, options: TrinoOptions) {
    const { clock = systemClock, staging, warn = () => undefined, password, ca } = options;
    if (!staging) throw new TributaryError("CONFIG_INVALID", "a trino: warehouse needs a staging blob store");
    this.url = url;
    this.#reader = {
      dialect: trino,
      query: async (sql, options) => {
        await this.#prepare();
        return internalQuery(this.#client, this.#target.schema, sql, options);
      },
      describe: (table) => this.describe(table),
    };
    this.reads = sqlReads(this.#reader);
    this.#userQueries = options.userQueries ?? LIMITS_DEFAULT;
    this.#target = { ...targetOf(url, password), ...(ca ? { ca } : {}) };
    this.#clock = clock;
    this.#warn = warn;
    this.#client = new TrinoClient(this.#target, clock);
    this.#tables = new TrinoTables(this.#client, this.#target.schema);
    const location = (options.stagingLocation ?? staging.url.replace(/\?.*$/, "")).replace(/\/+$/, "");
    this.#staging = {
      area: { location, blobs: staging },
      budget: new MemoryBudget(options.stagesBytesHeldMax ?? 128 * MIB),
      spool: new ParquetSpill(),
      plans: new PlanLoader(temporaryPath("plans")),
      memoryBytesMax: options.stageBytesHeldMax ?? 8 * MIB,
    };
    this.#context = {
      client: this.#client,
      clock,
      tables: this.#tables,
      baseSnapshots: new BaseSnapshots(this.#client),
      staging: this.#staging,
      stageTables: new StageTables(this.#client, clock, this.#target.schema, this.#writer),
      adoptRowsMin: options.adoptRowsMin ?? 20_000,
      newPrefix: (table) => this.#newPrefix(table),
      recordedOffsets: new RecordedOffsets(),
      slicePartsMax: new Map(),
      runInBackground: (work) => this.#later(work),
    };
    this.#ledger = new TrinoLedger(this.#context);
  }

  describe(table: string): Promise<TableDescription | undefined> {
    return this.#tables.inspect(table);
  }

  async tables(): Promise<string[]> {
    await this.#prepare();
    return this.#tables.names();
  }

  ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription> {
    return this.#tables.ensure(layout, columns);
  }

  stage(_table: string, _runId: string): Stage {
    return new TrinoStage(this.#staging);
  }

  stageFrom(stage: Stage): Promise<Stage> {
    return stageFrom(this.#staging, stage);
  }

  forget(table: string): void {
    this.#tables.forget(table);
    this.#context.baseSnapshots.forget(table);
  }

  locationOf(table: string): Promise<string | undefined> {
    return this.#tables.locationOf(table);
  }

  async commit(batch: MicroBatch, options?: CommitOptions): Promise<CommitReceipt> {
    try {
      return await commitBatch(this.#context, batch, options);
    } catch (thrown) {
      // The cached description may be out of date.
      this.#tables.forget(batch.layout.table);
      throw thrown;
    }
  }

  record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    return this.#ledger.record(table, ended, recordedAtMs);
  }

  /** Records never come before their rows. */
  async recover(): Promise<void> {
    return undefined;
  }

  recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    return this.#ledger.recordedContents(table, sourceFiles);
  }

  recordedVersions(table: string): Promise<RecordedVersions> {
    return this.#ledger.recordedVersions(table);
  }

  drop(table: string, options?: CommitOptions): Promise<void> {
    return dropTable(this.#context, table, options);
  }

  replaceWith(layout: TableLayout, shadow: string, options?: CommitOptions): Promise<void> {
    return replaceTable(this.#context, layout, shadow, options);
  }

  watermark(table: string): Promise<number | undefined> {
    return this.#ledger.watermark(table);
  }

  watermarks(): Promise<Map<string, number>> {
    return this.#ledger.watermarks();
  }

  query(sql: string, options: QueryOptions): Promise<QueryResult> {
    return this.#userQuery(sql, options, "tributary-query");
  }

  async #userQuery(sql: string, options: QueryOptions, source: UserSource): Promise<QueryResult> {
    const checked = checkedStatement(sql, this.#target);
    await this.#prepare();
    return userQuery(this.#client, checked, options, { limits: this.#userQueries, source });
  }

  async measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements> {
    // SQL of a contract is users' SQL: it passes their filter and has their limits.
    const parts = customSelects(checks);
    for (const part of parts) checkSelect(part, this.#target);
    const query: SqlReader["query"] = (sql, options) => this.#userQuery(sql, options, "tributary-check");
    return measure(parts.length > 0 ? { ...this.#reader, query } : this.#reader, table, checks, limits);
  }

  async health(table: string): Promise<TableHealth> {
    await this.#prepare();
    return healthOf(this.#context, table);
  }

  async maintain(
    table: string,
    operation: MaintenanceOperation,
    options: MaintenanceOptions,
  ): Promise<MaintenanceResult> {
    if (options.dryRun) return { status: "not_applicable", details: "Trino cannot say which files it would remove" };
    await this.#prepare();
    if (operation === "remove_orphan_files") {
      await this.#sweep();
      await removeAddedOrphans(this.#context, table, Math.max(options.retentionMs, LEFTOVER_AGE_MS));
    }
    try {
      return await maintainTable(this.#context, this.#target.catalog, table, operation, options);
    } finally {
      this.#context.baseSnapshots.forget(table);
    }
  }

  appendLog(table: LogTable, rows: readonly LogRow[]): Promise<void> {
    return appendRows(this.#context, table, rows);
  }

  async version(table: string): Promise<string> {
    return (await currentSnapshot(this.#client, table)) ?? "";
  }

  publish(table: string, version: string, atMs: number): Promise<boolean> {
    return publish(this.#context, table, version, { asOfMs: atMs, heldBackSinceMs: null });
  }

  hold(table: string, sinceMs: number | null): Promise<void> {
    return hold(this.#context, table, sinceMs);
  }

  withdraw(table: string): Promise<void> {
    return withdraw(this.#client, table);
  }

  published(table: string): Promise<Published | undefined> {
    return publishedOf(this.#client, table);
  }

  async ready(): Promise<void> {
    await this.#checkVersion();
    await this.#prepare();
    if (this.#clock.monotonicMs() - this.#sweptAtMs > SWEEP_EVERY_MS) this.#later(this.#sweep());
  }

  async close(): Promise<void> {
    await this.#ledger.drain();
    while (this.#background.size > 0) await Promise.all(this.#background);
    await this.#staging.spool.close();
    await this.#staging.plans.close();
    this.#client.close();
  }

  #newPrefix(table: string): string {
    return `${STAGE_PREFIX}${folderOf(tableId(table))}${this.#clock.nowMs()}-${this.#writer}-${++this.#prefixes}`;
  }

  #later(work: Promise<unknown>): void {
    const done = work.then(
      () => undefined,
      (thrown: unknown) => this.#warn(`cleaning up after Trino: ${messageOf(thrown)}`),
    );
    this.#background.add(done);
    void done.then(() => this.#background.delete(done));
  }

  /**
   * Creates the missing internal tables, once. Queries and dashboards name these tables before the first row
   * arrives.
   */
  async #prepare(): Promise<void> {
    this.#prepared ??= Promise.all(
      Object.keys(INTERNAL_TABLES).map((table) => this.#tables.ensureInternal(table as InternalTable)),
    ).then(() => undefined);
    try {
      await this.#prepared;
    } catch (thrown) {
      this.#prepared = undefined;
      throw thrown;
    }
  }

  async #checkVersion(): Promise<void> {
    const { rows } = await this.#client.run("SELECT node_version FROM system.runtime.nodes WHERE coordinator", {
      timeoutMs: 10_000,
    });
    const version = String(rows[0]?.[0]);
    const release = Number.parseInt(version, 10);
    if (release >= BAD_VERSIONS.from && release <= BAD_VERSIONS.to) {
      const text = `Trino ${version} is known to lose or double rows in MERGE (trino#26968, #29604, #30639)`;
      throw new TributaryError("WAREHOUSE_VERSION", text);
    }
    if (release !== PROVEN_VERSION && version !== this.#versionSeen) this.#warn(`Trino ${version} is untried; 476 is`);
    this.#versionSeen = version;
  }

  /** Removes the files and tables that dead writers left in the staging area. */
  async #sweep(): Promise<void> {
    this.#sweptAtMs = this.#clock.monotonicMs();
    await this.#context.stageTables.sweep();
    const before = this.#clock.nowMs() - LEFTOVER_AGE_MS;
    const { blobs } = this.#staging.area;
    for await (const { key, modifiedAtMs } of blobs.list(STAGE_PREFIX)) {
      if (modifiedAtMs < before && !key.includes(`-${this.#writer}-`)) await blobs.delete(key);
    }
  }
}
