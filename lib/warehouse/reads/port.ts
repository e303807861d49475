import type { SqlColumn } from "../sql/sql.ts";

/** Limits of one look-up. Beyond `timeoutMs` it fails with QUERY_TIMEOUT. */
export interface ReadLimits {
  timeoutMs: number;
  signal?: AbortSignal;
}

/** How a file version ended, from `_ingest_files`. */
export interface FileRecord {
  fileId: string;
  table: string;
  sourceFile: string;
  /** `committed`, `failed`, … */
  status: string;
  sizeBytes: number;
  /** Empty: the file was deleted. */
  contentHash: string | null;
  etag: string | null;
  sourceOffset: number | null;
  /** What its rows carry as their _source_offset. */
  rowsOffset: number | null;
  rowsRead: number | null;
  rowsCommitted: number | null;
  rowsRejected: number | null;
  delimiter: string | null;
  encoding: string | null;
  receivedAtMs: number | null;
  parsedAtMs: number | null;
  ingestedAtMs: number | null;
  parseMs: number | null;
  errorCode: string | null;
  errorMessage: string | null;
}

export interface FileRecordFilter {
  table?: string | undefined;
  status?: string | undefined;
  /** Only ids below this one. */
  before?: string | undefined;
  limit: number;
}

/** `_ingest_files`. Empty as long as nothing is recorded. */
export interface FileRecords {
  find(fileId: string, limits: ReadLimits): Promise<FileRecord | undefined>;
  /** Newest first, by file id. */
  list(filter: FileRecordFilter, limits: ReadLimits): Promise<FileRecord[]>;
  /**
   * Every version of the table's files, oldest first. `standing`: only those whose source offset is that of some row of the table, which
   * leaves out repetitions in an append table, since their rows carry the offset of the version that they repeat.
   */
  versions(table: string, options: { standing: boolean }, limits: ReadLimits): Promise<FileRecord[]>;
}

/** A row of `_rejected_rows`. */
export interface RejectRecord {
  fileId: string;
  sourceFile: string;
  sourceOffset: number;
  /** Ordinal in the file, from 1. */
  row: number;
  line: number;
  /** null: the whole row is at fault. */
  column: string | null;
  reason: string;
  message: string;
  raw: string;
  rejectedAtMs: number | null;
}

export interface RejectCount {
  sourceFile: string;
  reason: string;
  column: string | null;
  rows: number;
}

export interface RejectFilter {
  table: string;
  fileId?: string | undefined;
  file?: string | undefined;
  reason?: string | undefined;
  column?: string | undefined;
  lineFrom?: number | undefined;
  lineTo?: number | undefined;
  /** When the row was recorded as rejected, epoch milliseconds; both inclusive. */
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
  /** Also rejects of versions that a newer version has replaced. */
  all: boolean;
}

/** Position in the order of rejects: newest file first, then by row. */
export interface RejectPlace {
  sourceOffset: number;
  fileId: string;
  row: number;
}

/** `counts` returns no more groups than this. */
export const COUNTED_GROUPS_MAX = 1_000;

/**
 * `_rejected_rows` with `_ingest_files`. A reject stands as long as its version is the newest of its file, or the newest that did not
 * fail: the table holds the rows of that version.
 */
export interface RejectRecords {
  /** Newest file first, then by row; those after `after`. */
  list(
    filter: RejectFilter,
    page: { after?: RejectPlace | undefined; limit: number },
    limits: ReadLimits,
  ): Promise<RejectRecord[]>;
  /** Groups with most rows first; at most COUNTED_GROUPS_MAX. */
  counts(filter: RejectFilter, limits: ReadLimits): Promise<RejectCount[]>;
  /** Rejects of one file version by ordinal, ascending, at most `limit`; without their raw text, which may be long. */
  ofFile(
    fileId: string,
    limit: number,
    limits: ReadLimits,
  ): Promise<Map<number, { line: number; reason: string; message: string }>>;
  /** Ids of file versions with rejects: of those that stand, or of all. At most 10,000. */
  files(table: string, which: { file?: string | undefined; all: boolean }, limits: ReadLimits): Promise<Set<string>>;
}

/** Row count and age of a table's data, as text where a query gives text. */
export interface TableFreshness {
  rowCount: number;
  /** Newest _ingested_at, `2024-01-31T12:00:00.123456` in UTC; null for an empty table. */
  lastIngestedAt: string | null;
  /** Largest value of the date column asked for. */
  lastDate: string | null;
}

/** The latest run of one maintenance operation, from `_maintenance_log`. */
export interface MaintenanceRun {
  operation: string;
  status: string;
  details: string;
  executedAtMs: number | null;
  snapshotsAfter: number;
}

export type CheckValue = string | number | boolean;

/** A rule that rows, or a table, must keep. NULL keeps every rule but not_null. */
export type TableCheck =
  | { type: "not_null" | "uniqueness" | "positive" | "no_future_dates"; column: string }
  | { type: "accepted_values"; column: string; accepted: readonly CheckValue[] }
  /** Bounds are inclusive. */
  | { type: "range"; column: string; min: number | string | undefined; max: number | string | undefined }
  | { type: "row_count_range"; min: number | undefined; max: number | undefined }
  | { type: "regex"; column: string; pattern: string }
  /** The newest value is at most this old. */
  | { type: "freshness"; column: string; maxAgeMs: number }
  | { type: "referential"; column: string; references: { table: string; column: string } }
  /** A SELECT that a user wrote: every row it returns fails. */
  | { type: "custom_sql"; sql: string };

export interface MeasuredTable {
  table: string;
  /** Without the audit columns. */
  columns: readonly SqlColumn[];
}

export interface CheckMeasurements {
  /** Undefined if nothing was asked, since no check can be. */
  rowCount: number | undefined;
  /** For each check, in order: how many rows fail (uniqueness: values), or why the check cannot be asked of this table. */
  failing: (number | { problem: string })[];
}

/** What services ask of the data, beside users' own SQL. */
export interface WarehouseReads {
  readonly files: FileRecords;
  readonly rejects: RejectRecords;
  rowCount(table: string, limits: ReadLimits): Promise<number>;
  /** `dateColumn`: a column of the table, if `lastDate` is wanted. */
  freshness(table: string, dateColumn: string | undefined, limits: ReadLimits): Promise<TableFreshness>;
  /** One for each operation that has run, by operation. */
  maintenanceRuns(table: string, limits: ReadLimits): Promise<MaintenanceRun[]>;
}
