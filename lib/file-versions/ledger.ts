import type { FileRecord, ReadLimits } from "../warehouse/reads/port.ts";
import type { Warehouse, WriteMode } from "../warehouse/warehouse.ts";

/** Reads what `_ingest_files` says of the versions of a table's files. */
export interface VersionLedger {
  /**
   * All recorded versions of the table's files, oldest first; of an append table only those whose rows it
   * contains.
   */
  versions(table: string, mode: WriteMode): Promise<RecordedVersion[]>;
  /** Ids of the table's versions that were superseded or refused, or are held, and of refused renamings. */
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
  isHeld: boolean;
  rowsCommitted: number;
  rowsRejected: number;
  /** `undo`, `drop`, `rebuild`, `rename`: not a file, but an operation on the table. */
  operation: string | null;
  /** The table's write mode when it was committed; null: it was not, or that is not on record. */
  writeMode: string | null;
}

/** True if a row of the version came into the table, or it has none. */
export const isShown = ({ rowsCommitted, rowsRejected }: RecordedVersion): boolean =>
  rowsCommitted > 0 || rowsRejected === 0;

/** `limits` apply to each lookup. */
export function makeVersionLedger({ reads }: Pick<Warehouse, "reads">, limits: ReadLimits): VersionLedger {
  return {
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
    isHeld: record.status === "held",
    rowsCommitted: record.rowsCommitted ?? 0,
    rowsRejected: record.rowsRejected ?? 0,
    operation: record.operation ?? null,
    writeMode: record.writeMode ?? null,
    sourceOffset: Number(record.sourceOffset),
    contentHash: record.contentHash ?? "",
    receivedAtMs: record.receivedAtMs ?? NaN,
  };
}
