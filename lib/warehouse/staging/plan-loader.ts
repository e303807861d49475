import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { Semaphore } from "async-mutex";
import { systemClock } from "../../clock.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { isDiskFull } from "../duckdb-engine/errors.ts";
import { RELEASE_EARLY } from "../duckdb-engine/freed-memory.ts";
import { rowsOf } from "../duckdb-engine/rows.ts";
import type { LoadPlan } from "../../messages/generated.ts";
import { plannedCheck, plannedRows, plannedValues, type PlannedFile } from "./planned-rows.ts";

const MIB = 1024 * 1024;
/** Enough for two ordinary loads. */
const MEMORY_BYTES_MAX = 256 * MIB;
/** From the first file with many columns on: 2,000 take more than 256 MiB, a writer's buffers for each. */
const WIDE_COLUMNS_MIN = 200;
const WIDE_MEMORY_BYTES_MAX = 512 * MIB;
/** A large file must not hold up another one. */
const LOADS_AT_ONCE = 2;
/** How often a load is looked at. */
const LOOK_MS = 100;
/** Most rows of a row group. Larger ones take more memory and no less time. */
const ROW_GROUP_ROWS_MAX = 40_960;
/** DuckDB works on this many rows at a time. */
const ROW_GROUP_ROWS_MIN = 2_048;
/** Text of a row group. DuckDB holds several for each thread, and counts only a part of them to its limit. */
const ROW_GROUP_BYTES = 8 * MIB;

/**
 * Writes the rows of load plans as Parquet files into a folder of its own, which closing removes. Its DuckDB,
 * too, is its own: the memory is bounded, and the order of rows is kept. Opens at the first load.
 */
export class PlanLoader {
  readonly #folder: string;
  readonly #turns = new Semaphore(LOADS_AT_ONCE);
  #opened: Promise<DuckDBInstance> | undefined;
  #names = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Writes the values of the plan's rows to a new Parquet file, which the caller removes. `rows` is a SELECT
   * of the rows from it.
   * @throws LOAD_PLAN_FAILED if the file has other rows than the plan says; DISK_FULL
   */
  async write(file: PlannedFile): Promise<{ path: string; rows: string }> {
    const path = await this.#written(file, async (connection, created) => {
      const load = async (threads: "one" | "several"): Promise<void> => {
        await writeOrdered(connection, copyTo(plannedValues(file, threads), created, file.plan));
        await checkWritten(connection, file, created);
      };
      // Where a reader leaves rows out, rows that were split wrongly might replace others.
      if (file.plan.ragged.length > 0) return load("one");
      try {
        await load("several");
      } catch (thrown) {
        if (file.signal?.aborted || isDiskFull(thrown)) throw thrown;
        await load("one");
      }
    });
    return { path, rows: plannedRows(file, path) };
  }

  /**
   * Returns the path of a new Parquet file that holds the plan's rows as they are in the table. The caller
   * removes it.
   * @throws as write
   */
  async writeWhole(file: PlannedFile): Promise<string> {
    const values = await this.write(file);
    try {
      return await this.#written(file, async (connection, created) => {
        await connection.run(copyTo(values.rows, created, file.plan));
      });
    } finally {
      await rm(values.path, { force: true });
    }
  }

  /** Returns the path of the file that `write` creates. */
  #written(file: PlannedFile, write: (connection: DuckDBConnection, path: string) => Promise<void>): Promise<string> {
    return this.#turns.runExclusive(async () => {
      const path = join(this.#folder, `${++this.#names}.parquet`);
      let connection: DuckDBConnection | undefined;
      try {
        file.signal?.throwIfAborted();
        connection = await (await this.#instance()).connect();
        if (file.plan.fields.length >= WIDE_COLUMNS_MIN)
          await connection.run(`SET GLOBAL memory_limit = '${WIDE_MEMORY_BYTES_MAX / MIB}MiB'`);
        await connection.run("SET enable_progress_bar = true; SET enable_progress_bar_print = false");
        await watched(connection, file, write(connection, path));
        return path;
      } catch (thrown) {
        await rm(path, { force: true }).catch(() => undefined);
        throw loadError(thrown, file.sourceFile);
      } finally {
        connection?.closeSync();
      }
    });
  }

  /** A failure to open is not kept: its cause may pass. */
  #instance(): Promise<DuckDBInstance> {
    this.#opened ??= openLoader(this.#folder);
    this.#opened.catch(() => (this.#opened = undefined));
    return this.#opened;
  }

  /** Waits for running loads. Idempotent. */
  async close(): Promise<void> {
    await this.#turns.acquire(LOADS_AT_ONCE);
    const opened = await this.#opened;
    this.#opened = undefined;
    opened?.closeSync();
    if (opened) await rm(this.#folder, { recursive: true, force: true });
    this.#turns.release(LOADS_AT_ONCE);
  }
}

/**
 * Runs a COPY whose rows must come in the order of the file: they get their numbers from it. Of DuckDB's two
 * operators only one keeps the order if there are several threads. A join, for one, rules it out.
 */
async function writeOrdered(connection: DuckDBConnection, copy: string): Promise<void> {
  const [[, plan]] = (await rowsOf(connection, `EXPLAIN (FORMAT json) ${copy}`)) as [[string, string]];
  const [{ name }] = JSON.parse(plan) as [{ name: string }];
  const [[threads]] = (await rowsOf(connection, "SELECT current_setting('threads')")) as [[bigint]];
  if (name !== "BATCH_COPY_TO_FILE" && threads > 1n) throw new Error(`${name} does not keep the order of rows`);
  await connection.run(copy);
}

/** Throws unless the Parquet file holds the rows that the plan names. */
async function checkWritten(connection: DuckDBConnection, file: PlannedFile, path: string): Promise<void> {
  const { rowCount: expected } = file.plan;
  const [[rowCount, unread]] = (await rowsOf(connection, plannedCheck(file, path))) as [[bigint, bigint | null]];
  if (unread !== null) throw new Error(`a value of record ${unread} cannot be read`);
  if (Number(rowCount) !== expected) throw new Error(`${rowCount} rows instead of ${expected}`);
}

/**
 * Waits for `writing`, and tells now and then how many rows are read. Once the signal aborts, interrupts the
 * connection again and again: an interrupt between two statements has no effect.
 */
async function watched(
  connection: DuckDBConnection,
  { signal, onRows, plan: { rowCount } }: PlannedFile,
  writing: Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const look = (): void => {
    if (signal?.aborted) connection.interrupt();
    const { percentage } = connection.progress;
    if (percentage > 0) onRows?.(Math.round((rowCount * Math.min(100, percentage)) / 100));
  };
  const watching = (async () => {
    while (!ended.signal.aborted) {
      await systemClock.sleep(LOOK_MS, ended.signal);
      if (!ended.signal.aborted) look();
    }
  })();
  try {
    await writing;
    signal?.throwIfAborted();
  } finally {
    ended.abort();
    await watching;
  }
}

function copyTo(select: string, path: string, plan: LoadPlan): string {
  // In the dictionary of DuckDB 1.5.5, -0.0 and 0.0 are one value.
  const dictionary = plan.fields.some(({ type }) => type === "DOUBLE") ? ", DICTIONARY_SIZE_LIMIT 0" : "";
  const options = `FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE ${rowGroupRows(plan)}${dictionary}`;
  return `COPY (${select}) TO ${duckdb.stringLiteral(path)} (${options})`;
}

function rowGroupRows({ rowCount, textBytes }: LoadPlan): number {
  const rows = Math.floor((ROW_GROUP_BYTES * rowCount) / Math.max(1, textBytes));
  return Math.min(ROW_GROUP_ROWS_MAX, Math.max(ROW_GROUP_ROWS_MIN, rows));
}

async function openLoader(folder: string): Promise<DuckDBInstance> {
  await mkdir(folder, { recursive: true });
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${MEMORY_BYTES_MAX / MIB}MiB`,
    temp_directory: join(folder, "tmp"),
    ...RELEASE_EARLY,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  // A list of many values would become a join, which does not keep the order of rows.
  await connection.run("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL disabled_optimizers = 'in_clause'");
  connection.closeSync();
  return instance;
}

function loadError(thrown: unknown, sourceFile: string): TributaryError {
  const message = messageOf(thrown);
  const code = isDiskFull(thrown) ? "DISK_FULL" : "LOAD_PLAN_FAILED";
  return new TributaryError(code, `loading '${sourceFile}': ${message}`, { cause: thrown });
}
