import type { ColumnDefinition } from "../columns.ts";
import type { FileOutcome, Reject, Repetition, RowBatch } from "../messages/generated.ts";
import type { TableOperation, UndoStep } from "../messages/operation.ts";
import type { CheckMeasurements, MeasuredTable, ReadLimits, TableCheck, WarehouseReads } from "./reads/port.ts";
import type { PlannedFile } from "./staging/planned-rows.ts";

export type WriteMode = "replace" | "upsert" | "append";

/** The write mode and layout of a table, from its contract or the default. */
export interface TableLayout {
  table: string;
  mode: WriteMode;
  /** Upsert only: the key columns. They are never NULL. */
  key: readonly string[];
  /**
   * Upsert only: a new version of a file deletes each key whose current row came from this file and that the
   * new version lacks.
   */
  deleteMissing: boolean;
  /**
   * Column names (identity) or Iceberg transforms such as `month(ordered_at)`. A warehouse without
   * partitions ignores them.
   */
  partitioning: readonly string[];
}

export interface TableDescription {
  table: string;
  /** Without the audit columns. */
  columns: ColumnDefinition[];
  partitioning: string[];
}

/**
 * The rows and rejects of one parse run, kept outside the table until their file is complete. A small stage
 * is in memory, a larger one is on disk or in the blob store. Row batches arrive in order. The table shows
 * none of them. `discard` is idempotent and is also valid after a commit.
 */
export interface Stage {
  readonly rowCount: number;
  readonly rejectCount: number;
  /** Encoded bytes of the stage, in memory and spilled. */
  readonly sizeBytes: number;
  append(batch: RowBatch): Promise<void>;
  /**
   * Adds the rows of a load plan from the bytes of its file, which are not needed afterwards: all rows, or
   * none if it throws.
   * @throws LOAD_PLAN_FAILED if the bytes do not give the rows that the plan says: read the file row by row
   */
  load(file: PlannedFile): Promise<void>;
  reject(rejects: readonly Reject[]): Promise<void>;
  discard(): Promise<void>;
}

/** One complete file version that a commit applies to a table. */
export interface FileVersion {
  fileId: string;
  sourceFile: string;
  /**
   * The version: the offset of its file event. Its rows may carry an older offset: that of the version that
   * it repeats or corrects.
   */
  sourceOffset: number;
  /** The version that the file repeats or corrects: the offset of its rows. Absent: it is a new version. */
  versionOffset?: number;
  /**
   * Upsert: a row of the table whose version is at most this one gets the version of the file's equal row. A
   * later correction of a version in between then does not overwrite it.
   */
  confirmsUpTo?: number;
  /** The file's columns with their final types. These may be wider than when the first rows were encoded. */
  columns: readonly ColumnDefinition[];
  /** Absent when the object was deleted: the file then has no rows. */
  stage?: Stage;
  /** Undoes the file's earlier versions. Without a stage, and alone in its micro-batch. */
  undo?: UndoStep;
}

/** The outcome of a file, for `record`, with its stage and what it repeats. */
export interface RecordedFile {
  outcome: FileOutcome;
  /** Set: the file is held (its error is FILE_HELD). JSON of why. */
  heldReasonsJson?: string;
  /** How the file was read: JSON (lib/formats/reading.ts). Absent: it failed before that was known. */
  dialectJson?: string;
  /** The outcome of a decision: it replaces that of the held file, which has the same id. */
  decides?: boolean;
  stage?: Stage;
  repeats?: Pick<Repetition, "versionOffset" | "contentOffset">;
  /** Set: the event was an operation on the table. */
  operation?: TableOperation;
  /** How its rows came into the table. Absent: it brought none, or that is not known. */
  writeMode?: WriteMode;
  /** Read again: its counts, rejects and dialect replace those on record, if there are any. */
  readAgain?: boolean;
}

/** What is on record of one source file. */
export interface RecordedContent {
  sourceFile: string;
  /** Offset of the event that first brought the bytes. `unloaded`: the version. */
  contentOffset: number;
  /**
   * `put` and `deleted`: the newest content of that kind that was applied. `superseded`: a correction or a
   * held file that was not applied (FILE_SUPERSEDED, FILE_REFUSED). `held`: a version that waits for a
   * decision. `undone`: the place before which it was undone. `unloaded`: a version that is not applied,
   * neither when it came nor by a replay.
   */
  kind: "put" | "deleted" | "superseded" | "held" | "undone" | "unloaded";
  /** Rows that the content brought; 0 unless it is `put`. */
  rows: number;
  /** `unloaded`: the newest version of the file that has the same bytes and is loaded. */
  loadedAs?: number;
}

/** What is on record of a table's versions. A repetition counts as the version that it repeats. */
export interface RecordedVersions {
  /** The newest version that was applied: it did not fail, is not held, and has a row or needs none. */
  newest: number | undefined;
  /** The newest version with rejected rows, or that failed: a later correction may add rows to it. */
  incomplete: number | undefined;
}

/** What `record` writes of a micro-batch. */
export interface BatchRecords {
  ended: readonly RecordedFile[];
  recordedAtMs: number;
}

export interface MicroBatch {
  layout: TableLayout;
  /** In ascending order of sourceOffset. A sourceFile may occur more than once: its newest version wins. */
  files: readonly FileVersion[];
  /**
   * What `record` will write if the commit succeeds. A warehouse may write it in the same transaction, and
   * says so with CommitReceipt.isRecorded. It is written with the rows or not at all.
   */
  records?: BatchRecords;
}

export interface CommitOptions {
  signal?: AbortSignal;
  /**
   * The fence: throws if this writer no longer owns the table. The warehouse calls it whenever another
   * writer may have written to the table since the previous call.
   */
  confirmOwner?: () => Promise<void>;
}

export interface CommitReceipt {
  /** The snapshot that the commit created; null if nothing had to change. */
  snapshotId: string | null;
  /** How the commit wrote the rows, for metrics: inline, staged, adopted, none … */
  strategy: string;
  /** The rows that the commit changed. An identical file that is sent again gives 0, 0, 0. */
  rowsInserted: number;
  rowsUpdated: number;
  rowsDeleted: number;
  /** The table's file counts after the commit; undefined if unknown. */
  files?: TableFiles;
  /** True: MicroBatch.records are on record. Default false: `record` has to follow. */
  isRecorded?: boolean;
}

export interface QueryOptions {
  /**
   * The maximum number of rows. Further rows are cut off, and `truncated` is true. The same holds for rows of
   * a user's query beyond RESULT_BYTES_MAX.
   */
  rowsMax: number;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface QueryResult {
  /** Types in the warehouse's own spelling, in lower case. */
  columns: { name: string; type: string }[];
  /**
   * BIGINT beyond 2^53 and DECIMAL as exact strings, dates and timestamps as ISO text (`2024-01-31`,
   * `2024-01-31T12:00:00.123456`, `…Z`).
   */
  rows: unknown[][];
  truncated: boolean;
}

export type MaintenanceOperation = "optimize" | "expire_snapshots" | "remove_orphan_files";

export interface TableHealth {
  dataFiles: number;
  dataBytes: number;
  deleteFiles: number;
  /** Data files below the size that `optimize` leaves unchanged. */
  smallFiles: number;
  /** Data files that `optimize` would save if it merged each partition's small files into one. */
  mergeableFiles: number;
  snapshots: number;
  oldestSnapshotAtMs: number | null;
  /** False: commits add no files and no snapshots, so nothing can be merged or expire. Default true. */
  keepsFiles?: boolean;
}

/** The file counts of a table's newest snapshot, as far as the warehouse reports them at no extra cost. */
export type TableFiles = Pick<TableHealth, "dataFiles" | "deleteFiles">;

export interface MaintenanceOptions {
  /** Maintenance removes snapshots and orphan files older than this. */
  retentionMs: number;
  /**
   * Above this number of snapshots, older ones expire before `retentionMs`, as decision 56 says. Default: no
   * limit.
   */
  snapshotsMax?: number;
  /** `remove_orphan_files` names what it would remove, and removes nothing. */
  dryRun?: boolean;
  /** The `next` of the previous step. */
  cursor?: string;
  /** Aborts the step. */
  signal?: AbortSignal;
}

export interface MaintenanceResult {
  /**
   * `divided` and `given up`: the signal aborted the step, and the table is unchanged. After `divided`,
   * `next` does the same work in smaller steps. `given up` means that the work cannot be divided further,
   * and `next` continues after it.
   */
  status: "completed" | "failed" | "not_applicable" | "divided" | "given up";
  details: string;
  /** The cursor of the next step, if more work remains. The table may be written between the steps. */
  next?: string;
}

/** The state of `<table>_trusted`. */
export interface Published {
  /** The time of the table state that it shows; null: it is empty, because no checks have passed yet. */
  asOfMs: number | null;
  /** The time since which checks have not passed; null: the last run passed, or no run has happened yet. */
  heldBackSinceMs: number | null;
}

/** The internal tables that rows are appended to. */
export type LogTable = "_quality_results" | "_maintenance_log" | "_dismissed_rows";

/** One row for a log table. The keys are the table's column names. */
export type LogRow = Readonly<Record<string, string | number | boolean | Date | null>>;

/**
 * The tables that users query. All tables are in one schema (`lakehouse`). Every table has its file's
 * columns in order, then _source_file VARCHAR, _source_offset BIGINT, _source_row BIGINT, _ingested_at
 * TIMESTAMP(6) (UTC; the arrival time of the row's file version).
 *
 * `commit` applies a micro-batch to its table as **one atomic change**: readers see either all or nothing of
 * each file version.
 * It is **idempotent**: a repeated commit of the same file versions changes nothing, whatever the result of
 * the first one (crash, timeout, unknown outcome). Except in append mode, `commit` does not apply a version
 * that `record` has recorded as committed, nor an older version of that file.
 *  - replace: after the commit, the table holds exactly the rows of the newest version of each sourceFile.
 *    Rows that are equal in all file columns at the same (_source_file, _source_row) stay unchanged, version
 *    columns included.
 *  - upsert: for each key the newest (_source_offset, _source_row) wins, also inside the batch; the same one
 *    again wins too. A row whose file columns are all equal stays unchanged, unless FileVersion.confirmsUpTo
 *    says otherwise. TableLayout defines deleteMissing. With deleteMissing, a
 *    key that another file sends becomes that file's key, even if the row is unchanged. If the table holds
 *    several rows of a key, from the time of another write mode or key, a version that writes or drops the
 *    key leaves only the newest.
 *  - append: rows are added unless their (_source_file, _source_offset, _source_row) already exists, in the
 *    table or in the batch.
 * A file without a stage has no rows: replace removes its old rows, and upsert with deleteMissing removes
 * its keys. Otherwise it changes nothing.
 * FileVersion.undo takes back what the file's earlier versions left in the table. `remove` deletes the rows
 * of its older versions. In upsert tables `demote` comes first: it gives these rows the offset -1, so that
 * any version of another file takes their keys over, also with an equal row; `remove` then deletes what is
 * left at -1. Both touch no row of a version that is newer than the undo.
 *
 * `record` writes the outcomes of files to `_ingest_files` and their rejects to `_rejected_rows`. It is
 * idempotent by file id and by (file id, row); only the outcome of a held file is replaced, by that of its
 * decision. It is called after `commit`, unless that has written the records with the rows. After a crash
 * between the two, both are repeated, which completes the work.
 *
 * One writer per table calls ensureTable, commit, maintain, publish and hold, one at a time. `record` may
 * run concurrently with them, and so may the writers of other tables. A writer that has lost its table
 * without knowing it changes nothing after its successor has changed the table. If the writers are several
 * processes, each commit is a guarded commit: it succeeds only on the base snapshot that this writer last
 * read. After each read of a new base snapshot, the warehouse calls `confirmOwner`.
 *
 * Retryable errors: WAREHOUSE_UNAVAILABLE, WAREHOUSE_CONFLICT, WAREHOUSE_TIMEOUT, DISK_FULL. Final errors:
 * WAREHOUSE_FAILED, SCHEMA_CONFLICT.
 */
export interface Warehouse {
  readonly url: string;
  readonly supports: {
    partitioning: boolean;
    snapshots: boolean;
    /** `commit` may write MicroBatch.records with the rows. Default false. */
    recordsWithRows?: boolean;
  };
  describe(table: string): Promise<TableDescription | undefined>;
  tables(): Promise<string[]>;
  /**
   * Creates the table, or adds the columns that it lacks at the end; the audit columns stay readable by
   * name. Widens the columns that may widen (lib/columns `widens`). A column that the files lack stays and
   * reads NULL.
   * @throws SCHEMA_CONFLICT naming the column and both types, for any other difference
   */
  ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription>;
  stage(table: string, runId: string): Stage;
  commit(batch: MicroBatch, options?: CommitOptions): Promise<CommitReceipt>;
  record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void>;
  /**
   * Called by a table's new writer before it asks for the watermark. Removes records of `commit` whose rows
   * the table lacks: a crash may have left them, so their files are delivered again. Idempotent.
   */
  recover(table: string, options?: CommitOptions): Promise<void>;
  /** What is on record of these source files, sorted by file, content offset and kind. */
  recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]>;
  recordedVersions(table: string): Promise<RecordedVersions>;
  /**
   * Removes the table with its rows, `<table>_trusted`, and every record of its files in `_ingest_files` and
   * `_rejected_rows`. Logs of checks and maintenance stay. Idempotent; a table that does not exist is no
   * error. A crash in between leaves some of it, and the call is repeated. `ensureTable` makes a new table
   * afterwards, with columns and partitions of its own.
   */
  drop(table: string, options?: CommitOptions): Promise<void>;
  /**
   * Gives the table the rows, columns and partitions of `shadow`, a table of `shadowOf`, in one atomic
   * change: readers see the old table or the new one, whole. A table that does not exist is made.
   * `<table>_trusted` continues to show what it shows, and what is on record of the files stays. `shadow` is
   * gone afterwards; a crash may leave it. `layout` is the table's.
   * @throws WAREHOUSE_CONFLICT if `shadow` does not exist or, with several writers, if somebody else has
   *   changed it since this writer's last commit to it
   */
  replaceWith(layout: TableLayout, shadow: string, options?: CommitOptions): Promise<void>;
  /**
   * The offset watermark: the highest source offset that `record` has recorded for the table, whatever the
   * file's status.
   */
  watermark(table: string): Promise<number | undefined>;
  /** The offset watermark of each table. */
  watermarks(): Promise<Map<string, number>>;
  /**
   * Runs one read-only statement: exactly one SELECT (or WITH … SELECT, SHOW, DESCRIBE, EXPLAIN).
   * Unqualified names resolve to the lakehouse schema. Throws QUERY_* errors.
   */
  query(sql: string, options: QueryOptions): Promise<QueryResult>;
  /**
   * The services' own queries for files, rejects and tables. The limits of `query` apply. Throws QUERY_*
   * errors.
   */
  readonly reads: WarehouseReads;
  /**
   * Counts the rows of the table and the rows that fail each check, in one statement. The checks of one
   * table share one scan, except uniqueness. The SQL of a custom_sql must be one SELECT of its own. It has
   * the limits and the isolation of `query`, but it never waits for users' queries. If the statement fails,
   * `measure` throws its error for all checks together.
   */
  measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements>;
  health(table: string): Promise<TableHealth>;
  /**
   * Runs one step of maintenance. The step is short if the work can be divided. It never changes what the
   * table or `<table>_trusted` shows.
   */
  maintain(table: string, operation: MaintenanceOperation, options: MaintenanceOptions): Promise<MaintenanceResult>;
  /** Appends rows to an internal log table. Creates the table if it is missing. */
  appendLog(table: LogTable, rows: readonly LogRow[]): Promise<void>;
  /**
   * Identifies the state of the table's rows: equal versions mean equal rows. If only the table's one writer
   * can change the table, any constant is valid.
   */
  version(table: string): Promise<string>;
  /**
   * Makes `<table>_trusted` show the table's current state, row for row and column for column, until the
   * next call. Later changes of the table, maintenance included, do not affect it. Readers see either the
   * old or the new state. Returns false and changes nothing if the table is no longer at `version`.
   */
  publish(table: string, version: string, atMs: number): Promise<boolean>;
  /**
   * Records that `<table>_trusted` is held. Repeated calls keep the time of the earliest one. Creates it
   * empty if it does not exist. With null, only creates it.
   */
  hold(table: string, sinceMs: number | null): Promise<void>;
  /** Removes `<table>_trusted` if `publish` or `hold` made it: the table's contract has no gate any more. */
  withdraw(table: string): Promise<void>;
  /**
   * The state of `<table>_trusted`; undefined if it does not exist.
   * @throws TRUSTED_NAME_TAKEN, as publish and hold do, if another table or view has that name
   */
  published(table: string): Promise<Published | undefined>;
  /**
   * Resolves if the warehouse answers.
   * @throws WAREHOUSE_UNAVAILABLE
   */
  ready(): Promise<void>;
  close(): Promise<void>;
}
