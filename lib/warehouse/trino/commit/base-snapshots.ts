import { TributaryError } from "../../../errors.ts";
import type { TrinoClient } from "../client/client.ts";
import { tableId } from "../names.ts";
import { currentSnapshot, type CommittedSnapshot, type SnapshotId } from "./snapshot.ts";

/** Of larger tables it is not asked which files they hold, so that the question stays short beside the commits it saves. */
const READ_ROWS_MAX = 5_000_000;
/** Of a table that holds more files than this, and of all tables together, no more names are kept. */
const NAMES_MAX = { table: 50_000, total: 500_000 };

/** A table as its writer last saw it. */
interface Seen {
  snapshot: SnapshotId;
  /** Rows in the table, if known. */
  rows?: number | undefined;
  /** The source files that the table may hold rows of, all of them; undefined: not asked yet, "too many": not to be kept. */
  files?: Set<string> | "too many";
}

/**
 * As which snapshot its writer last saw each table, and which files that held. A commit is made on the condition that the table still is so. A
 * writer that has lost its table without knowing (it slept, it was cut off) is thereby told by the first commit of its successor; and as long
 * as nothing comes between, nobody has to be asked.
 */
export class BaseSnapshots {
  readonly #client: TrinoClient;
  readonly #seen = new Map<string, Seen>();
  #names = 0;

  constructor(client: TrinoClient) {
    this.#client = client;
  }

  /** Undefined: it must look first. */
  get(table: string): SnapshotId | undefined {
    return this.#seen.get(table)?.snapshot;
  }

  /** This writer itself has made the table so, out of what it had seen and these files. */
  note(table: string, made: CommittedSnapshot, sourceFiles: readonly string[]): void {
    const seen: Seen = { ...this.#seen.get(table), ...made };
    this.#seen.set(table, seen);
    this.#keep(seen, sourceFiles);
  }

  /** Something went wrong, or others may have written: look again before the next commit. */
  forget(table: string): void {
    this.#drop(this.#seen.get(table));
    this.#seen.delete(table);
  }

  /** Looks at the table. Whoever owns it *afterwards* was the last to write what was seen, so ownership is to be confirmed then, not before. */
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
   * Is it certain that the table, as seen, holds no row of any of the files? Asks the table once, if it is not too large and this writer's last commit
   * went well; from then on every commit adds to what is known.
   */
  async holdsNone(table: string, sourceFiles: readonly string[]): Promise<boolean> {
    const seen = this.#seen.get(table);
    if (seen?.rows === undefined || typeof seen.snapshot !== "string") return false;
    if (seen.files === undefined) {
      if (seen.rows > READ_ROWS_MAX) return false;
      const { rows } = await this.#client.run(
        `SELECT DISTINCT "_source_file" FROM ${tableId(table)} FOR VERSION AS OF ${BigInt(seen.snapshot)} LIMIT ${NAMES_MAX.table + 1}`,
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

export function concurrentWrite(table: string): TributaryError {
  return new TributaryError("WAREHOUSE_CONFLICT", `table '${table}' has been written by somebody else meanwhile`);
}
