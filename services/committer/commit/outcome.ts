import { randomUUID } from "node:crypto";
import { messageOf, TributaryError } from "../../../lib/errors.ts";
import type { CommitEvent, FileOutcome, FileSkip } from "../../../lib/messages/generated.ts";
import type { CommitReceipt, RecordedFile, WriteMode } from "../../../lib/warehouse/warehouse.ts";
import { cancelMessage } from "../../../lib/messages/cancel.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";

/** Why a file was not committed. */
export interface Failure {
  code: string;
  message: string;
  /** Set with FILE_HELD: JSON of HeldReason[]. */
  heldReasonsJson?: string;
}

/** Receipt of what changes no row. */
export const NOTHING_TO_DO: CommitReceipt = {
  snapshotId: null,
  strategy: "none",
  rowsInserted: 0,
  rowsUpdated: 0,
  rowsDeleted: 0,
};

/**
 * Longer messages are cut off. This keeps a commit event of many failed files below the log's record limit.
 */
const MESSAGE_CHARS_MAX = 1_000;

export function commitFailureOf(thrown: unknown): Failure {
  return { code: thrown instanceof TributaryError ? thrown.code : "WAREHOUSE_FAILED", message: messageOf(thrown) };
}

export function skipFailureOf(skip: FileSkip): Failure {
  if (skip.cancelled) return { code: "FILE_CANCELLED", message: cancelMessage(skip) };
  const { reason, requestedBy } = skip;
  return { code: "FILE_SKIPPED", message: `set aside${requestedBy === "" ? "" : ` by ${requestedBy}`}: ${reason}` };
}

/** The failure of a file that its parser failed or that lost rows; undefined: the file may be committed. */
export function parseFailureOf({ end, missing, heldReasonsJson }: EndedFile): Failure | undefined {
  if (end.outcome === "failed") {
    const failure = { code: end.errorCode ?? "FILE_NOT_CSV", message: end.errorMessage ?? "" };
    return heldReasonsJson === undefined ? failure : { ...failure, heldReasonsJson };
  }
  return missing;
}

/** Whether the file repeats or corrects a version that newer content has replaced. */
export const isSuperseded = (failure: Failure | undefined): boolean => failure?.code === "FILE_SUPERSEDED";

/** Whether the file waits for a decision. */
export const isHeld = (failure: Failure | undefined): boolean => failure?.code === "FILE_HELD";

/**
 * Whether the file leaves no rejects: those of a superseded file say nothing of the table, those of a held
 * file depend on how it is read in the end, and nobody waits for those of a cancelled file.
 */
const leavesNoRejects = (failure: Failure | undefined): boolean =>
  isSuperseded(failure) || isHeld(failure) || failure?.code === "FILE_CANCELLED";

/** The outcome of a file, for Warehouse.record. `writeMode`: the table's at the commit. */
export function recordOf(file: EndedFile, failure: Failure | undefined, writeMode: WriteMode): RecordedFile {
  const { stage, repeats, operation } = file;
  const outcome = outcomeOf(file, failure);
  const heldReasonsJson = failure?.heldReasonsJson;
  const ended: RecordedFile = {
    outcome,
    ...(repeats ? { repeats } : {}),
    ...(operation ? { operation } : {}),
    ...(heldReasonsJson === undefined ? {} : { heldReasonsJson }),
    ...(file.dialectJson === undefined ? {} : { dialectJson: file.dialectJson }),
    ...(file.verdict ? { decides: true } : {}),
    ...(failure || operation ? {} : { writeMode }),
  };
  return leavesNoRejects(failure) ? ended : { ...ended, stage };
}

/** Whether a dead letter is due: the file failed here, not in its parser, and can be replayed. */
export const needsDeadLetter = ({ end, operation }: EndedFile, failure: Failure): boolean =>
  end.outcome !== "failed" && operation?.kind !== "rename" && !leavesNoRejects(failure);

/**
 * The outcome of a file. Always rowsRead = rowsCommitted + rowsRejected: of a failed file only the kept
 * rejects count as read, because its other rows exist only in the raw file.
 */
export function outcomeOf(file: EndedFile, failure?: Failure): FileOutcome {
  const { end, stage } = file;
  const rowsCommitted = failure || end.outcome !== "complete" ? 0 : stage.rowCount;
  const rowsRejected = leavesNoRejects(failure) ? 0 : stage.rejectCount;
  const status = failure ? "failed" : rowsCommitted === 0 && rowsRejected > 0 ? "rejected" : "committed";
  return {
    fileId: file.fileId,
    sourceFile: file.sourceFile,
    // A decided file is the version that it was.
    sourceOffset: file.verdict && file.repeats ? file.repeats.versionOffset : file.sourceOffset,
    status,
    rowsRead: rowsCommitted + rowsRejected,
    rowsCommitted,
    rowsRejected,
    sizeBytes: end.sizeBytes,
    contentHash: end.contentHash,
    etag: end.etag,
    receivedAtMs: end.receivedAtMs,
    parsedAtMs: end.parsedAtMs,
    parseMs: end.parseMs,
    delimiter: end.delimiter,
    encoding: end.encoding,
    ...(end.format === undefined ? {} : { format: end.format }),
    formatOptionsJson: (end.format ?? "csv") === "csv" ? null : (end.formatOptionsJson ?? null),
    rowsOffset: file.rowsOffset,
    errorCode: failure?.code ?? null,
    errorMessage: failure ? failure.message.slice(0, MESSAGE_CHARS_MAX) : null,
  };
}

/** What a micro-batch did, without its times and its cause. */
export function commitEventOf(
  table: string,
  ended: readonly RecordedFile[],
  receipts: readonly CommitReceipt[],
): Omit<CommitEvent, "committedAtMs" | "commitMs" | "limit"> {
  const total = (field: "rowsInserted" | "rowsUpdated" | "rowsDeleted"): number =>
    receipts.reduce((sum, receipt) => sum + receipt[field], 0);
  return {
    commitId: randomUUID(),
    table,
    snapshotId: receipts.at(-1)?.snapshotId ?? null,
    strategy: receipts.at(-1)?.strategy ?? "none",
    rowsInserted: total("rowsInserted"),
    rowsUpdated: total("rowsUpdated"),
    rowsDeleted: total("rowsDeleted"),
    tableFiles: receipts.at(-1)?.files ?? null,
    files: ended.map(({ outcome }) => outcome),
    held: ended.flatMap(({ outcome: { fileId }, heldReasonsJson: reasonsJson }) =>
      reasonsJson === undefined ? [] : [{ fileId, reasonsJson }],
    ),
  };
}

/** A published micro-batch before its ledger write. */
export interface DoneBatch {
  event: CommitEvent;
  records: readonly RecordedFile[];
  /** The commit has written the records. */
  isRecorded: boolean;
}

/** The event without the files that were on record before: they come last. */
export const withoutRepeated = (event: CommitEvent, records: readonly RecordedFile[]): CommitEvent => ({
  ...event,
  files: event.files.slice(0, records.length),
});

/** One outcome of each file: one that was held and decided in one micro-batch has that of its decision. */
export const lastOfEachFile = (records: readonly RecordedFile[]): RecordedFile[] => [
  ...new Map(records.map((record) => [record.outcome.fileId, record])).values(),
];
