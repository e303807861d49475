/**
 * Caches the newest source offset that the ledger holds for each table. The ledger updates this cache. If
 * all files of a commit are newer, the commit does not need to read the ledger.
 */
export class RecordedOffsets {
  readonly #newest = new Map<string, number>();

  /**
   * Returns the newest offset. It is -1 for a table without entries, and undefined before the first read of
   * the ledger for the table.
   */
  newest(table: string): number | undefined {
    return this.#newest.get(table);
  }

  /** Sets the table's newest offset after a read of the ledger. */
  read(table: string, offset: number | undefined): void {
    this.#newest.set(table, offset ?? -1);
  }

  /**
   * Raises the newest offset after a write to the ledger. It does nothing before the first read, because
   * other entries may be newer.
   */
  written(table: string, offset: number): void {
    const known = this.#newest.get(table);
    if (known !== undefined) this.#newest.set(table, Math.max(known, offset));
  }
}
