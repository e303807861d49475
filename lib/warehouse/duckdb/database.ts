import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { CheckpointDue, logBytesForReaders } from "./checkpoint-due.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { systemClock } from "../../clock.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { writableFolder } from "../../folders.ts";
import { makeTemporaryFolder } from "../../temporary-folders.ts";
import { identifier, SCHEMA } from "../sql/sql.ts";
import { engineError, isOutOfMemory } from "../duckdb-engine/errors.ts";
import { CATALOG } from "../duckdb-engine/queries/protocol.ts";
import type { QueryTables } from "../duckdb-engine/queries/query-runner.ts";
import { rowsOf } from "../duckdb-engine/rows.ts";
import { PlanLoader } from "../staging/plan-loader.ts";

/** `warehouse.lakehouse`, quoted. */
export const LAKEHOUSE = `${identifier(CATALOG)}.${identifier(SCHEMA)}`;

const INTERRUPT_EVERY_MS = 5;
const INTERRUPTS_MAX = 1_000;

export interface DatabaseOptions {
  /** DuckDB's memory limit. Beyond it, DuckDB spills to disk. */
  memoryBytesMax: number;
  threads: number;
}

/**
 * One DuckDB instance: a database file (or memory) attached as `warehouse`, the staging database, and idle
 * connections. After opening, nothing can reach the network or files, except the rows of load plans, and no
 * setting can change.
 */
export class Database {
  readonly path: string;
  readonly plans: PlanLoader;
  readonly #instance: DuckDBInstance;
  /** Closing the database removes them. */
  readonly #temporaryFolders: readonly string[];
  readonly #due: CheckpointDue;
  #idle: DuckDBConnection[] = [];
  readonly #busy = new Set<DuckDBConnection>();
  #closing: Promise<void> | undefined;
  #names = 0;
  /** The running transactions. Each promise resolves when its transaction commits or fails. */
  readonly #writing = new Set<Promise<void>>();
  /** The copies of the file in progress. */
  readonly #copying = new Set<Promise<void>>();
  #checkpointing: Promise<void> | undefined;
  /** A check whether a checkpoint is due is running. */
  #asking = false;
  #invalidated = false;
  #reattaching: Promise<void> | undefined;

  constructor(
    path: string,
    instance: DuckDBInstance,
    options: Pick<DatabaseOptions, "memoryBytesMax"> & { temporaryFolders: readonly string[] },
  ) {
    this.path = path;
    this.plans = new PlanLoader(plansFolder(path));
    this.#instance = instance;
    this.#temporaryFolders = options.temporaryFolders;
    this.#due = new CheckpointDue(path, options.memoryBytesMax, (sql) => this.rows(sql));
  }

  /** Runs `use` with a connection that no other caller uses at the same time. Errors are TributaryErrors. */
  async connected<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    await this.#usable();
    const connection = this.#idle.pop() ?? (await this.#connect());
    this.#busy.add(connection);
    try {
      if (this.#closing) throw closedError(this.path);
      return await use(connection);
    } catch (thrown) {
      this.#notice(thrown);
      throw this.#closing ? closedError(this.path, thrown) : warehouseError(thrown, this.path);
    } finally {
      this.#busy.delete(connection);
      if (this.#closing) connection.closeSync();
      else this.#idle.push(connection);
    }
  }

  /** As `connected`, with a new connection that is closed afterwards, which discards all session changes. */
  async connectedOnce<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    await this.#usable();
    const connection = await this.#connect();
    this.#busy.add(connection);
    try {
      if (this.#closing) throw closedError(this.path);
      return await use(connection);
    } catch (thrown) {
      this.#notice(thrown);
      throw thrown;
    } finally {
      this.#busy.delete(connection);
      connection.closeSync();
    }
  }

  /** Runs `work` in one transaction. Rolls back if `work` throws or `signal` aborts. */
  async transaction<T>(work: (connection: DuckDBConnection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    // Waits only for the current checkpoint: a later one waits for this transaction.
    const running = Promise.resolve(this.#checkpointing).then(() => this.#transact(work, signal));
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    this.#writing.add(ended);
    void ended.then(() => {
      this.#writing.delete(ended);
      void this.#checkpointIfDue();
    });
    return running;
  }

  /**
   * Runs a checkpoint, which writes the write-ahead log into the file. DuckDB refuses a checkpoint while a
   * transaction writes: the checkpoint waits for running transactions, and new ones wait for it. The same
   * holds for copies of the file.
   */
  async checkpoint(): Promise<void> {
    while (this.#checkpointing) await this.#checkpointing;
    const others = [...this.#writing, ...this.#copying];
    const running = Promise.all(others).then(() => this.run(`CHECKPOINT ${identifier(CATALOG)}`));
    this.#checkpointing = running.catch(() => undefined).finally(() => (this.#checkpointing = undefined));
    return running;
  }

  /**
   * Runs `work`. Meanwhile the write-ahead log only grows, and no block of the file that is in use changes.
   */
  async withoutCheckpoint(work: () => Promise<void>): Promise<void> {
    while (this.#checkpointing) await this.#checkpointing;
    const ended = work().catch(() => undefined);
    this.#copying.add(ended);
    await ended;
    this.#copying.delete(ended);
    void this.#checkpointIfDue(logBytesForReaders(this.path));
  }

  /**
   * DuckDB would checkpoint within a commit. Here the commit ends first, so that copies of the file are
   * never torn.
   */
  async #checkpointIfDue(logBytes?: number): Promise<void> {
    if (this.#asking || this.#checkpointing || this.#closing) return;
    this.#asking = true;
    try {
      if (!(await this.#due.isDue(logBytes))) return;
      await this.checkpoint();
      await this.#due.done();
    } catch {
      // The next transaction asks again.
    } finally {
      this.#asking = false;
    }
  }

  #transact<T>(work: (connection: DuckDBConnection) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.connected(async (connection) => {
      const interrupt = (): void => connection.interrupt();
      const stopIfAborted = (): void => {
        if (signal?.aborted)
          throw new TributaryError("WAREHOUSE_TIMEOUT", "the commit was interrupted and rolled back");
      };
      signal?.addEventListener("abort", interrupt);
      try {
        stopIfAborted();
        await connection.run("BEGIN TRANSACTION");
        const result = await work(connection);
        stopIfAborted();
        await connection.run("COMMIT");
        return result;
      } catch (thrown) {
        await connection.run("ROLLBACK").catch(() => undefined);
        stopIfAborted();
        throw thrown;
      } finally {
        signal?.removeEventListener("abort", interrupt);
      }
    });
  }

  /** The database for query processes. */
  queryTables(): QueryTables {
    return {
      folder: `${this.path}.queries`,
      sourceOf: async () => ({ kind: "file", file: this.path }),
      whileCopying: (copy) => this.withoutCheckpoint(copy),
      checkpoint: () => this.checkpoint(),
    };
  }

  /** Runs one or more statements outside a transaction. */
  async run(sql: string): Promise<void> {
    await this.connected((connection) => connection.run(sql));
  }

  /** Every row of an internal query, as arrays of DuckDB values. */
  async rows(sql: string): Promise<unknown[][]> {
    return this.connected((connection) => rowsOf(connection, sql));
  }

  /**
   * A connection for appenders only. They work synchronously, so nothing else may run on it. The caller
   * closes it.
   */
  async appenderConnection(): Promise<DuckDBConnection> {
    if (this.#closing) throw closedError(this.path);
    return this.#connect();
  }

  /** A unique name for a staging table. */
  stagingName(): string {
    this.#names += 1;
    return `stage_${this.#names}`;
  }

  /** Interrupts running statements, runs a checkpoint, and closes the file. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // An interrupt between two statements of a connection has no effect, so it is repeated until all
    // statements have ended.
    for (let n = 0; this.#busy.size > 0 && n < INTERRUPTS_MAX; n++) {
      for (const connection of this.#busy) connection.interrupt();
      await systemClock.sleep(INTERRUPT_EVERY_MS);
    }
    const connection = this.#idle.pop() ?? (await this.#connect());
    // The checkpoint only speeds up the next opening. Without it, the next opening replays the write-ahead
    // log.
    await connection.run(`CHECKPOINT ${identifier(CATALOG)}`).catch(() => undefined);
    connection.closeSync();
    for (const one of this.#idle) one.closeSync();
    this.#idle = [];
    this.#instance.closeSync();
    await this.plans.close();
    openFiles.delete(this.path);
    for (const folder of this.#temporaryFolders) await rm(folder, { recursive: true, force: true });
  }

  #notice(thrown: unknown): void {
    const message = messageOf(thrown);
    if (/has been invalidated|reattach the database/.test(message)) this.#invalidated = true;
    if (!isOutOfMemory(thrown)) return;
    this.#due.memoryIsShort();
    void this.#checkpointIfDue();
  }

  /**
   * After a failed checkpoint (full disk), DuckDB refuses the database until it is detached and attached
   * again. This method does so before the next use. Staged rows survive because they are in the other
   * database.
   */
  async #usable(): Promise<void> {
    if (this.#closing) throw closedError(this.path);
    if (!this.#invalidated) return;
    this.#reattaching ??= this.#reattach().finally(() => (this.#reattaching = undefined));
    await this.#reattaching;
  }

  async #reattach(): Promise<void> {
    const connection = await this.#instance.connect();
    try {
      await connection.run(`DETACH DATABASE IF EXISTS ${identifier(CATALOG)}`);
      await connection.run(attachStatement(this.path));
      this.#invalidated = false;
    } catch (thrown) {
      throw warehouseError(thrown, this.path);
    } finally {
      connection.closeSync();
    }
  }

  async #connect(): Promise<DuckDBConnection> {
    const connection = await this.#instance.connect();
    await connection.run(`USE ${LAKEHOUSE}`);
    return connection;
  }
}

/** The files that this process has open. DuckDB's lock excludes only other processes. */
const openFiles = new Set<string>();

/**
 * The block size of new files. A file keeps the block size of its creation. Rows that are added to a table
 * after a checkpoint use one block of memory for each column and one more for its NULLs, all at the same
 * time. With DuckDB's default of 256 KiB, a table of 2,000 columns uses a gigabyte; with this size it uses a
 * quarter of that. Smaller blocks would nearly double the file, because text columns compress less well in
 * them.
 */
const BLOCK_BYTES = 64 * 1024;

function attachStatement(file: string): string {
  const options = existsSync(file) ? "" : ` (BLOCK_SIZE ${BLOCK_BYTES})`;
  return `ATTACH ${duckdb.stringLiteral(file)} AS ${identifier(CATALOG)}${options}`;
}

/**
 * Opens `path` and creates the file and its folder if needed. `:memory:` is a file in a temporary folder
 * that closing removes.
 * @throws WAREHOUSE_IN_USE if another process has the file open
 */
export async function openDatabase(path: string, options: DatabaseOptions): Promise<Database> {
  const isTemporary = path === ":memory:";
  const file = realFile(isTemporary ? join(await makeTemporaryFolder("duckdb"), "memory") : path);
  if (openFiles.has(file)) throw inUseError(file, "this process");
  const temporaryFolder = `${file}.tmp`;
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${Math.ceil(options.memoryBytesMax / 1024)}KiB`,
    threads: String(options.threads),
    temp_directory: temporaryFolder,
    // Lets large inserts stream instead of waiting to keep the order.
    preserve_insertion_order: "false",
    // Row groups that wait to be compressed take memory, and are compressed by one thread after the last row.
    write_buffer_row_group_count: "1",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  openFiles.add(file);
  const connection = await instance.connect();
  try {
    await connection.run(attachStatement(file));
    // The file is locked, so these folders are remains of a killed process.
    await rm(temporaryFolder, { recursive: true, force: true });
    await rm(`${file}.queries`, { recursive: true, force: true });
    await rm(plansFolder(file), { recursive: true, force: true });
    const own = [file, `${file}.wal`].map((one) => duckdb.stringLiteral(one)).join(", ");
    await connection.run(`
      CREATE SCHEMA IF NOT EXISTS ${LAKEHOUSE};
      CREATE SEQUENCE IF NOT EXISTS ${identifier(CATALOG)}.main.commit_ids;
      SET GLOBAL TimeZone = 'UTC';
      SET GLOBAL wal_autocheckpoint = '1TB';
      SET GLOBAL allowed_paths = [${own}];
      SET GLOBAL allowed_directories = [${duckdb.stringLiteral(plansFolder(file))}];
      SET GLOBAL enable_external_access = false;
      SET GLOBAL lock_configuration = true`);
  } catch (thrown) {
    connection.closeSync();
    instance.closeSync();
    openFiles.delete(file);
    throw warehouseError(thrown, file);
  }
  connection.closeSync();
  const temporaryFolders = isTemporary ? [temporaryFolder, dirname(file)] : [temporaryFolder];
  return new Database(file, instance, { memoryBytesMax: options.memoryBytesMax, temporaryFolders });
}

/** Holds the rows of load plans until their commit. */
const plansFolder = (file: string): string => `${file}.plans`;

/** The file's path without symbolic links; makes its folder. @throws FOLDER_UNUSABLE, DISK_FULL */
const realFile = (path: string): string => join(writableFolder(dirname(resolve(path))), basename(path));

const inUseError = (file: string, by: string, cause?: unknown): TributaryError =>
  new TributaryError("WAREHOUSE_IN_USE", `duckdb:${file} is open in ${by}`, { cause });

const closedError = (path: string, cause?: unknown): TributaryError =>
  new TributaryError("WAREHOUSE_UNAVAILABLE", `the warehouse duckdb:${path} is closed`, { cause, retryable: false });

/** As `engineError`; another process may have the file open. */
function warehouseError(thrown: unknown, path: string): unknown {
  const message = messageOf(thrown);
  if (!/Could not set lock on file|Unique file handle conflict/i.test(message)) return engineError(thrown);
  const holder = /\(PID (\d+)\)/i.exec(message)?.[1];
  return inUseError(path, holder === undefined ? "another process" : `process ${holder}`, thrown);
}
