import type { Contract } from "../../../lib/contract/contract.ts";
import type { Waiting } from "./micro-batch.ts";
import type { EndedFile } from "./parse-attempts.ts";

/** A complete file that waits for its commit, or for its ledger write. */
export interface ReadyFile extends Waiting {
  readonly file: EndedFile;
}

export const readyFile = (file: EndedFile): Pick<ReadyFile, "file" | "stage" | "alone"> => ({
  file,
  stage: file.stage,
  alone: file.operation !== undefined,
});

/**
 * The pending ledger write of a committed micro-batch. It takes about as long as a small commit, so the next
 * commit may run during it. At most one is pending: the next micro-batch waits for it before its own.
 */
export class LedgerWrite {
  #batch: readonly ReadyFile[] = [];
  #done: Promise<void> = Promise.resolve();

  /** The micro-batch of the pending write; empty without one. */
  get batch(): readonly ReadyFile[] {
    return this.#batch;
  }

  /**
   * Whether these files may be committed during the pending write. If a crash loses that write, its files
   * are committed again, after these, and that must never show an older state. So false if both batches
   * contain the same file, or if missing keys, deleted by a later file, would return. An operation on the
   * table reads the record of everything before it, and what follows it reads its record.
   */
  allows(next: readonly ReadyFile[], { deleteMissing, accept }: Contract): boolean {
    if (this.#batch.length === 0) return true;
    if ([...this.#batch, ...next].some(({ alone }) => alone)) return false;
    const names = new Set(this.#batch.map(({ file }) => file.sourceFile));
    // A file of the pending write may have the same content.
    if (accept.duplicateContent !== "load") return false;
    return !deleteMissing && !next.some(({ file }) => names.has(file.sourceFile));
  }

  /** Starts the write; calls `ended` when it settles. Only if no other write is pending. */
  begin(batch: readonly ReadyFile[], write: () => Promise<void>, ended: () => void): void {
    this.#batch = batch;
    this.#done = write().finally(() => (this.#batch = []));
    this.#done.then(ended, ended);
  }

  /** Resolves when no write is pending; rejects with the error of the last write. */
  done(): Promise<void> {
    return this.#done;
  }
}
