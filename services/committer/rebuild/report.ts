import type { Clock } from "../../../lib/clock.ts";
import type { Progress } from "../../../lib/messages/progress.ts";
import type { Amount } from "../../../lib/rebuild/read.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { publishProgress, REPORT_MS, type ProgressDeps } from "../../../lib/observability/progress-reports.ts";

const NOTHING: Amount = { bytes: 0, rows: 0 };

/**
 * Publishes how far a rebuild is, for the gateway and its users. Best effort: a report that the log does not
 * take is left out, and the next one says more.
 */
export class ProgressReport {
  readonly #deps: ProgressDeps;
  readonly #clock: Clock;
  readonly #table: string;
  readonly #file: EndedFile;
  #step: Progress["step"] = "types";
  #files = { done: 0, total: 0 };
  #bytesTotal = 0;
  /** What the step has read, without the version that it reads. */
  #done = NOTHING;
  #reading = NOTHING;
  #reportedAtMs = -Infinity;
  #publishing: Promise<unknown> | undefined;
  #hasMore = false;

  constructor(deps: ProgressDeps, table: string, file: EndedFile) {
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#table = table;
    this.#file = file;
  }

  /** Begins a step, which reads these files. */
  begin(step: Progress["step"], total: { files: number; bytes: number }): void {
    this.#step = step;
    this.#files = { done: 0, total: total.files };
    this.#bytesTotal = total.bytes;
    this.#done = this.#reading = NOTHING;
    this.#hasMore = this.#publishing !== undefined;
    this.#report();
  }

  /** For Reading.onRead. A version that is read again counts once. */
  reading = ({ bytes, rows }: Amount): void => {
    this.#reading = { bytes, rows };
    if (this.#clock.monotonicMs() - this.#reportedAtMs >= REPORT_MS) this.#report();
  };

  /** Versions of these bytes are done. `rows`: how many rows they have. */
  readAll({ files, bytes, rows }: Amount & { files: number }): void {
    this.#files.done += files;
    this.#done = { bytes: this.#done.bytes + bytes, rows: this.#done.rows + rows };
    this.reading(NOTHING);
  }

  /** Resolves when nothing is being published. */
  async settled(): Promise<void> {
    while (this.#publishing) await this.#publishing;
  }

  #report(): void {
    if (this.#publishing) return;
    this.#hasMore = false;
    this.#reportedAtMs = this.#clock.monotonicMs();
    const progress: Progress = {
      step: this.#step,
      filesDone: this.#files.done,
      filesTotal: this.#files.total,
      // A file that an attempt has read in part may be longer than what is left of the total.
      bytesDone: Math.min(this.#bytesTotal, this.#done.bytes + this.#reading.bytes),
      bytesTotal: this.#bytesTotal,
      rowsDone: this.#done.rows + this.#reading.rows,
    };
    const { fileId, sourceOffset } = this.#file;
    this.#publishing = publishProgress(this.#deps, { table: this.#table, fileId, sourceOffset }, progress)
      .catch(() => undefined)
      .then(() => {
        this.#publishing = undefined;
        if (this.#hasMore) this.#report();
      });
  }
}
