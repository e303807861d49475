import { statSync } from "node:fs";

/**
 * A write-ahead log of this size is checkpointed after the commit that reached it. This is DuckDB's own
 * default.
 */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
/**
 * If queries read a copy, the write-ahead log may grow to 1/128 of its file, and at least to this size: the
 * replay of 100 KiB takes 80 ms.
 */
const READERS_LOG_BYTES = 32 * 1024;
/**
 * Rows that are added to a table stay in memory until the next checkpoint, in blocks that cannot be evicted:
 * two of 64 KiB for each column, however few the rows. 700 tables of eight columns so fill 768 MiB, and
 * every later commit would fail. A checkpoint is due if they take this share of the memory.
 */
const UNEVICTABLE_SHARE_MAX = 1 / 3;

/**
 * The length of the log from which a checkpoint is due for the readers of a copy: each of them replays the
 * log.
 */
export function logBytesForReaders(path: string): number {
  return Math.min(LOG_BYTES_MAX, Math.max(READERS_LOG_BYTES, bytesOf(path) / 128));
}

/** Says when a database file needs a checkpoint: by the length of its log, or the memory that rows take. */
export class CheckpointDue {
  readonly #path: string;
  readonly #memoryBytesMax: number;
  readonly #rows: (sql: string) => Promise<unknown[][]>;
  #memoryShort = false;
  /** Rows in memory that the last checkpoint has left: those that are staged. */
  #leftBytes = 0;

  /** `rows` runs a query on the database's instance. */
  constructor(path: string, memoryBytesMax: number, rows: (sql: string) => Promise<unknown[][]>) {
    this.#path = path;
    this.#memoryBytesMax = memoryBytesMax;
    this.#rows = rows;
  }

  /** A statement found no memory. A checkpoint may free some. */
  memoryIsShort(): void {
    this.#memoryShort = true;
  }

  async isDue(logBytesMax = LOG_BYTES_MAX): Promise<boolean> {
    if (this.#memoryShort || bytesOf(`${this.#path}.wal`) >= logBytesMax) return true;
    const bytes = await this.#rowBytes();
    this.#leftBytes = Math.min(this.#leftBytes, bytes);
    return bytes - this.#leftBytes > this.#memoryBytesMax * UNEVICTABLE_SHARE_MAX;
  }

  /** Call it after each checkpoint. */
  async done(): Promise<void> {
    this.#memoryShort = false;
    this.#leftBytes = await this.#rowBytes();
  }

  async #rowBytes(): Promise<number> {
    const [row] = await this.#rows(
      "SELECT memory_usage_bytes::DOUBLE FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'",
    );
    return Number(row?.[0] ?? 0);
  }
}

const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
