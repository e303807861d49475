import { availableParallelism } from "node:os";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { systemClock, type Clock } from "../../clock.ts";
import type { ColumnDefinition } from "../../columns.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { contentsStatement, recordedContents, recordedVersions, versionsStatement } from "../commit/versions.ts";
import { commitBatch } from "./commit.ts";
import { dropTable } from "./drop.ts";
import { replaceTable } from "./replace.ts";
import { CATALOG } from "../duckdb-engine/queries/protocol.ts";
import { openDatabase, type Database } from "./database.ts";
import { appendLog, createInternalTables, recordEnded, watermarks } from "./ledger.ts";
import { internalQuery } from "../duckdb-engine/internal-query.ts";
import { QueryRunner } from "../duckdb-engine/queries/query-runner.ts";
import { qualified, Tables, tablesOf } from "./schema.ts";
import { DuckDbStage } from "../duckdb-engine/stage.ts";
import { hold, publish, publishedOf, withdraw } from "./published.ts";

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

export interface DuckDbOptions {
  clock?: Clock;
  /** DuckDB's memory limit, beyond which it spills to `<file>.tmp`. Default 768 MiB. */
  memoryBytesMax?: number;
  /** Default: the number of threads of the machine. */
  threads?: number;
  /** Encoded bytes that one stage holds in memory before it spills into a staging table. Default 4 MiB. */
  stageBytesHeldMax?: number;
}

const MIB = 1024 * 1024;

/**
 * Opens the tables of a DuckDB file for one process. A commit is one transaction, and readers see a
 * snapshot. The URL is `duckdb:<file>` or `duckdb::memory:`. If the process is killed at any moment, the
 * file opens again as of its last commit.
 * @throws WAREHOUSE_IN_USE if another process has the file open
 */
export async function openDuckDb(url: string, options: DuckDbOptions = {}): Promise<Warehouse> {
  const { memoryBytesMax = 768 * MIB, threads = availableParallelism() } = options;
  const path = url.replace(/^duckdb:/, "").replace(/^\/\/(?=\/)/, "");
  if (path === "")
    throw new TributaryError("CONFIG_INVALID", `'${url}' names no file: use duckdb:<file> or duckdb::memory:`);
  const database = await openDatabase(path, { memoryBytesMax, threads });
  try {
    await createInternalTables(database);
    return new DuckDbWarehouse(url, database, options.clock ?? systemClock, options.stageBytesHeldMax ?? 4 * MIB);
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}

class DuckDbWarehouse implements Warehouse {
  readonly url: string;
  readonly reads: WarehouseReads;
  readonly supports = { partitioning: false, snapshots: false };
  readonly #database: Database;
  readonly #reader: SqlReader;
  readonly #tables: Tables;
  readonly #queries: QueryRunner;
  readonly #checks: QueryRunner;
  readonly #stageBytesHeldMax: number;

  constructor(url: string, database: Database, clock: Clock, stageBytesHeldMax: number) {
    this.url = url;
    this.#reader = {
      dialect: duckdb,
      query: (sql, options) => internalQuery(database, clock, sql, options),
      describe: (table) => this.describe(table),
    };
    this.reads = sqlReads(this.#reader);
    this.#database = database;
    this.#tables = new Tables(database);
    this.#queries = new QueryRunner(database.queryTables(), clock);
    this.#checks = new QueryRunner(database.queryTables(), clock);
    this.#stageBytesHeldMax = stageBytesHeldMax;
  }

  describe(table: string): Promise<TableDescription | undefined> {
    return this.#tables.describe(table);
  }

  tables(): Promise<string[]> {
    return this.#database.connected(tablesOf);
  }

  ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription> {
    return this.#tables.ensure(layout, columns);
  }

  stage(_table: string, _runId: string): Stage {
    return new DuckDbStage(this.#database, this.#stageBytesHeldMax);
  }

  /**
   * One process has the file open, and its writers of a table run one after the other: `confirmOwner` is
   * never called.
   */
  async commit(batch: MicroBatch, { signal }: CommitOptions = {}): Promise<CommitReceipt> {
    try {
      return await commitBatch(this.#database, this.#tables, batch, signal);
    } catch (thrown) {
      this.#tables.forget();
      throw thrown;
    }
  }

  async record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    if (ended.length > 0) await recordEnded(this.#database, table, ended, recordedAtMs);
  }

  /** Records never come before their rows. */
  async recover(): Promise<void> {
    return undefined;
  }

  async recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    if (sourceFiles.length === 0) return [];
    const ledger = qualified("_ingest_files");
    return recordedContents(await this.#database.rows(contentsStatement(duckdb, ledger, table, sourceFiles)));
  }

  async recordedVersions(table: string): Promise<RecordedVersions> {
    const ledger = qualified("_ingest_files");
    return recordedVersions(await this.#database.rows(versionsStatement(duckdb, ledger, table)));
  }

  drop(table: string): Promise<void> {
    return dropTable(this.#database, this.#tables, table);
  }

  replaceWith({ table }: TableLayout, shadow: string): Promise<void> {
    return replaceTable(this.#database, this.#tables, table, shadow);
  }

  async watermark(table: string): Promise<number | undefined> {
    return (await watermarks(this.#database, table)).get(table);
  }

  watermarks(): Promise<Map<string, number>> {
    return watermarks(this.#database);
  }

  query(sql: string, options: QueryOptions): Promise<QueryResult> {
    return this.#queries.query(sql, options);
  }

  measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements> {
    // SQL of a contract runs in a process like users' queries, but never waits for them: the table's commits
    // wait for its checks.
    const parts = customSelects(checks);
    const query: SqlReader["query"] = (sql, options) => this.#checks.query(sql, options, parts);
    return measure(parts.length > 0 ? { ...this.#reader, query } : this.#reader, table, checks, limits);
  }

  /**
   * DuckDB has no data files or snapshots per table. A table with rows counts as one data file, and
   * `dataBytes` is the size of the table's blocks in the database file.
   */
  async health(table: string): Promise<TableHealth> {
    const name = duckdb.stringLiteral(qualified(table));
    const [counts] = await this.#database.rows(
      `SELECT EXISTS (FROM ${qualified(table)}),
         (SELECT count(DISTINCT block_id) FROM pragma_storage_info(${name}) WHERE persistent AND block_id >= 0),
         (SELECT max(block_size) FROM pragma_database_size() WHERE database_name = '${CATALOG}')`,
    );
    const [dataFiles, blocks, blockBytes] = counts!.map(Number);
    return {
      dataFiles: dataFiles!,
      dataBytes: blocks! * blockBytes!,
      deleteFiles: 0,
      smallFiles: 0,
      mergeableFiles: 0,
      snapshots: 0,
      oldestSnapshotAtMs: null,
      keepsFiles: false,
    };
  }

  /**
   * `optimize` is a checkpoint, which also reclaims the space of deleted rows. The other operations do not
   * apply.
   */
  async maintain(_table: string, operation: MaintenanceOperation): Promise<MaintenanceResult> {
    if (operation !== "optimize") {
      const details = "DuckDB keeps no snapshots and no files apart from the database";
      return { status: "not_applicable", details };
    }
    try {
      await this.#database.checkpoint();
    } catch (thrown) {
      const message = messageOf(thrown);
      if (!/Cannot CHECKPOINT/.test(message)) return { status: "failed", details: message };
      const details = "a query still reads an older state; DuckDB checkpoints with a later commit";
      return { status: "not_applicable", details };
    }
    return { status: "completed", details: "checkpoint" };
  }

  appendLog(table: LogTable, rows: readonly LogRow[]): Promise<void> {
    return appendLog(this.#database, table, rows);
  }

  /** One process has the file open, and each table has one writer in it. */
  async version(): Promise<string> {
    return "current";
  }

  async publish(table: string, _version: string, atMs: number): Promise<boolean> {
    await publish(this.#database, table, atMs);
    return true;
  }

  hold(table: string, sinceMs: number | null): Promise<void> {
    return hold(this.#database, table, sinceMs);
  }

  withdraw(table: string): Promise<void> {
    return withdraw(this.#database, table);
  }

  published(table: string): Promise<Published | undefined> {
    return publishedOf(this.#database, table);
  }

  async ready(): Promise<void> {
    await this.#database.run(`SELECT 1 FROM ${qualified("_ingest_files")} LIMIT 1`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#queries.close(), this.#checks.close()]);
    await this.#database.close();
  }
}
