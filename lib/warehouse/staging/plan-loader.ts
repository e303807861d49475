import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { Semaphore } from "async-mutex";
import { messageOf, TributaryError } from "../../errors.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { isDiskFull } from "../duckdb-engine/errors.ts";
import { plannedSelect, type PlannedFile } from "./planned-rows.ts";

const MEMORY_BYTES_MAX = 512 * 1024 * 1024;
/** A large file must not hold up another one. */
const LOADS_AT_ONCE = 2;
const ROW_GROUP_ROWS = 100_000;

/**
 * Writes the rows of load plans as Parquet files in a folder of its own, which closing removes. Its DuckDB,
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
   * Returns the path of a new Parquet file with the plan's rows, which the caller removes.
   * @throws LOAD_PLAN_FAILED if the file has other rows than the plan says; DISK_FULL
   */
  async write(file: PlannedFile): Promise<string> {
    return this.#turns.runExclusive(async () => {
      const path = join(this.#folder, `${++this.#names}.parquet`);
      let connection: DuckDBConnection | undefined;
      try {
        connection = await (await this.#instance()).connect();
        const copy = `COPY (${plannedSelect(file)}) TO ${duckdb.stringLiteral(path)}`;
        const options = `(FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`;
        const { rowsChanged } = await connection.run(`${copy} ${options}`);
        if (rowsChanged !== file.plan.rowCount) throw new Error(`${rowsChanged} rows instead of ${file.plan.rowCount}`);
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

async function openLoader(folder: string): Promise<DuckDBInstance> {
  await mkdir(folder, { recursive: true });
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${MEMORY_BYTES_MAX / 1024}KiB`,
    temp_directory: join(folder, "tmp"),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  await connection.run("SET GLOBAL TimeZone = 'UTC'");
  connection.closeSync();
  return instance;
}

function loadError(thrown: unknown, sourceFile: string): TributaryError {
  const message = messageOf(thrown);
  const code = isDiskFull(thrown) ? "DISK_FULL" : "LOAD_PLAN_FAILED";
  return new TributaryError(code, `loading '${sourceFile}': ${message}`, { cause: thrown });
}
