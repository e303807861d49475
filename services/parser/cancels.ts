import type { EventLog } from "../../lib/event-log/event-log.ts";
import { guardedTail, type GuardedTail, type OnUnreadable } from "../../lib/event-log/guarded-tail.ts";
import { fileSkips } from "../../lib/messages/avro.ts";
import type { FileSkip } from "../../lib/messages/generated.ts";
import { TOPICS } from "../../lib/messages/topics.ts";

/** Cancels in memory. Older ones concern files that have ended long ago. */
const CANCELS_MAX = 100_000;

/**
 * The files that somebody has cancelled. Every parser reads all of `file-skips`. The committer decides what
 * becomes of a cancelled file; a parser that knows of the cancel saves the work.
 */
export class Cancels {
  readonly #byFile = new Map<string, FileSkip>();
  readonly #watched = new Map<string, AbortController>();
  #tail: GuardedTail | undefined;

  /** Resolves before existing records are read. */
  static async follow(log: EventLog, onUnreadable: OnUnreadable): Promise<Cancels> {
    const cancels = new Cancels();
    cancels.#tail = await guardedTail(
      log,
      [TOPICS.fileSkips.name],
      ({ value }) => cancels.#add(fileSkips.decode(value)),
      onUnreadable,
    );
    return cancels;
  }

  /** The cancel of a file; undefined: nobody cancelled it. */
  of(fileId: string): FileSkip | undefined {
    return this.#byFile.get(fileId);
  }

  /** Runs `work` with a signal that aborts as soon as the file is cancelled. */
  async during<T>(fileId: string, work: (cancelled: AbortSignal) => Promise<T>): Promise<T> {
    const stopping = new AbortController();
    this.#watched.set(fileId, stopping);
    if (this.of(fileId)) stopping.abort();
    try {
      return await work(stopping.signal);
    } finally {
      this.#watched.delete(fileId);
    }
  }

  /** @throws MESSAGE_TOO_NEW */
  assertReadable(): void {
    this.#tail?.assertReadable();
  }

  async close(): Promise<void> {
    await this.#tail?.close();
  }

  #add(skip: FileSkip): void {
    if (!skip.cancelled) return;
    this.#byFile.set(skip.fileId, skip);
    if (this.#byFile.size > CANCELS_MAX) this.#byFile.delete(this.#byFile.keys().next().value!);
    this.#watched.get(skip.fileId)?.abort();
  }
}
