import { fileWarnings } from "./warnings.ts";
import { heldReasonsIn, type HeldReason } from "../../../lib/contract/held.ts";
import { heldRemedy, withRemedies } from "../../../lib/contract/remedies/held-remedies.ts";
import { ERRORS } from "../../../lib/errors.ts";
import { operationIn } from "../../../lib/messages/operation.ts";
import { progressIn, type Progress as Amounts } from "../../../lib/messages/progress.ts";
import type { CommitEvent, FileEvent, FileOutcome, ParseEvent } from "../../../lib/messages/generated.ts";
import { isFinal, type FileState, type FileStatus } from "../http/schemas.ts";
import { hasOwn } from "../../../lib/own.ts";

/** The fields of events that a status shows. Memory per file matters: the view holds many files. */
type Arrival = Pick<
  FileEvent,
  "table" | "sourceFile" | "kind" | "origin" | "sizeBytes" | "contentHash" | "etag" | "receivedAtMs" | "replayOf"
> & {
  readonly offset: number;
  /** What the sender declared about the file's format; empty: nothing. */
  readonly declared: string;
  /** What the event asks of the table; null: it is about a file. */
  readonly operation: FileStatus["operation"];
};

type Attempt = Pick<ParseEvent, "atMs" | "errorCode" | "errorMessage">;
type ParseEnd = Omit<ParseEvent, "fileId" | "sourceOffset" | "progressJson">;
/** What a rebuild made of a file. */
type Recount = Pick<FileOutcome, "status" | "rowsRead" | "rowsCommitted" | "rowsRejected"> & { readonly atMs: number };
type Progress = Pick<ParseEvent, "atMs" | "progressJson">;

/** A file's final outcome, with its commit. */
export interface Ending {
  readonly commit: Pick<CommitEvent, "commitId" | "table" | "snapshotId" | "committedAtMs" | "commitMs" | "strategy">;
  readonly outcome: Omit<FileOutcome, "fileId" | "delimiter">;
  /** Set: the file is held. JSON of why. */
  readonly heldReasonsJson?: string;
}

// Object literals, because objects from rest patterns need three times the memory.

const arrivalOf = (event: FileEvent, offset: number): Arrival => ({
  table: event.table,
  sourceFile: event.sourceFile,
  kind: event.kind,
  origin: event.origin,
  sizeBytes: event.sizeBytes,
  contentHash: event.contentHash,
  etag: event.etag,
  receivedAtMs: event.receivedAtMs,
  replayOf: event.replayOf,
  offset,
  declared: declaredBy(event),
  operation: operationIn(event)?.kind ?? null,
});

/** The sender's declarations about the format, as one text to compare; empty: none. */
export const declaredBy = ({
  dialectJson,
  format,
  formatOptionsJson,
}: Pick<FileEvent, "dialectJson" | "format" | "formatOptionsJson">): string =>
  (dialectJson ?? "") + (format ?? "") + (formatOptionsJson ?? "");

const parseEndOf = (event: ParseEvent): ParseEnd => ({
  table: event.table,
  phase: event.phase,
  atMs: event.atMs,
  rowsRead: event.rowsRead,
  rowsRejected: event.rowsRejected,
  dialectJson: event.dialectJson,
  columnsJson: event.columnsJson,
  errorCode: event.errorCode,
  errorMessage: event.errorMessage,
  heldReasonsJson: event.heldReasonsJson ?? null,
  warningsJson: event.warningsJson,
});

const attemptOf = ({ atMs, errorCode, errorMessage }: ParseEvent): Attempt => ({ atMs, errorCode, errorMessage });

const outcomeOf = (outcome: FileOutcome): Ending["outcome"] => ({
  sourceFile: outcome.sourceFile,
  sourceOffset: outcome.sourceOffset,
  status: outcome.status,
  rowsRead: outcome.rowsRead,
  rowsCommitted: outcome.rowsCommitted,
  rowsRejected: outcome.rowsRejected,
  sizeBytes: outcome.sizeBytes,
  contentHash: outcome.contentHash,
  etag: outcome.etag,
  receivedAtMs: outcome.receivedAtMs,
  parsedAtMs: outcome.parsedAtMs,
  parseMs: outcome.parseMs,
  encoding: outcome.encoding,
  rowsOffset: outcome.rowsOffset,
  errorCode: outcome.errorCode,
  errorMessage: outcome.errorMessage,
});

/**
 * The known facts of one file, one event of each kind. Events may arrive late, repeatedly, in any order, or
 * never (a topic may have expired them). Each field keeps the greatest event of a total order, so every order
 * of arrival ends in the same facts.
 */
export interface FileFacts {
  readonly arrival?: Arrival;
  /** When its first parse began, epoch milliseconds. */
  readonly startedAtMs?: number;
  /** The newest start of a parse; with an error: the attempt failed and is repeated. */
  readonly attempt?: Attempt;
  /** A parse's end. Of several: a failed one (a successful retry shows at its commit), then the earliest. */
  readonly parse?: ParseEnd;
  /** The newest report of its parser, or of a rebuild's writer. */
  readonly progress?: Progress;
  readonly ending?: Ending;
  /** The newest rebuild of its table read it again. */
  readonly recount?: Recount;
  /** Somebody has decided about the held file: offset of the event. */
  readonly decidedAt?: number;
}

export const noFileFacts: FileFacts = {};

/** Adds the file event. Of a repeated one, the first in the log counts. */
export function withArrival(facts: FileFacts, event: FileEvent, offset: number): FileFacts {
  if (event.decision) return withDecision(facts, event, offset);
  return facts.arrival && facts.arrival.offset <= offset ? facts : { ...facts, arrival: arrivalOf(event, offset) };
}

/** The event of a decision has the held file's id. Of several the first counts, as in the committer. */
function withDecision(facts: FileFacts, event: FileEvent, offset: number): FileFacts {
  if (facts.decidedAt !== undefined && facts.decidedAt <= offset) return facts;
  return { ...facts, decidedAt: offset };
}

export function withParseEvent(facts: FileFacts, event: ParseEvent): FileFacts {
  if (event.progressJson !== null) return withProgress(facts, event);
  if (event.phase === "started") {
    const startedAtMs = Math.min(event.atMs, facts.startedAtMs ?? Infinity);
    const newest = attemptOf(event);
    const attempt = facts.attempt && attemptOrder(facts.attempt, newest) >= 0 ? facts.attempt : newest;
    const isKnown = startedAtMs === facts.startedAtMs && attempt === facts.attempt;
    return isKnown ? facts : { ...facts, startedAtMs, attempt };
  }
  const parse = parseEndOf(event);
  return facts.parse && parseOrder(facts.parse, parse) >= 0 ? facts : { ...facts, parse };
}

/** A report tells nothing else: the start of a parse was published before. */
function withProgress(facts: FileFacts, { atMs, progressJson }: ParseEvent): FileFacts {
  const newest = { atMs, progressJson };
  return facts.progress && progressOrder(facts.progress, newest) >= 0 ? facts : { ...facts, progress: newest };
}

const progressOrder = (a: Progress, b: Progress): number => a.atMs - b.atMs || textOrder(a, b);

/** `heldReasonsJson`: the file is held. */
export function withEnding(
  facts: FileFacts,
  commit: Ending["commit"],
  outcome: FileOutcome,
  heldReasonsJson?: string,
): FileFacts {
  const ending: Ending = {
    commit,
    outcome: outcomeOf(outcome),
    ...(heldReasonsJson === undefined ? {} : { heldReasonsJson }),
  };
  return facts.ending && endingOrder(facts.ending, ending) >= 0 ? facts : { ...facts, ending };
}

/** A file that a rebuild has read again. */
export function withRecount(facts: FileFacts, outcome: FileOutcome, atMs: number): FileFacts {
  const { status, rowsRead, rowsCommitted, rowsRejected } = outcome;
  const recount = { status, rowsRead, rowsCommitted, rowsRejected, atMs };
  const isOlder = facts.recount && (facts.recount.atMs - atMs || textOrder(facts.recount, recount)) >= 0;
  return isOlder ? facts : { ...facts, recount };
}

const ENDING_RANK = { failed: 1, rejected: 2, committed: 3 } as const;

/** What is held comes before every decided end. */
const endingRank = ({ outcome, heldReasonsJson }: Ending): number =>
  heldReasonsJson === undefined ? ENDING_RANK[outcome.status] : 0;

const parseRank = ({ phase, heldReasonsJson }: ParseEnd): number =>
  heldReasonsJson != null ? 0 : phase === "failed" ? 2 : 1;

/** Positive: `a` takes precedence. */
const parseOrder = (a: ParseEnd, b: ParseEnd): number =>
  parseRank(a) - parseRank(b) || b.atMs - a.atMs || textOrder(a, b);

/** An attempt that fails at once fails in the millisecond of its start. */
const attemptOrder = (a: Attempt, b: Attempt): number =>
  a.atMs - b.atMs || Number(a.errorCode !== null) - Number(b.errorCode !== null) || textOrder(a, b);

const endingOrder = (a: Ending, b: Ending): number =>
  endingRank(a) - endingRank(b) || b.commit.committedAtMs - a.commit.committedAtMs || textOrder(a, b);

/** Breaks ties, so that the order is total. */
function textOrder(a: object, b: object): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}

/**
 * The file's state. More facts never move it backwards, with three exceptions: a retry may commit a file that
 * an earlier parse failed, a held file is parsed again once it is decided, and a rebuild reads files again.
 */
export function fileStateOf(facts: FileFacts): FileState {
  const { ending, parse, decidedAt, recount } = facts;
  if (recount) return recount.status;
  if (ending && ending.heldReasonsJson === undefined) return ending.outcome.status;
  // A decided file is parsed again.
  if (heldReasonsOf(facts) !== undefined) return decidedAt === undefined ? "held" : "parsing";
  // Whether an empty version fails or is held depends on what its table has: the committer decides.
  if (parse) return parse.phase === "failed" && parse.errorCode !== "FILE_EMPTY" ? "failed" : "parsed";
  return facts.startedAtMs === undefined ? "received" : "parsing";
}

/** Why the file is held, or was until its decision: JSON; undefined: it is not. */
function heldReasonsOf({ ending, parse }: FileFacts): string | undefined {
  return ending ? ending.heldReasonsJson : (parse?.heldReasonsJson ?? undefined);
}

/** The table a file belongs to, once any event has named it. */
export const tableOfFile = (facts: FileFacts): string | undefined =>
  facts.arrival?.table ?? facts.ending?.commit.table ?? facts.parse?.table;

/** How far it is; null: it reports nothing, or nothing any more. */
function progressOf(facts: FileFacts): Amounts | null {
  const progress = progressIn(facts.progress?.progressJson);
  const state = fileStateOf(facts);
  if (!progress || (progress.step === "parse" && state !== "parsing")) return null;
  return (progress.step === "load" || progress.step === "commit") && isFinal(state) ? null : progress;
}

/** When the file version arrived, epoch milliseconds, once known. */
export const receivedAtMsOf = (facts: FileFacts): number | undefined =>
  facts.arrival?.receivedAtMs ?? facts.ending?.outcome.receivedAtMs;

/** The file's status; undefined until its file event or its end gives its name. */
export function statusOf(fileId: string, facts: FileFacts): FileStatus | undefined {
  const { arrival, ending, parse, startedAtMs, recount } = facts;
  const outcome = ending?.outcome;
  const counts = recount ?? outcome;
  const sourceFile = arrival?.sourceFile ?? outcome?.sourceFile;
  const table = tableOfFile(facts);
  if (sourceFile === undefined || table === undefined) return undefined;
  const receivedAtMs = receivedAtMsOf(facts) ?? null;
  const parsedAtMs = parse?.atMs ?? outcome?.parsedAtMs ?? null;
  const recountedAtMs = recount?.status === "committed" ? recount.atMs : null;
  const committedAtMs = outcome?.status === "committed" ? ending!.commit.committedAtMs : recountedAtMs;
  const started = startedAtMs ?? null;
  const state = fileStateOf(facts);
  const isHeld = state === "held";
  const failed = !outcome && parse?.phase === "failed";
  const kind = arrival?.kind ?? "put";
  const operation = arrival?.operation ?? null;
  const rowsRead =
    (isHeld ? parse?.rowsRead : counts?.rowsRead) ?? (failed ? parse.rowsRejected : parse?.rowsRead) ?? null;
  const dialect = (fromJson(parse?.dialectJson) as Record<string, unknown> | undefined) ?? null;
  return {
    fileId,
    table,
    sourceFile,
    status: state,
    heldReasons: isHeld ? withRemedies(heldReasonsIn(heldReasonsOf(facts))) : null,
    kind,
    operation,
    progress: outcome ? null : progressOf(facts),
    waitsFor: null,
    origin: arrival?.origin ?? null,
    replayOf: arrival?.replayOf ?? null,
    sizeBytes: arrival?.sizeBytes ?? outcome?.sizeBytes ?? 0,
    contentHash: arrival?.contentHash ?? outcome?.contentHash ?? "",
    etag: arrival?.etag ?? outcome?.etag ?? null,
    sourceOffset: arrival?.offset ?? outcome?.sourceOffset ?? null,
    rowsOffset: outcome?.rowsOffset ?? null,
    // Only the rejects of a failed file are kept, so only they count as read, as in its final outcome.
    rowsRead,
    rowsCommitted: counts?.rowsCommitted ?? (failed ? 0 : null),
    rowsRejected: (isHeld ? parse?.rowsRejected : counts?.rowsRejected) ?? parse?.rowsRejected ?? null,
    dialect,
    encoding: outcome?.encoding || null,
    columns: (fromJson(parse?.columnsJson) as FileStatus["columns"] | undefined) ?? null,
    warnings: [
      ...((fromJson(parse?.warningsJson) as FileStatus["warnings"] | undefined) ?? []),
      ...fileWarnings({ status: state, kind, operation, rowsRead, dialect }),
    ],
    receivedAt: isoTime(receivedAtMs),
    parseStartedAt: isoTime(started),
    parsedAt: isoTime(parsedAtMs),
    committedAt: isoTime(committedAtMs),
    durations: {
      queuedMs: between(receivedAtMs, started),
      parseMs: outcome?.parseMs ?? between(started, parsedAtMs),
      commitMs: ending?.commit.commitMs ?? null,
      totalMs: between(receivedAtMs, committedAtMs),
    },
    commit:
      (ending && {
        commitId: ending.commit.commitId,
        snapshotId: ending.commit.snapshotId,
        strategy: ending.commit.strategy,
      }) ||
      null,
    error: errorOf(facts),
    blocked: null,
    links: linksOf(fileId, table),
  };
}

export const linksOf = (fileId: string, table: string): FileStatus["links"] => ({
  self: `/v1/files/${fileId}`,
  table: `/v1/tables/${table}`,
  rejects: `/v1/tables/${table}/rejects?fileId=${fileId}`,
});

/** An error with its remedy from lib/errors.ts; of a held file, with what to do about its reasons. */
export function describeError(
  code: string,
  message: string,
  held?: readonly HeldReason[],
): NonNullable<FileStatus["error"]> {
  if (code === "FILE_HELD" && held) return { code, message, remedy: heldRemedy(held) };
  return { code, message, remedy: hasOwn(ERRORS, code) ? ERRORS[code].remedy : "" };
}

/** ISO 8601 in UTC; null stays null. */
export const isoTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function errorOf(facts: FileFacts): FileStatus["error"] {
  const { ending, parse, attempt, decidedAt } = facts;
  if (heldReasonsOf(facts) !== undefined && decidedAt !== undefined) {
    // What was before the decision is over; an attempt after it may wait.
    const parsedAtMs = parse?.atMs ?? ending?.outcome.parsedAtMs ?? 0;
    return attempt && attempt.atMs > parsedAtMs ? errorIn(attempt) : null;
  }
  return errorIn(ending?.outcome ?? parse ?? attempt, heldReasonsIn(heldReasonsOf(facts)));
}

function errorIn(
  ended: Pick<ParseEvent, "errorCode" | "errorMessage"> | undefined,
  held?: readonly HeldReason[],
): FileStatus["error"] {
  return ended?.errorCode ? describeError(ended.errorCode, ended.errorMessage ?? "", held) : null;
}

const between = (from: number | null, to: number | null): number | null =>
  from === null || to === null ? null : Math.max(0, to - from);

const fromJson = (text: string | null | undefined): unknown => (text ? (JSON.parse(text) as unknown) : undefined);
