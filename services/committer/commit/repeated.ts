import { isDerivedFileId } from "../../../lib/file-id.ts";
import type { FileOutcome } from "../../../lib/messages/generated.ts";
import type { RecordedFile } from "../../../lib/warehouse/warehouse.ts";
import type { FileRecord } from "../../../lib/warehouse/reads/port.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import type { WriterContext } from "./writer.ts";

/** The timeout of the ledger's lookup, which is repeated until it succeeds. */
const LOOKUP_MS_MAX = 60_000;

/** A micro-batch without repeated file events. */
export interface Distinct {
  files: EndedFile[];
  /** The outcomes on record of the files that are left out. */
  onRecord: RecordedFile[];
}

/**
 * Leaves out the files whose id is on record, or earlier in the micro-batch: their event was published
 * twice, by a client that retried or by a gateway that had lost its drops. Such a file is the same version,
 * so that an append table gets its rows once, and an older version does not return.
 *
 * A decision about a held file has the file's id. The first one counts: once the file is not held any more,
 * the decision is a repeat.
 *
 * The caller has recorded all earlier micro-batches with files of these names.
 */
export async function withoutRepeats(writer: WriterContext, batch: readonly EndedFile[]): Promise<Distinct> {
  const seen = new Set<string>();
  const idOf = ({ fileId, verdict }: EndedFile): string => (verdict ? `${fileId} decided` : fileId);
  const distinct = batch.filter((file) => !seen.has(idOf(file)) && seen.add(idOf(file)));
  const repeatable = distinct.filter(({ fileId, verdict }) => verdict ?? isDerivedFileId(fileId));
  const derived = [...new Set(repeatable.map(({ fileId }) => fileId))];
  if (derived.length === 0) return { files: distinct, onRecord: [] };
  const { table } = writer.contract;
  const { signal } = writer;
  const records = await writer.persist("lookup", () =>
    writer.warehouse.reads.files.recorded(table, derived, { timeoutMs: LOOKUP_MS_MAX, signal }),
  );
  const found = new Map(records.map((record) => [record.fileId, record]));
  // A file at its own offset was committed before a crash, and its ledger write is repeated.
  const isRepeat = ({ fileId, sourceOffset, verdict }: EndedFile): boolean => {
    const record = found.get(fileId);
    if (!record) return false;
    return verdict ? record.status !== "held" : record.sourceOffset !== sourceOffset;
  };
  return {
    files: distinct.filter((file) => !isRepeat(file)),
    onRecord: distinct.filter(isRepeat).map(({ fileId }) => outcomeOnRecord(found.get(fileId)!)),
  };
}

/** The outcome of a file as it is on record. */
export function outcomeOnRecord(record: FileRecord): RecordedFile {
  const outcome: FileOutcome = {
    fileId: record.fileId,
    sourceFile: record.sourceFile,
    sourceOffset: record.sourceOffset ?? 0,
    status: record.status === "held" ? "failed" : (record.status as FileOutcome["status"]),
    rowsRead: record.rowsRead ?? 0,
    rowsCommitted: record.rowsCommitted ?? 0,
    rowsRejected: record.rowsRejected ?? 0,
    sizeBytes: record.sizeBytes,
    contentHash: record.contentHash ?? "",
    etag: record.etag,
    receivedAtMs: record.receivedAtMs ?? 0,
    parsedAtMs: record.parsedAtMs ?? 0,
    parseMs: record.parseMs ?? 0,
    delimiter: record.delimiter ?? "",
    encoding: record.encoding ?? "",
    rowsOffset: record.rowsOffset ?? 0,
    errorCode: record.errorCode,
    errorMessage: record.errorMessage,
  };
  const { heldReasonsJson, dialectJson } = record;
  return {
    outcome,
    ...(heldReasonsJson === null ? {} : { heldReasonsJson }),
    ...(dialectJson == null ? {} : { dialectJson }),
  };
}
