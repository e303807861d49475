import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { eventPartition, parsedTo } from "../../../lib/event-log/table-partition.ts";
import type { RowMessage } from "../../../lib/messages/generated.ts";
import { rowsTopic } from "../../../lib/messages/topics.ts";
import { endOf, parsedEvents } from "./expired.ts";
import type { ParseAttempts } from "./parse-attempts.ts";

/** How far parsers and the rows topic were at one moment. */
interface Progress {
  /** File events of the table's partition before this offset are parsed: all their messages are published. */
  parsedTo: number;
  /** End of the table's partition of file-events. */
  eventsEnd: number;
  /** End of the rows topic, read after `parsedTo`. */
  rowsEnd: number;
}

/**
 * Finds files whose end will never come: it was damaged, or another version of the parser began the file and
 * did not end it. A parser acks a file event after it has published the file's end. So a file is lost if its
 * event was acked, and it has not ended although every record that the rows topic had then has been read.
 */
export class LostFiles {
  readonly #log: EventLog;
  readonly #table: string;
  #progress: Progress | undefined;
  /** Once file events before this offset are parsed, the file of an unreadable record is among them. */
  #suspectTo: number | undefined;

  constructor(log: EventLog, table: string) {
    this.#log = log;
    this.#table = table;
  }

  /**
   * How lost files end, in order of their versions. Call again while `attempts.isHeldUp`.
   * @throws LOG_UNAVAILABLE
   */
  async ends(attempts: ParseAttempts, nowMs: number): Promise<RowMessage[]> {
    const ended = attempts.endedSinceUnreadable;
    if (ended !== undefined) {
      // Parsers end files in order: the unreadable record belongs to this file or to an older one.
      const lost = await this.#unended(attempts, ended, nowMs);
      this.#suspectTo = undefined;
      attempts.accountedFor();
      return lost;
    }
    this.#progress ??= await this.#read();
    const { parsedTo, eventsEnd, rowsEnd } = this.#progress;
    if (attempts.nextOffset < rowsEnd) return [];
    this.#progress = undefined;
    const lost = await this.#unended(attempts, parsedTo, nowMs);
    this.#account(attempts, parsedTo, eventsEnd);
    return lost;
  }

  /** The ends of all files before the version `to` that are parsed and have not ended. */
  async #unended(attempts: ParseAttempts, to: number, nowMs: number): Promise<RowMessage[]> {
    const why = `the end of the file is missing in ${rowsTopic(this.#table).name}, or cannot be decoded`;
    const ends = new Map<number, RowMessage>();
    for (const open of attempts.openFiles()) {
      const { sourceOffset } = open;
      if (sourceOffset < to) ends.set(sourceOffset, endOf({ ...open, ...UNKNOWN }, sourceOffset, why, nowMs));
    }
    const from = (attempts.watermark ?? -1) + 1;
    for await (const { event, offset } of parsedEvents(this.#log, this.#table, from, to)) {
      if (!attempts.hasEnded(offset)) ends.set(offset, endOf(event, offset, why, nowMs));
    }
    return [...ends].sort(([a], [b]) => a - b).map(([, end]) => end);
  }

  /** The file that was being parsed when the record was found may be its file, too. */
  #account(attempts: ParseAttempts, parsedTo: number, eventsEnd: number): void {
    if (!attempts.hasUnreadable) return;
    this.#suspectTo ??= Math.min(parsedTo + 1, eventsEnd);
    if (parsedTo < this.#suspectTo) return;
    this.#suspectTo = undefined;
    attempts.accountedFor();
  }

  async #read(): Promise<Progress> {
    const events = await eventPartition(this.#log, this.#table);
    const parsed = await parsedTo(this.#log, events.partition);
    const [rows] = await this.#log.offsets(rowsTopic(this.#table).name);
    return { parsedTo: parsed, eventsEnd: events.next, rowsEnd: rows?.next ?? 0 };
  }
}

/** How often files that are held up look whether the file before them is lost. */
const HELD_UP_CHECK_MS = 1_000;

/** How long a writer may wait for new messages; undefined: until one arrives. */
export function waitMs(due: { inMs: number } | object, attempts: ParseAttempts): number | undefined {
  const inMs = "inMs" in due ? due.inMs : undefined;
  return attempts.isHeldUp ? Math.min(inMs ?? HELD_UP_CHECK_MS, HELD_UP_CHECK_MS) : inMs;
}

/** What only the file's event says; used if the log no longer has it. */
const UNKNOWN = {
  ...({ kind: "put", origin: "upload" } as const),
  ...{ table: "", blobKey: "", sizeBytes: 0, contentHash: "", etag: null, receivedAtMs: 0 },
  ...{ dialectJson: null, replayOf: null, versionOffset: null },
};
