import { evolve, type ColumnDefinition } from "../columns.ts";
import { hasCode } from "../errors.ts";
import type { PinnedFormat } from "../formats/format.ts";
import type { PublishedSchema, TableSchema } from "./table-schemas.ts";

/** A parsed file whose commit is not known yet. */
export interface ParsedFile {
  readonly sourceOffset: number;
  /** The table's columns after this file. */
  readonly columns: readonly ColumnDefinition[];
  readonly rowsAccepted: number;
  readonly pinned: PinnedFormat | undefined;
}

/** Files that bring the same columns. */
interface Group {
  readonly columns: readonly ColumnDefinition[];
  readonly pinned: PinnedFormat | undefined;
  readonly first: number;
  last: number;
}

/**
 * What the parsed but uncommitted files of one table will make of its columns. It applies the committer's own
 * rule (`evolve`) to the published schema, file by file: a file that conflicts will fail, and a file of which
 * no row loads changes no table, so neither leaves a trace here. Files at or below the published offset are
 * decided, and forgotten. Of each kind of change one group is kept, so the size does not grow with the number
 * of files.
 */
export class UncommittedFiles {
  readonly #table: string;
  readonly #groups = new Map<string, Group>();
  #newest = -1;
  #droppedAt = -1;

  constructor(table: string) {
    this.#table = table;
  }

  /**
   * Adds a file; files end in the order of their offsets. A file that ends again is ignored: of its parse
   * attempts the committer takes the first that ended.
   */
  add(file: ParsedFile, newest: PublishedSchema | undefined): void {
    const published = this.#afterDrop(newest);
    this.#forgetDecided(published);
    const { sourceOffset, rowsAccepted, pinned } = file;
    if (sourceOffset <= Math.max(this.#newest, published?.sourceOffset ?? -1)) return;
    this.#newest = sourceOffset;
    const known = published?.columns ?? [];
    const columns = this.#broughtTo(known, file.columns);
    if (columns.length === 0 || rowsAccepted === 0) return;
    const key = JSON.stringify(columns);
    const group = this.#groups.get(key);
    if (!group) this.#groups.set(key, { columns, pinned, first: sourceOffset, last: sourceOffset });
    else group.last = sourceOffset;
  }

  /** The table will be dropped at this offset: the files after it make a new one. */
  drop(sourceOffset: number): void {
    if (sourceOffset <= this.#droppedAt) return;
    this.#droppedAt = sourceOffset;
    this.#groups.clear();
  }

  /** The schema that the file at this offset will find; undefined for a new table. */
  expectedAt(sourceOffset: number, newest: PublishedSchema | undefined): TableSchema | undefined {
    const published = this.#afterDrop(newest);
    this.#forgetDecided(published);
    let columns = published?.columns ?? [];
    let pinned = published?.pinned;
    for (const group of this.#groups.values()) {
      if (group.first >= sourceOffset) break;
      const after = this.#after(columns, group.columns);
      if (!after) continue;
      columns = after.columns;
      pinned ??= group.pinned;
    }
    return columns.length === 0 && !pinned ? undefined : { columns, pinned };
  }

  /** What is published of the table before its drop says nothing about the files after it. */
  #afterDrop(published: PublishedSchema | undefined): PublishedSchema | undefined {
    return published && published.sourceOffset >= this.#droppedAt ? published : undefined;
  }

  #forgetDecided(published: PublishedSchema | undefined): void {
    if (!published) return;
    for (const [key, { last, columns }] of this.#groups) {
      const decided = last <= published.sourceOffset;
      if (decided || this.#broughtTo(published.columns, columns).length === 0) this.#groups.delete(key);
    }
  }

  /** What a file adds and widens; nothing if it conflicts. */
  #broughtTo(known: readonly ColumnDefinition[], wanted: readonly ColumnDefinition[]): ColumnDefinition[] {
    const after = this.#after(known, wanted);
    return after ? [...after.widened, ...after.added] : [];
  }

  /** Undefined if the file conflicts: it will fail. */
  #after(known: readonly ColumnDefinition[], wanted: readonly ColumnDefinition[]) {
    try {
      return evolve(this.#table, known, wanted);
    } catch (thrown) {
      if (hasCode(thrown, "SCHEMA_CONFLICT")) return undefined;
      throw thrown;
    }
  }
}
