/**
 * Maximum rows of a table whose source files are queried. The query must stay short compared with the
 * commits that it saves.
 */
const READ_ROWS_MAX = 5_000_000;
/** Names that are kept of one table, and of all. A table with more has none. */
const NAMES_MAX = { table: 50_000, total: 500_000 };

/** A table as its writer knows it. */
export interface KnownRows {
  /** undefined: unknown. */
  rows: number | undefined;
  /** Queries its source files, at most so many. */
  read: (namesMax: number) => Promise<readonly string[]>;
}

/**
 * The source files that may have rows in a writer's tables, each at its base snapshot. A batch of other files
 * only adds rows, so it need not be compared with the table.
 */
export class SourceFiles {
  readonly #known = new Map<string, Set<string> | "too many">();
  #names = 0;

  /** True if the table certainly has no row of any of the files. It is queried once, unless it is large. */
  async holdsNone(table: string, sourceFiles: readonly string[], { rows, read }: KnownRows): Promise<boolean> {
    if (!this.#known.has(table)) {
      if (rows === undefined || rows > READ_ROWS_MAX) return false;
      const names = await read(NAMES_MAX.table + 1);
      this.#known.set(table, new Set());
      this.add(table, names);
    }
    const files = this.#known.get(table);
    return files instanceof Set && !sourceFiles.some((name) => files.has(name));
  }

  /** After a commit of these files by this writer, on the base snapshot that it knew. */
  add(table: string, sourceFiles: readonly string[]): void {
    const files = this.#known.get(table);
    if (!(files instanceof Set)) return;
    const before = files.size;
    for (const name of sourceFiles) files.add(name);
    this.#names += files.size - before;
    if (files.size <= NAMES_MAX.table && this.#names <= NAMES_MAX.total) return;
    this.forget(table);
    this.#known.set(table, "too many");
  }

  /** If others may have written to the table, or nobody knows. */
  forget(table: string): void {
    const files = this.#known.get(table);
    if (files instanceof Set) this.#names -= files.size;
    this.#known.delete(table);
  }
}
