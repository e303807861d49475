import type { SqlColumn } from "../sql/sql.ts";

/** The limits of one read. A read that exceeds `timeoutMs` fails with QUERY_TIMEOUT. */
export interface ReadLimits {
  timeoutMs: number;
  signal?: AbortSignal;
}

/** The outcome of a file version, from `_ingest_files`. */
export interface FileRecord {
  fileId: string;
  table: string;
  sourceFile: string;
  /** `committed`, `held`, `rejected` or `failed`. */
  status: string;
  sizeBytes: number;
  /** Empty if the file was deleted. */
  contentHash: string | null;
  etag: string | null;
  sourceOffset: number | null;
  /** The _source_offset of its rows. */
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
  /** The version that it adds, repeats or corrects; null: recorded by an earlier release. */
  versionOffset: number | null;
  /** Offset of the event that first brought its bytes; null: recorded by an earlier release. */
  contentOffset: number | null;
  /** Set: the event was an operation on the table (lib/messages/operation.ts), of this kind. */
  operation?: string | null;
  /** Set while the file is held: JSON of why. */
  heldReasonsJson: string | null;
  /** How it was read: JSON (lib/formats/reading.ts); null: not known, or recorded by an earlier release. */
  dialectJson?: string | null;
  /** The table's write mode when it was committed; null: it was not, or recorded by an earlier release. */
  writeMode?: string | null;
}

export interface FileRecordFilter {
  table?: string | undefined;
  status?: string | undefined;
  /** Only files that arrived before this place, or then with an id below this one. */
  before?: { receivedAtMs: number; fileId: string } | undefined;
  limit: number;
}

/** A file of a table whose newest applied version with this content is known. */
export interface SameContent {
  contentHash: string;
  sourceFile: string;
}

/** Reads `_ingest_files`. It is empty until something is recorded. */
export interface FileRecords {
  find(fileId: string, limits: ReadLimits): Promise<FileRecord | undefined>;
  /** Those of the files that are on record for the table. */
  recorded(table: string, fileIds: readonly string[], limits: ReadLimits): Promise<FileRecord[]>;
  /** For each of these contents that is in the table: the file that brought it last. */
  sameContents(table: string, contentHashes: readonly string[], limits: ReadLimits): Promise<SameContent[]>;
  /** Newest first, by arrival, then by file id. */
  list(filter: FileRecordFilter, limits: ReadLimits): Promise<FileRecord[]>;
  /**
   * Every version of the table's files, oldest first. With `standing`, only versions whose source offset
   * occurs in some row of the table. This omits repetitions in an append table, because their rows carry the
   * offset of the version that they repeat.
   */
  versions(table: string, options: { standing: boolean }, limits: ReadLimits): Promise<FileRecord[]>;
  /** Ids of the newest 10,000 that are held, superseded or refused, with renamings that were refused. */
  setAside(table: string, limits: ReadLimits): Promise<Set<string>>;
}

/** A row of `_rejected_rows`. */
export interface RejectRecord {
  fileId: string;
  sourceFile: string;
  sourceOffset: number;
  /** Ordinal in the file, from 1. */
  row: number;
  line: number;
  /** null if the whole row is at fault. */
  column: string | null;
  reason: string;
  message: string;
  raw: string;
  rejectedAtMs: number | null;
  /** Absent: the row is not dismissed. */
  dismissal?: { why: string; by: string; atMs: number | null };
}

/** The rejects of a table with the same reason and column. */
export interface RejectGroup {
  table: string;
  reason: string;
  column: string | null;
  rows: number;
  files: number;
  /** The message of one of them. */
  example: string;
}

export interface RejectCount {
  sourceFile: string;
  reason: string;
  column: string | null;
  rows: number;
}

export interface RejectFilter {
  /** Undefined: of all tables; only for `groups`. */
  table: string | undefined;
  /** Only dismissed rejects. Default: only those that are not. */
  dismissed?: boolean | undefined;
  fileId?: string | undefined;
  file?: string | undefined;
  reason?: string | undefined;
  column?: string | undefined;
  lineFrom?: number | undefined;
  lineTo?: number | undefined;
  /** The time when the row was recorded as rejected, in epoch milliseconds. Both bounds are inclusive. */
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
  /** Includes the rejects of versions that a newer version has replaced. */
  all: boolean;
}

export type RejectOfFile = Pick<RejectRecord, "line" | "reason" | "message"> & { dismissed: boolean };

/** A position in the order of rejects: newest file first, then by row. */
export interface RejectPlace {
  sourceOffset: number;
  fileId: string;
  row: number;
}

/** The maximum number of groups that `counts` returns. */
export const COUNTED_GROUPS_MAX = 1_000;

/**
 * Reads `_rejected_rows` with `_ingest_files`. A reject is current while its version is the newest version
 * of its file, or the newest that did not fail: the table holds the rows of that version.
 */
export interface RejectRecords {
  /**
   * Newest file first, then by row; only the rejects after `after`. Fewer than `limit` if their raw text is
   * long: the page ends with the reject that exceeds `rawCharsMax` (default 8 Mi).
   */
  list(
    filter: RejectFilter,
    page: { after?: RejectPlace | undefined; limit: number; rawCharsMax?: number },
    limits: ReadLimits,
  ): Promise<RejectRecord[]>;
  /** The largest groups first, at most COUNTED_GROUPS_MAX. */
  counts(filter: RejectFilter, limits: ReadLimits): Promise<RejectCount[]>;
  /** The largest groups first, at most COUNTED_GROUPS_MAX. */
  groups(filter: RejectFilter, limits: ReadLimits): Promise<RejectGroup[]>;
  /**
   * The rejects of one file version, in ascending order of their ordinals, at most `limit`, dismissed ones
   * included. Their raw text is omitted because it may be long.
   */
  ofFile(fileId: string, limit: number, limits: ReadLimits): Promise<Map<number, RejectOfFile>>;
  /** The ids of file versions that have rejects: current rejects, or all. */
  files(table: string, which: { file?: string | undefined; all: boolean }, limits: ReadLimits): Promise<Set<string>>;
}

/** The row count and age of a table's data, as text where a query returns text. */
export interface TableFreshness {
  rowCount: number;
  /** The newest _ingested_at as `2024-01-31T12:00:00.123456` in UTC; null for an empty table. */
  lastIngestedAt: string | null;
  /** The largest value of the requested date column. */
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

/** A rule for rows or for a table. NULL satisfies every rule except not_null. */
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
  /** A SELECT written by a user. Every row that it returns fails. */
  | { type: "custom_sql"; sql: string };

export interface MeasuredTable {
  table: string;
  /** Without the audit columns. */
  columns: readonly SqlColumn[];
}

export interface CheckMeasurements {
  /** Undefined if no statement ran because none of the checks can run. */
  rowCount: number | undefined;
  /**
   * For each check, in order: the number of failing rows (uniqueness: values), or the reason why the check
   * cannot run on this table.
   */
  failing: (number | { problem: string })[];
}

/** The services' own queries of the data, separate from users' SQL. */
export interface WarehouseReads {
  readonly files: FileRecords;
  readonly rejects: RejectRecords;
  rowCount(table: string, limits: ReadLimits): Promise<number>;
  /** The number of the table's rows that came from this source file. */
  fileRowCount(table: string, sourceFile: string, limits: ReadLimits): Promise<number>;
  /** `dateColumn`: a column of the table, if the caller needs `lastDate`. */
  freshness(table: string, dateColumn: string | undefined, limits: ReadLimits): Promise<TableFreshness>;
  /** The latest run of each operation that has run, ordered by operation. */
  maintenanceRuns(table: string, limits: ReadLimits): Promise<MaintenanceRun[]>;
}
