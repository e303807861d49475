import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { Semaphore } from "async-mutex";
import { systemClock } from "../../clock.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { writableFolder } from "../../folders.ts";
import { retry } from "../../retry.ts";
import { isBeforeFirstSnapshot, isInvalidating } from "../duckdb-engine/errors.ts";
import { RELEASE_EARLY } from "../duckdb-engine/freed-memory.ts";
import { rowsOf } from "../duckdb-engine/rows.ts";
import type { StagingDatabase } from "../duckdb-engine/stage.ts";
import { WideStatements } from "../duckdb-engine/wide-statements.ts";
import { PlanLoader } from "../staging/plan-loader.ts";
import { attachStatement, loadStatements, WITHOUT_JOIN_FILTERS, type Attachment } from "./attach.ts";
import { icebergError } from "./errors.ts";
import type { TransactionResult } from "./gate/transactions.ts";
import { ATTACH_OPTIONS, writerSettings } from "./gate/writer-settings.ts";
import { PRUNING_KEYS_MAX } from "./tables/key-order.ts";
import type { WrittenPart } from "./text-bounds.ts";

export interface SessionOptions {
  /** For messages. */
  url: string;
  attachment: Attachment;
  /** Runs COMMIT at the gate. */
  transaction: (
    parts: readonly WrittenPart[],
    commit: () => Promise<unknown>,
    id?: string,
  ) => Promise<TransactionResult>;
  /** Of one commit at the gate. */
  deadlineMs: number;
  memoryBytesMax: number;
  /** Of a statement over many rows; others have one. */
  threads: number;
  /** DuckDB spills into it. Closing removes it. */
  temporaryFolder: string;
}

/** How a connection is used. */
export interface Use {
  /** No other statement of this process runs beside it: all memory is its own. */
  alone?: boolean | undefined;
  /** Its statements read or write many rows, and use all threads. */
  wide?: boolean | undefined;
}

export interface WriteOptions extends Use {
  signal?: AbortSignal | undefined;
  /** Names the transaction in the summaries of its snapshots. Default: a random id. */
  id?: string;
}

const JOIN_FILTER_FAILURE = /Can't convert TableFilterType/;

/**
 * A statement holds a thread of libuv's pool while it waits for the gate. The pool has four, and the gate
 * itself needs one before it answers: to read manifests, and to look up the catalog's address. So one thread
 * stays free, whatever the number of warehouses in this process.
 */
const STATEMENTS_AT_ONCE = 3;
const turns = new Semaphore(STATEMENTS_AT_ONCE);

/** A snapshot of the same moment is visible to the next statement. */
const FIRST_SNAPSHOT = { attemptsMax: 5, backoffMsMin: 10, backoffMsMax: 200 };

const INTERRUPT_EVERY_MS = 5;
const INTERRUPTS_MAX = 1_000;

/** One DuckDB instance with the catalog attached, the staging database, and idle connections. */
export class Session implements StagingDatabase {
  readonly plans: PlanLoader;
  readonly #options: SessionOptions;
  #instance: DuckDBInstance;
  #wide: WideStatements;
  /** The instance takes no statement any more. */
  #isBroken = false;
  #reopening: Promise<void> | undefined;
  #idle: DuckDBConnection[] = [];
  readonly #busy = new Set<DuckDBConnection>();
  /** COMMIT runs: an interrupt would make DuckDB take the commit for failed. */
  readonly #committing = new Set<DuckDBConnection>();
  #reader: Promise<DuckDBInstance> | undefined;
  #closing: Promise<void> | undefined;
  #names = 0;

  constructor(options: SessionOptions, instance: DuckDBInstance) {
    this.plans = new PlanLoader(join(options.temporaryFolder, "plans"));
    this.#options = options;
    this.#instance = instance;
    this.#wide = new WideStatements(options.threads);
  }

  /**
   * Runs `work` with a connection that no other caller uses at the same time. Errors are TributaryErrors.
   * `work` must not call this method again: it would wait for its own turn.
   */
  async connected<T>(
    work: (connection: DuckDBConnection) => Promise<T>,
    { alone = false, wide = false }: Use = {},
  ): Promise<T> {
    return turns.runExclusive(() => this.#connectedInTurn(work, wide), alone ? STATEMENTS_AT_ONCE : 1);
  }

  async #connectedInTurn<T>(work: (connection: DuckDBConnection) => Promise<T>, wide: boolean): Promise<T> {
    await this.#usable();
    const instance = this.#instance;
    const wideStatements = this.#wide;
    const connection = this.#idle.pop() ?? (await instance.connect());
    this.#busy.add(connection);
    try {
      return await wideStatements.during(connection, wide, () => work(connection));
    } catch (thrown) {
      await this.#notice(thrown, instance);
      if (this.#closing) throw this.#closed(thrown);
      throw (await this.#withoutJoinFilters(thrown)) ?? icebergError(thrown);
    } finally {
      this.#busy.delete(connection);
      if (this.#closing || this.#isBroken || instance !== this.#instance) connection.closeSync();
      else this.#idle.push(connection);
    }
  }

  /**
   * After an internal error DuckDB refuses every statement until the database is opened again, which happens
   * here before the next one. Tables of staged rows are gone then: see `icebergError`.
   */
  async #usable(): Promise<void> {
    if (this.#closing) throw this.#closed();
    if (!this.#isBroken) return;
    this.#reopening ??= this.#reopen().finally(() => (this.#reopening = undefined));
    await this.#reopening;
  }

  async #notice(thrown: unknown, instance: DuckDBInstance): Promise<void> {
    if (!isInvalidating(thrown) || !(await isBroken(instance))) return;
    // Another caller may have opened the next one meanwhile.
    if (instance === this.#instance) this.#isBroken = true;
  }

  async #reopen(): Promise<void> {
    const next = await openInstance(this.#options);
    for (const one of this.#idle.splice(0)) one.closeSync();
    // Statements that still run keep the old instance until they end.
    this.#instance.closeSync();
    this.#instance = next;
    this.#wide = new WideStatements(this.#options.threads);
    this.#isBroken = false;
  }

  /**
   * Runs `work` in one transaction and commits it at the gate, where the new snapshots of its tables get the
   * summaries of `parts`. Rolls back if `work` returns undefined or throws, or if `signal` aborts before the
   * commit begins: a commit that runs is never interrupted.
   * @throws CommitError
   */
  async write<T extends object>(
    parts: readonly WrittenPart[],
    work: (connection: DuckDBConnection) => Promise<T | undefined>,
    { signal, id, ...use }: WriteOptions = {},
  ): Promise<{ value: T; result: TransactionResult } | undefined> {
    return this.connected(async (connection) => {
      const value = await prepared(connection, work, signal);
      if (value === undefined) return undefined;
      this.#committing.add(connection);
      try {
        const result = await this.#options.transaction(parts, () => connection.run("COMMIT"), id);
        return { value, result };
      } finally {
        this.#committing.delete(connection);
        // After a failed COMMIT DuckDB has no transaction any more, except where it did not begin to commit.
        await connection.run("ROLLBACK").catch(() => undefined);
      }
    }, use);
  }

  /** Runs statements outside a transaction. */
  async run(sql: string): Promise<void> {
    await this.connected((connection) => connection.run(sql));
  }

  /** Reads rows outside a transaction. */
  async rows(sql: string, use?: Use): Promise<unknown[][]> {
    const read = () => this.connected((connection) => rowsOf(connection, sql), use);
    return retry(systemClock, { ...FIRST_SNAPSHOT, retryable: isBeforeFirstSnapshot }, read);
  }

  /**
   * Reads files of metadata before they are committed, also while the session waits for its commits to end.
   * It uses an instance of its own: the extension never reads a cached manifest again, and these may change.
   */
  async rowsBeforeCommit(sql: string): Promise<unknown[][]> {
    this.#reader ??= openReader(this.#options.attachment);
    this.#reader.catch(() => (this.#reader = undefined));
    const connection = await (await this.#reader).connect();
    try {
      return await rowsOf(connection, sql);
    } finally {
      connection.closeSync();
    }
  }

  async appenderConnection(): Promise<DuckDBConnection> {
    await this.#usable();
    return this.#instance.connect();
  }

  stagingName(): string {
    this.#names += 1;
    return `stage_${this.#names}`;
  }

  /** Interrupts running statements, except commits, which it waits for. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (let n = 0; this.#busy.size > 0 && (n < INTERRUPTS_MAX || this.#committing.size > 0); n++) {
      for (const connection of this.#busy) if (!this.#committing.has(connection)) connection.interrupt();
      await systemClock.sleep(INTERRUPT_EVERY_MS);
    }
    for (const one of this.#idle) one.closeSync();
    this.#idle = [];
    this.#instance.closeSync();
    (await this.#reader)?.closeSync();
    await this.plans.close();
    await rm(this.#options.temporaryFolder, { recursive: true, force: true });
  }

  /**
   * DuckDB cannot apply the Bloom filter of a join to files in which a column has a narrower type. These
   * filters prune files, so they stay until the first such failure, and the caller tries again. The setting
   * is of the instance. Returns undefined for other failures.
   */
  async #withoutJoinFilters(thrown: unknown): Promise<TributaryError | undefined> {
    if (!JOIN_FILTER_FAILURE.test(messageOf(thrown))) return undefined;
    const connection = await this.#instance.connect();
    await connection.run(WITHOUT_JOIN_FILTERS);
    connection.closeSync();
    return new TributaryError("WAREHOUSE_UNAVAILABLE", messageOf(thrown), { cause: thrown });
  }

  #closed(cause?: unknown): TributaryError {
    const message = `the warehouse ${this.#options.url} is closed`;
    return new TributaryError("WAREHOUSE_UNAVAILABLE", message, { cause, retryable: false });
  }
}

async function openReader(attachment: Attachment): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: "256MiB",
    threads: "1",
    enable_external_file_cache: "false",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  for (const statement of loadStatements(attachment)) await connection.run(statement);
  connection.closeSync();
  return instance;
}

async function isBroken(instance: DuckDBInstance): Promise<boolean> {
  try {
    const connection = await instance.connect();
    await connection.run("SELECT 1");
    connection.closeSync();
    return false;
  } catch {
    return true;
  }
}

/** Begins a transaction and runs `work` in it. Returns undefined after a rollback. */
async function prepared<T>(
  connection: DuckDBConnection,
  work: (connection: DuckDBConnection) => Promise<T | undefined>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  const stopIfAborted = (): void => {
    if (signal?.aborted) throw new TributaryError("WAREHOUSE_TIMEOUT", "the commit was interrupted and rolled back");
  };
  const interrupt = (): void => connection.interrupt();
  signal?.addEventListener("abort", interrupt);
  try {
    stopIfAborted();
    await connection.run("BEGIN TRANSACTION");
    const value = await work(connection);
    stopIfAborted();
    if (value === undefined) await connection.run("ROLLBACK");
    return value;
  } catch (thrown) {
    await connection.run("ROLLBACK").catch(() => undefined);
    stopIfAborted();
    throw thrown;
  } finally {
    signal?.removeEventListener("abort", interrupt);
  }
}

/** @throws WAREHOUSE_FAILED if the extensions cannot be loaded, WAREHOUSE_UNAVAILABLE */
export async function openSession(options: SessionOptions): Promise<Session> {
  return new Session(options, await openInstance(options));
}

async function openInstance(options: SessionOptions): Promise<DuckDBInstance> {
  const { attachment, deadlineMs, memoryBytesMax } = options;
  // An instance that closes removes its folder.
  const temporaryFolder = join(writableFolder(options.temporaryFolder), randomUUID());
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${Math.ceil(memoryBytesMax / 1024)}KiB`,
    threads: "1", // See WideStatements.
    temp_directory: temporaryFolder,
    preserve_insertion_order: "false",
    ...RELEASE_EARLY,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  const connection = await instance.connect();
  try {
    for (const statement of [
      ...loadStatements(attachment),
      "SET GLOBAL TimeZone = 'UTC'",
      `SET GLOBAL dynamic_or_filter_threshold = ${PRUNING_KEYS_MAX}`,
      ...writerSettings(deadlineMs).map((one) => one.replace(/^SET /, "SET GLOBAL ")),
      attachStatement(attachment, ATTACH_OPTIONS),
    ])
      await connection.run(statement);
  } catch (thrown) {
    connection.closeSync();
    instance.closeSync();
    throw icebergError(thrown);
  }
  connection.closeSync();
  return instance;
}
