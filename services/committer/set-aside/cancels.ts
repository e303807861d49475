import type { Clock } from "../../../lib/clock.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { parseEvents } from "../../../lib/messages/avro.ts";
import type { FileSkip } from "../../../lib/messages/generated.ts";
import { progressIn } from "../../../lib/messages/progress.ts";
import { rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { publishProgress } from "../../../lib/observability/progress-reports.ts";
import type { Skips } from "./skips.ts";

/** Files with fewer rows are committed before anybody can cancel them: their commits are not announced. */
const ANNOUNCED_ROWS_MIN = 10_000;

export interface CancelDeps {
  log: EventLog;
  clock: Clock;
  logger: Logger;
  skips: Pick<Skips, "of" | "caughtUp">;
  settings: { announcedRowsMin?: number };
}

/**
 * Decides between a cancel and the commit of a file, for one table's writer. The beginning of the commit
 * decides: a cancel that the writer reads before it keeps the file out of the table, and a later one changes
 * nothing.
 *
 * After a crash the next writer must decide as its predecessor did, whose commit may have taken effect or may
 * still do so. So the commit of a large file is announced in the log first. A small file that was whole in
 * the log when the writer opened counts as begun.
 */
export class Cancels {
  readonly #deps: CancelDeps;
  readonly #table: string;
  /** End of the rows topic when the writer opened. */
  #openedAt = 0;
  /** Files whose commits this writer has begun. */
  readonly #begun = new WeakSet<EndedFile>();
  readonly #tooLate = new Set<string>();
  readonly #loading = new Map<string, AbortController>();

  constructor(deps: CancelDeps, table: string) {
    this.#deps = deps;
    this.#table = table;
  }

  /**
   * Call it when the writer opens. Afterwards every cancel counts that was stored before.
   * @throws LOG_UNAVAILABLE
   */
  async open(): Promise<void> {
    const { log, skips } = this.#deps;
    await skips.caughtUp();
    const [rows] = await log.offsets(rowsTopic(this.#table).name);
    this.#openedAt = rows?.next ?? 0;
  }

  /** Who set the file aside or cancelled it; undefined: nobody, or too late. */
  of(fileId: string): FileSkip | undefined {
    return this.#tooLate.has(fileId) ? undefined : this.#deps.skips.of(this.#table, fileId);
  }

  /** Runs `load` with a signal that aborts when the file is set aside, also if that has happened before. */
  async unlessCancelled(fileId: string, load: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const stopping = new AbortController();
    this.#loading.set(fileId, stopping);
    if (this.of(fileId)) stopping.abort();
    try {
      await load(stopping.signal);
    } finally {
      this.#loading.delete(fileId);
    }
  }

  /** A file was set aside. */
  notice({ fileId }: FileSkip): void {
    this.#loading.get(fileId)?.abort();
  }

  /** The commit of these files begins: from now on it is too late to cancel them. @throws LOG_UNAVAILABLE */
  async begin(files: readonly EndedFile[]): Promise<void> {
    for (const file of files) {
      if (this.#begun.has(file)) continue;
      this.#begun.add(file);
      if (this.#isAnnounced(file)) await this.#announce(file);
    }
  }

  /** Whether the file's commit may have begun. @throws LOG_UNAVAILABLE */
  async isTooLate(file: EndedFile): Promise<boolean> {
    const { fileId, rowsOffset } = file;
    const isNew = rowsOffset >= this.#openedAt;
    const tooLate =
      this.#begun.has(file) || (!isNew && (!this.#isAnnounced(file) || (await this.#wasAnnounced(fileId))));
    if (!tooLate) return false;
    this.#tooLate.add(fileId);
    this.#deps.logger.warn({ table: this.#table, fileId }, "cancelled too late: the commit of the file has begun");
    return true;
  }

  /** What a file holds is the same for every writer; its stage is not. */
  #isAnnounced({ end: { rowsRead, rowsAccepted } }: EndedFile): boolean {
    return rowsAccepted > 0 && rowsRead >= (this.#deps.settings.announcedRowsMin ?? ANNOUNCED_ROWS_MIN);
  }

  async #announce(file: EndedFile): Promise<void> {
    const { fileId, sourceOffset, end } = file;
    const none = { filesDone: 0, filesTotal: 1, bytesDone: 0, bytesTotal: end.sizeBytes, rowsDone: 0 };
    const about = { table: this.#table, fileId, sourceOffset };
    await publishProgress(this.#deps, about, { step: "commit", ...none, rowsTotal: end.rowsAccepted });
  }

  async #wasAnnounced(fileId: string): Promise<boolean> {
    const { log } = this.#deps;
    const topic = TOPICS.parseEvents.name;
    const [events] = await log.offsets(topic);
    if (!events) return false;
    for await (const { value } of log.read(topic, 0, events.earliest, events.next)) {
      try {
        const event = parseEvents.decode(value);
        if (event.fileId === fileId && progressIn(event.progressJson)?.step === "commit") return true;
      } catch {
        // Not a parse event.
      }
    }
    return false;
  }
}
