import { TributaryError } from "../../../errors.ts";
import { SourceFiles } from "../../commit/source-files.ts";
import { repeatedKeySelect, repeatedOwnKeySelect, type MergeInput } from "../../commit/merge.ts";
import type { TableLayout } from "../../warehouse.ts";
import type { TrinoClient } from "../client/client.ts";
import { tableSql } from "../names.ts";
import { currentSnapshot, type CommittedSnapshot, type SnapshotId } from "./snapshot.ts";

/**
 * Maximum rows of a table whose keys the writer queries. The query must stay short compared with the commits
 * that it saves.
 */
const READ_ROWS_MAX = 5_000_000;

/** State of a table when its writer last read it. */
interface Seen {
  snapshot: SnapshotId;
  /** Rows in the table, if known. */
  rows?: number | undefined;
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
  readonly #files = new SourceFiles();

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
    this.#seen.set(table, { ...before, ...made, uniqueKey: keepsKey ? key : undefined });
    this.#files.add(table, sourceFiles);
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
    this.#files.forget(table);
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
   * Returns true if the table at its base snapshot certainly has no row of any of the files: see SourceFiles.
   * It may query the table if this writer's last commit succeeded.
   */
  async holdsNone(table: string, sourceFiles: readonly string[]): Promise<boolean> {
    const seen = this.#seen.get(table);
    const { rows, snapshot } = seen ?? {};
    if (typeof snapshot !== "string") return false;
    const read = async (namesMax: number): Promise<string[]> => {
      const found = await this.#client.run(
        `SELECT DISTINCT "_source_file" FROM ${tableSql(table)} FOR VERSION AS OF ${BigInt(snapshot)} LIMIT ${namesMax}`,
      );
      return found.rows.map(([name]) => String(name));
    };
    return this.#files.holdsNone(table, sourceFiles, { rows, read });
  }

  async #now(table: string): Promise<SnapshotId> {
    return currentSnapshot(this.#client, table);
  }
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, index) => name === b[index]);

export function concurrentWrite(table: string): TributaryError {
  return new TributaryError("WAREHOUSE_CONFLICT", `table '${table}' has been written by somebody else meanwhile`);
}
