import type {
  EndOfFile,
  LoadPlan,
  Reject,
  RejectBatch,
  RejectText,
  Repetition,
  RowBatch,
  RowMessage,
} from "../../../lib/messages/generated.ts";
import { operationIn, type TableOperation } from "../../../lib/messages/operation.ts";
import type { Stage } from "../../../lib/warehouse/warehouse.ts";
import { ackPosition, isAbsorbed } from "./watermark.ts";

/** A file version whose end-of-file has been read. */
export interface EndedFile {
  readonly fileId: string;
  readonly sourceFile: string;
  readonly sourceOffset: number;
  /** Changes, with `stage`, if the file is read again (rebuild/read-again.ts). */
  readonly end: EndOfFile;
  /** Offset of its end-of-file in rows.<table>. */
  readonly rowsOffset: number;
  /** What the file repeats or corrects; absent: it is a new version. */
  readonly repeats?: Repetition | undefined;
  /** An operation on the table, in place of a file. */
  readonly operation?: TableOperation | undefined;
  /** The file is held by its parser: JSON of HeldReason[]. */
  readonly heldReasonsJson?: string | undefined;
  /** How the file was read: JSON (lib/formats/reading.ts). */
  readonly dialectJson?: string | undefined;
  /** Set: the event decides about a held file, which has the same id. */
  readonly verdict?: "accept" | "refuse" | undefined;
  /** The version was applied before, under another name of the table. */
  readonly settled?: boolean | undefined;
  /** Rows and rejects of the first attempt that ended. */
  readonly stage: Stage;
  /** Describes what the attempt has lost; set: the file must not be committed. */
  readonly missing?: Lost;
  /** Set: its load plan does not load, and the stage lacks its rows. They are read again before a commit. */
  readonly unplanned?: string;
}

/** What the caller must do with one message. */
export type Step =
  | { do: "skip"; because: "absorbed" | "superseded" | "repeated" | "incomplete" }
  | { do: "append"; stage: Stage; batch: RowBatch }
  | LoadStep
  | { do: "reject"; stage: Stage; rejects: readonly Reject[] }
  | { do: "end"; file: EndedFile };

/** Load the rows of a plan into the attempt's stage, or note in the attempt why they cannot be loaded. */
export interface LoadStep {
  do: "load";
  plan: LoadPlan;
  sourceFile: string;
  attempt: Pick<ParseAttempt, "stage" | "missing" | "unplanned">;
}

/** One parse attempt of a file, as far as it has been read. */
interface ParseAttempt {
  readonly stage: Stage;
  rows: number;
  rejects: number;
  /** Rejects arrive in ascending row order, so rows up to this one are duplicates. */
  lastRejectedRow: number;
  /** Text of the next reject that follows its `raw`. */
  text?: { row: number; parts: string[] } | undefined;
  /** Set once a message or the raw file is known to be lost: the attempt is unusable. */
  missing?: Lost;
  /** Its rows come by a plan. */
  planned?: boolean;
  /** Why the plan does not load: the file is read row by row in its place. */
  unplanned?: string;
}

/** Why rows of an attempt are missing. */
export interface Lost {
  code: "ROWS_MISSING" | "BLOB_MISSING" | "BLOB_DAMAGED";
  message: string;
}

const rowsMissing = (message: string): Lost => ({ code: "ROWS_MISSING", message });

/** A file between its first message and its ledger write. */
interface OpenFile {
  readonly firstOffset: number;
  /** From its first message: the end of a damaged file event knows neither. */
  readonly fileId: string;
  readonly sourceFile: string;
  readonly attempts: Map<string, ParseAttempt>;
  ended?: EndedFile;
  released: boolean;
}

/**
 * Folds the messages of one rows.<table> into files.
 *
 *     unknown ─first message─▶ open ─usable attempt ends─▶ ended
 *     ended ─no older file open─▶ released ─recorded─▶ absorbed
 *
 * - Attempts of a file are never mixed: each has its own stage. The first that ends wins, and the others are
 *   discarded.
 * - Row batches of an attempt must be contiguous. A repeated one is skipped. After a gap the attempt is
 *   unusable, and the file waits for another. If an attempt ends with a gap and no other is running, the
 *   file ends with `missing`.
 * - Files are released in ascending order of source offset, so that the watermark never passes an open file.
 * - Messages at or below the watermark are skipped.
 * - After an unreadable record nothing is released or acked until it is known whose it was (lost-files.ts).
 *
 * No I/O and no clock: the caller carries out the steps, and discards the stages from `takeDiscarded`.
 */
export class ParseAttempts {
  readonly #openStage: (runId: string) => Stage;
  readonly #files = new Map<number, OpenFile>();
  #watermark: number | undefined;
  #nextOffset: number | undefined;
  #discarded: Stage[] = [];
  /** Offset of the first record that could not be decoded and has not been accounted for. */
  #unreadable: number | undefined;

  constructor(watermark: number | undefined, openStage: (runId: string) => Stage) {
    this.#watermark = watermark;
    this.#openStage = openStage;
  }

  /** Whether a file's end-of-file is outstanding. */
  get hasOpenFiles(): boolean {
    for (const file of this.#files.values()) if (!file.ended) return true;
    return false;
  }

  /** Processes the message at `offset` of rows.<table>. */
  accept(offset: number, message: RowMessage): Step {
    this.#nextOffset = offset + 1;
    const { sourceOffset, runId, body } = message;
    if (isAbsorbed(sourceOffset, this.#watermark)) return { do: "skip", because: "absorbed" };
    const file = this.#fileAt(message, offset);
    if (file.ended) return { do: "skip", because: "superseded" };
    const attempt = this.#attemptOf(file, runId);
    if ("tributary.EndOfFile" in body) return this.#end(file, attempt, message, body["tributary.EndOfFile"], offset);
    if (attempt.missing !== undefined) return { do: "skip", because: "incomplete" };
    if ("tributary.RowBatch" in body) return this.#rows(attempt, body["tributary.RowBatch"]);
    if (message.loadPlan) return this.#plan(attempt, message.loadPlan, file.sourceFile);
    if (message.rejectText) return this.#rejectText(attempt, message.rejectText);
    return this.#rejects(attempt, body["tributary.RejectBatch"]);
  }

  /** Ended files that may be committed now, ascending by source offset; each is returned once. */
  release(): EndedFile[] {
    if (this.#unreadable !== undefined) return [];
    const released: EndedFile[] = [];
    for (const [, file] of [...this.#files].sort(([a], [b]) => a - b)) {
      if (!file.ended) break;
      if (file.released) continue;
      file.released = true;
      released.push(file.ended);
    }
    return released;
  }

  /** Marks these files as recorded: they no longer block the ack, and their further messages are skipped. */
  recorded(files: readonly EndedFile[]): void {
    for (const { sourceOffset } of files) {
      this.#files.delete(sourceOffset);
      this.#watermark = Math.max(this.#watermark ?? sourceOffset, sourceOffset);
    }
  }

  /** Highest recorded source offset. */
  get watermark(): number | undefined {
    return this.#watermark;
  }

  /** Position up to which rows.<table> may be acked; undefined before the first message. */
  get ackable(): number | undefined {
    if (this.#nextOffset === undefined) return undefined;
    return ackPosition(this.#files.values(), this.#unreadable ?? this.#nextOffset);
  }

  /** The offset after the last message; 0 before the first. */
  get nextOffset(): number {
    return this.#nextOffset ?? 0;
  }

  /** Notes a record that cannot be decoded: a message of an unknown file is lost. */
  skipUnreadable(offset: number): void {
    this.#nextOffset = offset + 1;
    this.#unreadable ??= offset;
  }

  /** Call when every file that an unreadable record may have belonged to has ended. */
  accountedFor(): void {
    this.#unreadable = undefined;
  }

  get hasUnreadable(): boolean {
    return this.#unreadable !== undefined;
  }

  /** The newest file version that ended after the unreadable record; undefined: none. */
  get endedSinceUnreadable(): number | undefined {
    const since = this.#unreadable ?? Infinity;
    const ended = [...this.#files].filter(([, file]) => (file.ended?.rowsOffset ?? -1) > since);
    return ended.length === 0 ? undefined : Math.max(...ended.map(([sourceOffset]) => sourceOffset));
  }

  /** Whether ended files wait: for an older file's end, or because of an unreadable record. */
  get isHeldUp(): boolean {
    if (this.hasUnreadable) return true;
    return this.hasOpenFiles && [...this.#files.values()].some(({ ended, released }) => ended && !released);
  }

  /** Files whose end has not been read. */
  openFiles(): Pick<EndedFile, "fileId" | "sourceFile" | "sourceOffset">[] {
    return [...this.#files].flatMap(([sourceOffset, { ended, fileId, sourceFile }]) =>
      ended ? [] : [{ sourceOffset, fileId, sourceFile }],
    );
  }

  /** Whether the file version has ended or is recorded. */
  hasEnded(sourceOffset: number): boolean {
    return isAbsorbed(sourceOffset, this.#watermark) || this.#files.get(sourceOffset)?.ended !== undefined;
  }

  /** Stages of unused attempts, for the caller to discard. */
  takeDiscarded(): Stage[] {
    const discarded = this.#discarded;
    this.#discarded = [];
    return discarded;
  }

  /** All open stages, to discard when the assignment ends. */
  stages(): Stage[] {
    return [...this.#files.values()].flatMap(({ attempts, ended }) => [
      ...[...attempts.values()].map(({ stage }) => stage),
      ...(ended ? [ended.stage] : []),
    ]);
  }

  #fileAt({ sourceOffset, fileId, sourceFile }: RowMessage, offset: number): OpenFile {
    const known = this.#files.get(sourceOffset);
    if (known) return known;
    const file: OpenFile = { firstOffset: offset, fileId, sourceFile, attempts: new Map(), released: false };
    this.#files.set(sourceOffset, file);
    return file;
  }

  #attemptOf(file: OpenFile, runId: string): ParseAttempt {
    const known = file.attempts.get(runId);
    if (known) return known;
    const attempt: ParseAttempt = { stage: this.#openStage(runId), rows: 0, rejects: 0, lastRejectedRow: 0 };
    file.attempts.set(runId, attempt);
    return attempt;
  }

  #rows(attempt: ParseAttempt, batch: RowBatch): Step {
    if (batch.firstRow + batch.rowCount <= attempt.rows) return { do: "skip", because: "repeated" };
    if (batch.firstRow !== attempt.rows) {
      attempt.missing = rowsMissing(`rows ${attempt.rows + 1}–${batch.firstRow} are missing from the row topic`);
      return { do: "skip", because: "incomplete" };
    }
    attempt.rows += batch.rowCount;
    return { do: "append", stage: attempt.stage, batch };
  }

  #plan(attempt: ParseAttempt, plan: LoadPlan, sourceFile: string): Step {
    if (attempt.planned) return { do: "skip", because: "repeated" };
    attempt.planned = true;
    attempt.rows += plan.rowCount;
    return { do: "load", plan, sourceFile, attempt };
  }

  #rejects(attempt: ParseAttempt, batch: RejectBatch): Step {
    const rejects = batch.rejects.filter(({ row }) => row > attempt.lastRejectedRow);
    const last = rejects.at(-1);
    if (!last) return { do: "skip", because: "repeated" };
    attempt.rejects += rejects.length;
    attempt.lastRejectedRow = last.row;
    const { text } = attempt;
    attempt.text = undefined;
    const whole = rejects.map((reject) =>
      reject.row === text?.row ? { ...reject, raw: reject.raw + text.parts.join("") } : reject,
    );
    return { do: "reject", stage: attempt.stage, rejects: whole };
  }

  #rejectText(attempt: ParseAttempt, { row, part, text }: RejectText): Step {
    const parts = attempt.text?.row === row ? attempt.text.parts : [];
    if (row <= attempt.lastRejectedRow || part < parts.length) return { do: "skip", because: "repeated" };
    if (part !== parts.length) {
      attempt.missing = rowsMissing(`text of the rejected row ${row} is missing from the row topic`);
      return { do: "skip", because: "incomplete" };
    }
    attempt.text = { row, parts: [...parts, text] };
    return { do: "reject", stage: attempt.stage, rejects: [] };
  }

  #end(file: OpenFile, attempt: ParseAttempt, message: RowMessage, end: EndOfFile, offset: number): Step {
    const { sourceOffset } = message;
    const { fileId, sourceFile } = file;
    const missing = end.outcome === "complete" ? (attempt.missing ?? missingOf(attempt, end)) : undefined;
    const others = [...file.attempts.values()].filter((other) => other !== attempt);
    if (missing !== undefined && others.some((other) => other.missing === undefined)) {
      attempt.missing = missing;
      return { do: "skip", because: "incomplete" };
    }
    this.#discarded.push(...others.map(({ stage }) => stage));
    file.attempts.clear();
    const repeats = message.repeats ?? undefined;
    const about = {
      fileId,
      sourceFile,
      sourceOffset,
      repeats,
      operation: operationIn(message),
      settled: message.settled,
    };
    const doubt = { heldReasonsJson: message.heldReasonsJson ?? undefined, verdict: verdictIn(message) };
    const dialectJson = message.dialectJson ?? undefined;
    const unplanned = attempt.unplanned === undefined ? {} : { unplanned: attempt.unplanned };
    const ended = { ...about, ...doubt, ...unplanned, dialectJson, end, rowsOffset: offset, stage: attempt.stage };
    file.ended = missing === undefined ? ended : { ...ended, missing };
    return { do: "end", file: file.ended };
  }
}

function verdictIn({ verdict }: RowMessage): EndedFile["verdict"] {
  return verdict === "accept" || verdict === "refuse" ? verdict : undefined;
}

/** The rows and rejects that an attempt lacks according to its end-of-file. */
function missingOf({ rows, rejects }: ParseAttempt, { rowsAccepted, rowsRejected }: EndOfFile): Lost | undefined {
  if (rows === rowsAccepted && rejects === rowsRejected) return undefined;
  const counts = `${rows} of ${rowsAccepted} accepted and ${rejects} of ${rowsRejected} rejected rows`;
  return rowsMissing(`the row topic has ${counts}`);
}
