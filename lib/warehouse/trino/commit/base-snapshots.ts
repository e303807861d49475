import { TributaryError } from "../../../errors.ts";
import { repeatedKeySelect, repeatedOwnKeySelect, type MergeInput } from "../../commit/merge.ts";
import type { TableLayout } from "../../warehouse.ts";
import type { TrinoClient } from "../client/client.ts";
import { tableSql } from "../names.ts";
import { currentSnapshot, type CommittedSnapshot, type SnapshotId } from "./snapshot.ts";

/**
 * Maximum rows of a table whose source files or keys the writer queries. The query must stay short compared
 * with the commits that it saves.
 */
const READ_ROWS_MAX = 5_000_000;
/**
 * Maximum source file names to keep. The writer keeps no names for a table with more files than `table`, and
 * at most `total` names for all tables.
 */
const NAMES_MAX = { table: 50_000, total: 500_000 };

/** State of a table when its writer last read it. */
interface Seen {
  snapshot: SnapshotId;
  /** Rows in the table, if known. */
  rows?: number | undefined;
  /**
   * All source files that may have rows in the table. It is undefined before the first query, and "too many"
   * if the writer does not keep them.
   */
  files?: Set<string> | "too many";
  /** No two rows of the table have the same key: the names of its columns. */
  uniqueKey?: readonly string[] | undefined;
}

/**
 * Keeps each table's base snapshot and the source files in it. The base snapshot is the fence of a guarded
 * commit, which takes effect only if the table is still at that snapshot. A writer may lose its table
 * without knowing it (it slept, or it lost its connection). The first commit of its successor fences it off.
 * If no other process writes in between, the writer needs no ownership check.
 */
export class BaseSnapshots {
  readonly #client: TrinoClient;
  readonly #seen = new Map<string, Seen>();
  #names = 0;

  constructor(client: TrinoClient) {
    this.#client = client;
  }

  /** Returns undefined if the writer must refresh first. */
  get(table: string): SnapshotId | undefined {
    return this.#seen.get(table)?.snapshot;
  }

  /** Records the snapshot that this writer made from the base snapshot and these files. */
  note({ table, mode, key }: TableLayout, made: CommittedSnapshot, sourceFiles: readonly string[]): void {
    const before = this.#seen.get(table);
    const keepsKey = mode === "upsert" && before?.uniqueKey !== undefined && sameNames(before.uniqueKey, key);
    const seen: Seen = { ...before, ...made, uniqueKey: keepsKey ? key : undefined };
    this.#seen.set(table, seen);
    this.#keep(seen, sourceFiles);
  }

  /**
   * Returns true if the table at its base snapshot may hold several rows of one key of the batch. It queries
   * a small table once: an upsert repeats no key. In a large table it looks at the batch's keys before each
   * commit.
   */
  async repeatsKey(input: MergeInput): Promise<boolean> {
    const { table, key } = input.layout;
    const seen = this.#seen.get(table);
    if (seen?.uniqueKey !== undefined && sameNames(seen.uniqueKey, key)) return false;
    const small = seen?.rows !== undefined && seen.rows <= READ_ROWS_MAX;
    const { rows } = await this.#client.run(small ? repeatedKeySelect(input) : repeatedOwnKeySelect(input));
    if (small && rows.length === 0) seen.uniqueKey = key;
    return rows.length > 0;
  }

  /**
   * Forgets the table after a failure, or if other processes may have written. The next commit refreshes it.
   */
  forget(table: string): void {
    this.#drop(this.#seen.get(table));
    this.#seen.delete(table);
  }

  /**
   * Reads the table's snapshot. The writer that owns the table *after* the read was the last to write that
   * snapshot. Confirm ownership after the read, not before it.
   */
  async refresh(table: string, confirmOwner: () => Promise<void>): Promise<SnapshotId> {
    const snapshot = await this.#now(table);
    await confirmOwner();
    this.forget(table);
    this.#seen.set(table, { snapshot });
    return snapshot;
  }

  async isCurrent(table: string, seen: SnapshotId): Promise<boolean> {
    return (await this.#now(table)) === seen;
  }

  /**
   * Returns true if the table at its base snapshot certainly has no row of any of the files. It queries the
   * table once, if the table is not too large and this writer's last commit succeeded. After that, every
   * commit adds its files to the known ones.
   */
  async holdsNone(table: string, sourceFiles: readonly string[]): Promise<boolean> {
    const seen = this.#seen.get(table);
    if (seen?.rows === undefined || typeof seen.snapshot !== "string") return false;
    if (seen.files === undefined) {
      if (seen.rows > READ_ROWS_MAX) return false;
      const { rows } = await this.#client.run(
        `SELECT DISTINCT "_source_file" FROM ${tableSql(table)} FOR VERSION AS OF ${BigInt(seen.snapshot)} LIMIT ${NAMES_MAX.table + 1}`,
      );
      seen.files = new Set();
      this.#keep(
        seen,
        rows.map(([name]) => String(name)),
      );
    }
    const { files } = seen;
    return files instanceof Set && !sourceFiles.some((name) => files.has(name));
  }

  async #now(table: string): Promise<SnapshotId> {
    return currentSnapshot(this.#client, table);
  }

  #keep(seen: Seen, sourceFiles: readonly string[]): void {
    if (!(seen.files instanceof Set)) return;
    const before = seen.files.size;
    for (const name of sourceFiles) seen.files.add(name);
    this.#names += seen.files.size - before;
    if (seen.files.size <= NAMES_MAX.table && this.#names <= NAMES_MAX.total) return;
    this.#drop(seen);
    seen.files = "too many";
  }

  #drop(seen: Seen | undefined): void {
    if (seen?.files instanceof Set) this.#names -= seen.files.size;
  }
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, index) => name === b[index]);

export function concurrentWrite(table: string): TributaryError {
  return new TributaryError("WAREHOUSE_CONFLICT", `table '${table}' has been written by somebody else meanwhile`);
}
