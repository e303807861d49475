import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { Mutex } from "async-mutex";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { isDiskFull } from "../duckdb-engine/errors.ts";
import type { BlobStore } from "../../blob/blob-store.ts";
import { hasCode, messageOf, TributaryError } from "../../errors.ts";
import { makeTemporaryFolder } from "../../temporary-folders.ts";
import type { RowBatch } from "../../messages/generated.ts";
import { ChunkAppender } from "./chunk.ts";
import { decodeRows } from "../../rows/row-decoder.ts";
import { identifier, type SqlColumn } from "../sql/sql.ts";
import type { StagedColumn } from "./batch-groups.ts";

/** Enough for 2,000 columns. A piece of an ordinary table uses a tenth of it. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
/**
 * The size of a row group, the rows of a Parquet file that are compressed together. The limit is in bytes,
 * so that files with long rows use no more memory than others.
 */
const ROW_GROUP_BYTES = 16 * 1024 * 1024;
/**
 * DuckDB reserves 256 KiB for the dictionary of each column while it writes. Files with more columns than
 * this have no dictionaries.
 */
const DICTIONARY_COLUMNS_MAX = 200;

/**
 * Above this number of rows the uniqueness of keys is not checked: with five million rows the committer used
 * 564 MB, with one million 450 MB.
 */
const UNIQUE_ROWS_MAX = 1_000_000;

/**
 * Spills rows for Parquet files as pieces: Parquet files in a temporary folder that DuckDB writes and joins.
 * Only the current piece uses memory, and only one piece is processed at a time. This holds for any number
 * of rows and for long or wide rows.
 */
export class ParquetSpill {
  readonly #oneAtATime = new Mutex();
  #opened: { instance: DuckDBInstance; folder: string } | undefined;
  #names = 0;

  /** Opens a spill for rows with these columns. */
  open(columns: readonly StagedColumn[]): SpilledRows {
    return new SpilledRows(this, columns);
  }

  /**
   * Runs `work` with its own connection, in a transaction that is never committed, and with the path of a
   * file that does not exist yet.
   * @throws DISK_FULL; WAREHOUSE_FAILED if DuckDB refuses the work
   */
  async exclusively<T>(work: (connection: DuckDBConnection, path: string) => Promise<T>): Promise<T> {
    try {
      return await this.#oneAtATime.runExclusive(() => this.#connected(work));
    } catch (thrown) {
      throw spoolError(thrown);
    }
  }

  /** Waits for the current piece. */
  async close(): Promise<void> {
    await this.#oneAtATime.runExclusive(async () => {
      const opened = this.#opened;
      this.#opened = undefined;
      opened?.instance.closeSync();
      if (opened) await rm(opened.folder, { recursive: true, force: true });
    });
  }

  async #connected<T>(work: (connection: DuckDBConnection, path: string) => Promise<T>): Promise<T> {
    this.#opened ??= await this.#open();
    const { instance, folder } = this.#opened;
    const path = join(folder, `${++this.#names}.parquet`);
    const connection = await instance.connect();
    try {
      // Rows appended in a transaction can spill. If the flush committed them, 2,000 columns would use half
      // a gigabyte.
      await connection.run("BEGIN TRANSACTION");
      return await work(connection, path);
    } catch (thrown) {
      await rm(path, { force: true });
      throw thrown;
    } finally {
      connection.closeSync();
    }
  }

  async #open(): Promise<{ instance: DuckDBInstance; folder: string }> {
    const folder = await makeTemporaryFolder("spool");
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${MEMORY_BYTES_MAX / 1024}KiB`,
      temp_directory: join(folder, "tmp"),
      threads: "1",
      // DuckDB limits row groups by bytes only if this is false.
      preserve_insertion_order: "false",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    return { instance, folder };
  }
}

/** The spilled rows of one set of columns. */
export class SpilledRows {
  readonly columns: readonly StagedColumn[];
  readonly #spool: ParquetSpill;
  readonly #hash = createHash("sha256");
  #pieces: string[] = [];
  #rowCount = 0;

  constructor(spool: ParquetSpill, columns: readonly StagedColumn[]) {
    this.#spool = spool;
    this.columns = columns;
  }

  /** Adds the batches' rows as one piece: all of them, or none if it throws. */
  async add(batches: readonly RowBatch[]): Promise<void> {
    const definitions = this.columns.map((one): SqlColumn => ({ name: one.name, type: one.type }));
    const piece = await this.#spool.exclusively(async (connection, path) => {
      await connection.run(`CREATE TABLE piece (${duckdb.columnDefinitions(definitions)})`);
      const appender = new ChunkAppender(await connection.createAppender("piece"));
      for (const batch of batches) appender.append(decodeRows(batch));
      appender.close();
      await connection.run(copyStatement("FROM piece", path, "COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 0"));
      return path;
    });
    this.#pieces.push(piece);
    for (const { rows, rowCount } of batches) {
      this.#hash.update(rows);
      this.#rowCount += rowCount;
    }
  }

  /**
   * Adds up to `rowCountMax` rows, which `write` stores as a Parquet file with the names of `columns`. Equal
   * rows may have equal fingerprints; the default is unique.
   */
  async take(
    rowCountMax: number,
    write: (path: string) => Promise<void>,
    fingerprint: string | Buffer = randomBytes(16),
  ): Promise<void> {
    const piece = await this.#spool.exclusively(async (_connection, path) => {
      await write(path);
      return path;
    });
    this.#pieces.push(piece);
    this.#hash.update(fingerprint);
    this.#rowCount += rowCountMax;
  }

  /**
   * A fingerprint of the rows: equal for the same rows in the same order, independent of the batches and of
   * the process that computes it.
   */
  fingerprint(): string {
    return this.#hash.copy().digest("hex");
  }

  /**
   * Writes the columns of `target`, with its names, types and order, to `key` as one Parquet file.
   * Repeatable.
   */
  async store(blobs: BlobStore, key: string, target: readonly SqlColumn[]): Promise<void> {
    const sources = new Map(this.columns.map(({ name, column }) => [column, name]));
    const list = target.map(
      ({ name, type }) => `CAST(${identifier(sources.get(name)!)} AS ${type}) AS ${identifier(name)}`,
    );
    const pieces = this.#pieces.map((path) => duckdb.stringLiteral(path)).join(", ");
    const joined = await this.#spool.exclusively(async (connection, path) => {
      const query = `SELECT ${list.join(", ")} FROM read_parquet([${pieces}])`;
      const dictionaries = target.length > DICTIONARY_COLUMNS_MAX ? ", DICTIONARY_SIZE_LIMIT 0" : "";
      await connection.run(copyStatement(query, path, `COMPRESSION zstd${dictionaries}`));
      return path;
    });
    try {
      const { size } = await stat(joined);
      await blobs.put(key, createReadStream(joined), { ifAbsent: true, sizeBytes: size });
    } catch (thrown) {
      // The existing blob holds the same rows: a key is never reused for other rows.
      if (!hasCode(thrown, "BLOB_EXISTS")) throw thrown;
    } finally {
      await rm(joined, { force: true });
    }
  }

  /**
   * Whether all rows differ in these columns of the target. Also false if this cannot be determined (too
   * many or too long rows), and for floating point, where engines differ in what they treat as equal. Never
   * throws.
   */
  async areUnique(columns: readonly string[]): Promise<boolean> {
    const keys = columns.map((name) => this.columns.find(({ column }) => column === name));
    if (keys.some((key) => key === undefined || key.type === "DOUBLE")) return false;
    if (this.#rowCount > UNIQUE_ROWS_MAX) return false;
    const list = keys.map((key) => identifier(key!.name)).join(", ");
    const pieces = this.#pieces.map((path) => duckdb.stringLiteral(path)).join(", ");
    const distinct = `SELECT count(*) FROM (SELECT DISTINCT ${list} FROM read_parquet([${pieces}]))`;
    try {
      const found = await this.#spool.exclusively((connection) => connection.runAndReadAll(distinct));
      return Number(found.getRows()[0]?.[0]) === this.#rowCount;
    } catch {
      return false;
    }
  }

  /** Idempotent. */
  async drop(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const path of pieces) await rm(path, { force: true });
  }
}

const copyStatement = (query: string, path: string, options: string): string =>
  `COPY (${query}) TO ${duckdb.stringLiteral(path)} (FORMAT parquet, ROW_GROUP_SIZE_BYTES ${ROW_GROUP_BYTES}, ${options})`;

function spoolError(thrown: unknown): unknown {
  if (thrown instanceof TributaryError) return thrown;
  const message = messageOf(thrown);
  return new TributaryError(isDiskFull(thrown) ? "DISK_FULL" : "WAREHOUSE_FAILED", `spooling rows: ${message}`, {
    cause: thrown,
  });
}
