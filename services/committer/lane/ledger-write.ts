import type { Contract } from "../../../lib/contract/contract.ts";
import type { Waiting } from "./micro-batch.ts";
import type { EndedFile } from "./parse-attempts.ts";

/** A complete file in its lane: waiting for its commit, or for its record. */
export interface ReadyFile extends Waiting {
  readonly file: EndedFile;
}

/**
 * The micro-batch that is in its table and on its way to the record. The record takes about as long as a small commit, so the next commit may
 * begin meanwhile. There is at most one: who commits next waits for it before recording itself.
 */
export class LedgerWrite {
  #batch: readonly ReadyFile[] = [];
  #done: Promise<void> = Promise.resolve();

  /** What is on its way. */
  get batch(): readonly ReadyFile[] {
    return this.#batch;
  }

  /**
   * May these files be committed before the record is made? Should the record be lost in a crash, its files are committed again, after
   * these: that must not show an older state, not even for a moment. So not where both hold the same file, nor where a later file's missing
   * keys would come back.
   */
  allows(next: readonly ReadyFile[], { deleteMissing }: Contract): boolean {
    if (this.#batch.length === 0) return true;
    const names = new Set(this.#batch.map(({ file }) => file.sourceFile));
    return !deleteMissing && !next.some(({ file }) => names.has(file.sourceFile));
  }

  /** Begins to record; `done` tells how it ends, and `ended` is called then. Only after the one before is done. */
  begin(batch: readonly ReadyFile[], record: () => Promise<void>, ended: () => void): void {
    this.#batch = batch;
    this.#done = record().finally(() => (this.#batch = []));
    this.#done.then(ended, ended);
  }

  /** Resolves when nothing is on its way. Throws what the last record failed of. */
  done(): Promise<void> {
    return this.#done;
  }
}
