import type { EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { guardedTail, type GuardedTail, type OnUnreadable } from "../../../lib/event-log/guarded-tail.ts";
import { fileSkips } from "../../../lib/messages/avro.ts";
import type { FileSkip } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";

/** Skips in memory, newest first. Older ones concern files that have ended long ago. */
const SKIPS_MAX = 100_000;

/**
 * The files that were set aside or cancelled. Every committer reads all of `file-skips`, without a consumer
 * group: a skip stays in effect if the table moves to another committer. A skip of a file that has ended
 * changes nothing.
 */
export class Skips {
  readonly #byFile = new Map<string, FileSkip>();
  #tail: GuardedTail | undefined;

  /** Calls `onSkip` with each skip. Resolves before existing records are read. */
  static async follow(log: EventLog, onUnreadable: OnUnreadable, onSkip: (skip: FileSkip) => void): Promise<Skips> {
    const skips = new Skips();
    const take = ({ value }: LogRecord): void => {
      const skip = fileSkips.decode(value);
      skips.#add(skip);
      onSkip(skip);
    };
    skips.#tail = await guardedTail(log, [TOPICS.fileSkips.name], take, onUnreadable);
    return skips;
  }

  /** The skip of a file of the table; undefined: nobody set it aside. */
  of(table: string, fileId: string): FileSkip | undefined {
    const skip = this.#byFile.get(fileId);
    return skip?.table === table ? skip : undefined;
  }

  /** Resolves when every skip has been read that is stored now. @throws LOG_UNAVAILABLE */
  async caughtUp(): Promise<void> {
    await this.#tail?.caughtUp();
  }

  /** @throws MESSAGE_TOO_NEW */
  assertReadable(): void {
    this.#tail?.assertReadable();
  }

  async close(): Promise<void> {
    await this.#tail?.close();
  }

  #add(skip: FileSkip): void {
    this.#byFile.set(skip.fileId, skip);
    if (this.#byFile.size > SKIPS_MAX) this.#byFile.delete(this.#byFile.keys().next().value!);
  }
}
