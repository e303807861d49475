import { makeVersionLedger, type VersionLedger } from "../../../lib/file-versions/ledger.ts";
import { readingIn } from "../../../lib/formats/reading.ts";
import { heldReasonsIn } from "../../../lib/contract/held.ts";
import { withRemedies } from "../../../lib/contract/remedies/held-remedies.ts";
import type { FileRecord, ReadLimits } from "../../../lib/warehouse/reads/port.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import type { FileState, FileStatus } from "../http/schemas.ts";
import { describeError, isoTime, linksOf } from "./status.ts";
import type { FileFilter, FilePlace } from "./view.ts";
import { fileWarnings } from "./warnings.ts";

/** Reads `_ingest_files`, the record of all ended files, including those evicted from memory. */
export interface Ledger extends VersionLedger {
  file(fileId: string): Promise<FileStatus | undefined>;
  /** The file's place in the list. */
  place(fileId: string): Promise<FilePlace | undefined>;
  /** Newest first. */
  files(filter: FileFilter): Promise<FileStatus[]>;
}

/** `limits` apply to each lookup. */
export function makeLedger({ reads }: Pick<Warehouse, "reads">, limits: ReadLimits): Ledger {
  return {
    async file(fileId) {
      const record = await reads.files.find(fileId, limits);
      return record && statusOf(record);
    },
    async place(fileId) {
      const record = await reads.files.find(fileId, limits);
      return record && { receivedAtMs: record.receivedAtMs ?? 0, fileId };
    },
    files: async (filter) => (await reads.files.list(filter, limits)).map(statusOf),
    ...makeVersionLedger({ reads }, limits),
  };
}

function operationOf({ operation }: FileRecord): FileStatus["operation"] {
  return operation === "undo" || operation === "drop" || operation === "rebuild" ? operation : null;
}

function statusOf(record: FileRecord): FileStatus {
  const { fileId, table, errorCode, rowsRead } = record;
  const status = record.status as FileState;
  const kind = record.contentHash === "" ? "deleted" : "put";
  const operation = operationOf(record);
  const dialect = readingIn(record.dialectJson);
  const held = record.heldReasonsJson === null ? null : heldReasonsIn(record.heldReasonsJson);
  return {
    fileId,
    table,
    sourceFile: record.sourceFile,
    status,
    heldReasons: held && withRemedies(held),
    kind,
    operation,
    progress: null,
    waitsFor: null,
    origin: null,
    replayOf: null,
    sizeBytes: record.sizeBytes,
    contentHash: record.contentHash ?? "",
    etag: record.etag,
    sourceOffset: record.sourceOffset,
    rowsOffset: record.rowsOffset,
    rowsRead,
    rowsCommitted: record.rowsCommitted,
    rowsRejected: record.rowsRejected,
    warnings: fileWarnings({ status, kind, operation, rowsRead, dialect }),
    dialect,
    encoding: record.encoding,
    columns: null,
    receivedAt: isoTime(record.receivedAtMs),
    parseStartedAt: null,
    parsedAt: isoTime(record.parsedAtMs),
    committedAt: status === "committed" ? isoTime(record.ingestedAtMs) : null,
    durations: { queuedMs: null, parseMs: record.parseMs, commitMs: null, totalMs: null },
    commit: null,
    error: errorCode === null ? null : describeError(errorCode, record.errorMessage ?? "", held ?? undefined),
    blocked: null,
    links: linksOf(fileId, table),
  };
}
