import { heldReasonsIn } from "../../../lib/contract/held.ts";
import type { FileRecord, ReadLimits } from "../../../lib/warehouse/reads/port.ts";
import type { Warehouse, WriteMode } from "../../../lib/warehouse/warehouse.ts";
import type { FileState, FileStatus } from "../http/schemas.ts";
import { describeError, isoTime, linksOf } from "./status.ts";
import type { FileFilter, FilePlace } from "./view.ts";

/** Reads `_ingest_files`, the record of all ended files, including those evicted from memory. */
export interface Ledger {
  file(fileId: string): Promise<FileStatus | undefined>;
  /** The file's place in the list. */
  place(fileId: string): Promise<FilePlace | undefined>;
  /** Newest first. */
  files(filter: FileFilter): Promise<FileStatus[]>;
  /**
   * All recorded versions of the table's files, oldest first; of an append table only those whose rows it
   * contains.
   */
  versions(table: string, mode: WriteMode): Promise<RecordedVersion[]>;
  /** Ids of the table's versions that were superseded or refused, or are held. */
  setAside(table: string): Promise<Set<string>>;
}

/** What is needed to read a file version again from its raw bytes. */
export interface RecordedVersion {
  fileId: string;
  sourceFile: string;
  sourceOffset: number;
  sizeBytes: number;
  /** Empty: the file was deleted. */
  contentHash: string;
  etag: string | null;
  receivedAtMs: number;
  delimiter: string | null;
  encoding: string | null;
  /** The version that its rows have, and the event that first brought its bytes; null: not recorded. */
  versionOffset: number | null;
  contentOffset: number | null;
  isSuperseded: boolean;
  isFailed: boolean;
  /** `undo`, `drop`: not a file, but an operation on the table. */
  operation: string | null;
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
    async versions(table, mode) {
      const records = await reads.files.versions(table, { standing: mode === "append" }, limits);
      return records.map(versionOf);
    },
    setAside: (table) => reads.files.setAside(table, limits),
  };
}

function versionOf(record: FileRecord): RecordedVersion {
  const { fileId, sourceFile, sizeBytes, etag, delimiter, encoding, versionOffset, contentOffset } = record;
  return {
    ...{ fileId, sourceFile, sizeBytes, etag, delimiter, encoding, versionOffset, contentOffset },
    isSuperseded: record.errorCode === "FILE_SUPERSEDED",
    isFailed: record.status === "failed",
    operation: record.operation ?? null,
    sourceOffset: Number(record.sourceOffset),
    contentHash: record.contentHash ?? "",
    receivedAtMs: record.receivedAtMs ?? NaN,
  };
}

function statusOf(record: FileRecord): FileStatus {
  const { fileId, table, status, errorCode } = record;
  return {
    fileId,
    table,
    sourceFile: record.sourceFile,
    status: status as FileState,
    heldReasons: record.heldReasonsJson === null ? null : heldReasonsIn(record.heldReasonsJson),
    kind: record.contentHash === "" ? "deleted" : "put",
    origin: null,
    replayOf: null,
    sizeBytes: record.sizeBytes,
    contentHash: record.contentHash ?? "",
    etag: record.etag,
    sourceOffset: record.sourceOffset,
    rowsOffset: record.rowsOffset,
    rowsRead: record.rowsRead,
    rowsCommitted: record.rowsCommitted,
    rowsRejected: record.rowsRejected,
    warnings: [],
    dialect: null,
    encoding: record.encoding,
    columns: null,
    receivedAt: isoTime(record.receivedAtMs),
    parseStartedAt: null,
    parsedAt: isoTime(record.parsedAtMs),
    committedAt: status === "committed" ? isoTime(record.ingestedAtMs) : null,
    durations: { queuedMs: null, parseMs: record.parseMs, commitMs: null, totalMs: null },
    commit: null,
    error: errorCode === null ? null : describeError(errorCode, record.errorMessage ?? ""),
    blocked: null,
    links: linksOf(fileId, table),
  };
}
