import type { TableBlock } from "../../../lib/messages/generated.ts";
import type { BlockStatus } from "../http/schemas.ts";
import { describeError, isoTime } from "./status.ts";

/** A block without news for this long after its next attempt has lost its committer. */
const STALE_AFTER_MS = 60 * 60 * 1000;

/**
 * The tables whose commits keep failing. A block ends with the committer's word, or with a later commit of
 * the table: a committer that crashed says nothing.
 */
export class Blocks {
  readonly #byTable = new Map<string, TableBlock>();

  note(block: TableBlock): void {
    if (block.blocked) this.#byTable.set(block.table, block);
    else this.#byTable.delete(block.table);
  }

  /** A micro-batch of the table has ended. */
  noteCommit(table: string, atMs: number): void {
    if ((this.#byTable.get(table)?.atMs ?? Infinity) < atMs) this.#byTable.delete(table);
  }

  of(table: string, nowMs: number): BlockStatus | null {
    const block = this.#byTable.get(table);
    if (!block || nowMs > block.nextTryAtMs + STALE_AFTER_MS) return null;
    return {
      step: block.step,
      error: describeError(block.errorCode, block.errorMessage),
      attempts: block.attempts,
      since: isoTime(block.sinceMs)!,
      nextTryAt: isoTime(block.nextTryAtMs)!,
      files: [...block.fileIds],
    };
  }
}
