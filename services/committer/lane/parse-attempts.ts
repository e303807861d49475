import type { EndOfFile, Reject, RejectBatch, RowBatch, RowMessage } from "../../../lib/messages/generated.ts";
import type { Stage } from "../../../lib/warehouse/warehouse.ts";
import { ackPosition, isAbsorbed } from "./watermark.ts";

/** A file version whose parser has said how it ended. */
export interface EndedFile {
  readonly fileId: string;
  readonly sourceFile: string;
  readonly sourceOffset: number;
  readonly end: EndOfFile;
  /** Offset of its end-of-file in rows.<table>. */
  readonly rowsOffset: number;
  /** The rows and rejects of the run that ended first. */
  readonly stage: Stage;
  /** What is missing of the run, if messages were lost on the way: the file must not be committed then. */
  readonly missing?: string;
}

/** What is to be done about one message. */
export type Step =
  | { do: "skip"; because: "absorbed" | "superseded" | "repeated" | "incomplete" }
  | { do: "append"; stage: Stage; batch: RowBatch }
  | { do: "reject"; stage: Stage; rejects: readonly Reject[] }
  | { do: "end"; file: EndedFile };

/** One parse of a file, as far as it has been read. */
interface Run {
  readonly stage: Stage;
  rows: number;
  rejects: number;
  /** Rejects come in ascending order of row: what is not above this one has been seen. */
  lastRejectedRow: number;
  /** Set once a message is known to be lost; the run can no longer be used. */
  missing?: string;
}

/** A file between its first message and its record. */
interface OpenFile {
  readonly firstOffset: number;
  readonly runs: Map<string, Run>;
  ended?: EndedFile;
  released: boolean;
}

/**
 * Folds the messages of one rows.<table> into files.
 *
 *     unknown ──first message──▶ open ──a usable run's end-of-file──▶ ended ──nothing older is open──▶ released ──recorded──▶ absorbed
 *
 * - Runs of a file are never mixed: each has a stage of its own, and the first that ends wins; the others are let go.
 * - Row batches of a run must be contiguous. A repeated one is skipped; after a gap the run is unusable and the file waits for
 *   another run. If a run ends with a gap and no other run is under way, none will come: the file ends with `missing`.
 * - Files are released in ascending order of source offset, so that the watermark never passes a file that is still open.
 * - What the watermark covers is skipped.
 *
 * No I/O and no time: the caller carries the steps out, and takes what was let go from `takeDiscarded`.
 */
export class ParseAttempts {
  readonly #openStage: (runId: string) => Stage;
  readonly #files = new Map<number, OpenFile>();
  #watermark: number | undefined;
  #nextOffset: number | undefined;
  #discarded: Stage[] = [];

  constructor(watermark: number | undefined, openStage: (runId: string) => Stage) {
    this.#watermark = watermark;
    this.#openStage = openStage;
  }

  /** Is a file being read whose end has not come yet? */
  get hasOpenFiles(): boolean {
    for (const file of this.#files.values()) if (!file.ended) return true;
    return false;
  }

  /** Takes in the message at `offset` of rows.<table>. */
  accept(offset: number, message: RowMessage): Step {
    this.#nextOffset = offset + 1;
    const { sourceOffset, runId, body } = message;
    if (isAbsorbed(sourceOffset, this.#watermark)) return { do: "skip", because: "absorbed" };
    const file = this.#fileAt(sourceOffset, offset);
    if (file.ended) return { do: "skip", because: "superseded" };
    const run = this.#runOf(file, runId);
    if ("tributary.EndOfFile" in body) return this.#end(file, run, message, body["tributary.EndOfFile"], offset);
    if (run.missing !== undefined) return { do: "skip", because: "incomplete" };
    if ("tributary.RowBatch" in body) return this.#rows(run, body["tributary.RowBatch"]);
    return this.#rejects(run, body["tributary.RejectBatch"]);
  }

  /** Files that have ended since the last call and may go into the table now: ascending, each once. */
  release(): EndedFile[] {
    const released: EndedFile[] = [];
    for (const [, file] of [...this.#files].sort(([a], [b]) => a - b)) {
      if (!file.ended) break;
      if (file.released) continue;
      file.released = true;
      released.push(file.ended);
    }
    return released;
  }

  /** Notes that these files are on record: they no longer hold the ack back, and what still comes of them is skipped. */
  recorded(files: readonly EndedFile[]): void {
    for (const { sourceOffset } of files) {
      this.#files.delete(sourceOffset);
      this.#watermark = Math.max(this.#watermark ?? sourceOffset, sourceOffset);
    }
  }

  /** Highest source offset on record. */
  get watermark(): number | undefined {
    return this.#watermark;
  }

  /** Position up to which rows.<table> may be acked; undefined before the first message. */
  get ackable(): number | undefined {
    return this.#nextOffset === undefined ? undefined : ackPosition(this.#files.values(), this.#nextOffset);
  }

  /** Stages of runs that will not be used, for the caller to discard. */
  takeDiscarded(): Stage[] {
    const discarded = this.#discarded;
    this.#discarded = [];
    return discarded;
  }

  /** Every stage still held: for the end of the assignment. */
  stages(): Stage[] {
    return [...this.#files.values()].flatMap(({ runs, ended }) => [
      ...[...runs.values()].map(({ stage }) => stage),
      ...(ended ? [ended.stage] : []),
    ]);
  }

  #fileAt(sourceOffset: number, offset: number): OpenFile {
    const known = this.#files.get(sourceOffset);
    if (known) return known;
    const file: OpenFile = { firstOffset: offset, runs: new Map(), released: false };
    this.#files.set(sourceOffset, file);
    return file;
  }

  #runOf(file: OpenFile, runId: string): Run {
    const known = file.runs.get(runId);
    if (known) return known;
    const run: Run = { stage: this.#openStage(runId), rows: 0, rejects: 0, lastRejectedRow: 0 };
    file.runs.set(runId, run);
    return run;
  }

  #rows(run: Run, batch: RowBatch): Step {
    if (batch.firstRow + batch.rowCount <= run.rows) return { do: "skip", because: "repeated" };
    if (batch.firstRow !== run.rows) {
      run.missing = `rows ${run.rows + 1} to ${batch.firstRow} of the run have not come through the event log`;
      return { do: "skip", because: "incomplete" };
    }
    run.rows += batch.rowCount;
    return { do: "append", stage: run.stage, batch };
  }

  #rejects(run: Run, batch: RejectBatch): Step {
    const rejects = batch.rejects.filter(({ row }) => row > run.lastRejectedRow);
    const last = rejects.at(-1);
    if (!last) return { do: "skip", because: "repeated" };
    run.rejects += rejects.length;
    run.lastRejectedRow = last.row;
    return { do: "reject", stage: run.stage, rejects };
  }

  #end(file: OpenFile, run: Run, message: RowMessage, end: EndOfFile, offset: number): Step {
    const { fileId, sourceFile, sourceOffset } = message;
    const missing = end.outcome === "complete" ? (run.missing ?? missingOf(run, end)) : undefined;
    const others = [...file.runs.values()].filter((other) => other !== run);
    if (missing !== undefined && others.some((other) => other.missing === undefined)) {
      run.missing = missing;
      return { do: "skip", because: "incomplete" };
    }
    this.#discarded.push(...others.map(({ stage }) => stage));
    file.runs.clear();
    const ended = { fileId, sourceFile, sourceOffset, end, rowsOffset: offset, stage: run.stage };
    file.ended = missing === undefined ? ended : { ...ended, missing };
    return { do: "end", file: file.ended };
  }
}

/** What a run lacks of what its end-of-file counted. */
function missingOf({ rows, rejects }: Run, { rowsAccepted, rowsRejected }: EndOfFile): string | undefined {
  if (rows === rowsAccepted && rejects === rowsRejected) return undefined;
  return `of ${rowsAccepted} accepted and ${rowsRejected} rejected rows, ${rows} and ${rejects} have come through the event log`;
}
