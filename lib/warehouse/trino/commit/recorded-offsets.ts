/**
 * The newest source offset that the ledger is known to hold for each table. The ledger notes it; a commit whose files are all newer need
 * not read the ledger.
 */
export class RecordedOffsets {
  readonly #newest = new Map<string, number>();

  /** The newest offset; -1 for a table without entries; undefined until the ledger was read for the table. */
  newest(table: string): number | undefined {
    return this.#newest.get(table);
  }

  /** The ledger was read: this is the table's newest offset. */
  read(table: string, offset: number | undefined): void {
    this.#newest.set(table, offset ?? -1);
  }

  /** The ledger was written. Ignored until it was read, since other entries may be newer. */
  written(table: string, offset: number): void {
    const known = this.#newest.get(table);
    if (known !== undefined) this.#newest.set(table, Math.max(known, offset));
  }
}
