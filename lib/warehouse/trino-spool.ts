import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import type { BlobStore } from "../blob/blob-store.ts";
import { hasCode, messageOf, TributaryError } from "../errors.ts";
import type { RowBatch } from "../events/generated.ts";
import { ChunkAppender } from "./duckdb-chunk.ts";
import { decodeRows } from "./row-decoder.ts";
import { columnDefinitions, identifier, stringLiteral, type SqlColumn } from "./sql.ts";
import type { StagedColumn } from "./trino-source.ts";

/**
 * Rows on their way into Parquet files: tables of an in-memory DuckDB that spills to a temporary folder beyond its memory. Measured
 * on two busy cores, a million nine-column rows: 1.4 s to take in, 0.6 s to write, 5 MB against 77 MB of Avro.
 */
export class Spool {
  readonly #memoryBytesMax: number;
  #opened: Promise<{ instance: DuckDBInstance; folder: string }> | undefined;
  #names = 0;

  constructor(memoryBytesMax: number) {
    this.#memoryBytesMax = memoryBytesMax;
  }

  /** A place for rows with these columns. Throws DISK_FULL, or WAREHOUSE_FAILED if there is no temporary folder to write to. */
  async open(columns: readonly StagedColumn[]): Promise<SpooledRows> {
    this.#opened ??= this.#open();
    const { instance, folder } = await this.#opened;
    const connection = await instance.connect();
    const name = `rows_${++this.#names}`;
    const definitions = columns.map((one): SqlColumn => ({ name: one.name, type: one.type }));
    await connection.run(`CREATE TABLE ${name} (${columnDefinitions("duckdb", definitions)})`);
    return new SpooledRows(connection, name, columns, join(folder, `${name}.parquet`));
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    this.#opened = undefined;
    opened?.instance.closeSync();
    if (opened) await rm(opened.folder, { recursive: true, force: true });
  }

  async #open(): Promise<{ instance: DuckDBInstance; folder: string }> {
    const folder = await mkdtemp(join(tmpdir(), "tributary-spool-"));
    const instance = await DuckDBInstance.create(":memory:", {
      memory_limit: `${Math.ceil(this.#memoryBytesMax / 1024)}KiB`,
      temp_directory: join(folder, "tmp"),
      preserve_insertion_order: "true",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
    });
    return { instance, folder };
  }
}

/** Rows of one set of columns. */
export class SpooledRows {
  readonly columns: readonly StagedColumn[];
  readonly #connection: DuckDBConnection;
  readonly #name: string;
  readonly #path: string;
  readonly #hash = createHash("sha256");
  #appender: ChunkAppender | undefined;
  #ended = false;

  constructor(connection: DuckDBConnection, name: string, columns: readonly StagedColumn[], path: string) {
    this.#connection = connection;
    this.#name = name;
    this.#path = path;
    this.columns = columns;
  }

  async append(batch: RowBatch): Promise<void> {
    try {
      this.#appender ??= new ChunkAppender(await this.#connection.createAppender(this.#name));
      this.#appender.append(decodeRows(batch));
      this.#hash.update(batch.rows);
    } catch (thrown) {
      throw spoolError(thrown);
    }
  }

  /** The same for the same rows in the same order, whatever the batches and whoever computes it. */
  fingerprint(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Writes the columns that `target` has, with its names and types and in its order, to `key` as one Parquet file. Repeatable. */
  async store(blobs: BlobStore, key: string, target: readonly SqlColumn[]): Promise<void> {
    try {
      this.#appender?.close();
      this.#appender = undefined;
      const sources = new Map(this.columns.map(({ name, column }) => [column, name]));
      const list = target.map(
        ({ name, type }) => `CAST(${identifier(sources.get(name)!)} AS ${type}) AS ${identifier(name)}`,
      );
      await this.#connection.run(
        `COPY (SELECT ${list.join(", ")} FROM ${this.#name}) TO ${stringLiteral("duckdb", this.#path)}
         (FORMAT parquet, COMPRESSION zstd)`,
      );
      const { size } = await stat(this.#path);
      await blobs.put(key, createReadStream(this.#path), { ifAbsent: true, sizeBytes: size });
    } catch (thrown) {
      // Whoever wrote it meant the same rows: keys are never used twice for others.
      if (!hasCode(thrown, "BLOB_EXISTS")) throw spoolError(thrown);
    } finally {
      await rm(this.#path, { force: true });
    }
  }

  /** Idempotent. */
  async drop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#appender?.close();
    await this.#connection.run(`DROP TABLE IF EXISTS ${this.#name}`);
    this.#connection.closeSync();
  }
}

function spoolError(thrown: unknown): unknown {
  if (thrown instanceof TributaryError) return thrown;
  const message = messageOf(thrown);
  const full = /no space left|ENOSPC|disk is full|max_temp_directory_size/i.test(message);
  return new TributaryError(full ? "DISK_FULL" : "WAREHOUSE_FAILED", `spooling rows: ${message}`, { cause: thrown });
}
