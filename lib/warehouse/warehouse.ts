import type { ColumnDefinition } from "../columns.ts";
import type { FileOutcome, Reject, RowBatch } from "../messages/generated.ts";
import type { CheckMeasurements, MeasuredTable, ReadLimits, TableCheck, WarehouseReads } from "./reads/port.ts";

export type WriteMode = "replace" | "upsert" | "append";

/** How a table is written, as its contract (or the default) says. */
export interface TableLayout {
  table: string;
  mode: WriteMode;
  /** Upsert only: the key columns, never NULL. */
  key: readonly string[];
  /** Upsert only: a new version of a file deletes the keys whose rows it brought last and no longer holds. */
  deleteMissing: boolean;
  /** Column names (identity) or Iceberg transforms such as `month(ordered_at)`. Where a warehouse has no partitions it ignores them. */
  partitioning: readonly string[];
}

export interface TableDescription {
  table: string;
  /** Without the audit columns. */
  columns: ColumnDefinition[];
  partitioning: string[];
}

/**
 * The rows and rejects of one parse run, kept outside the table until its file is complete: in memory while small, on disk or in
 * the blob store beyond. Row batches come in order; nothing of them shows in the table. `discard` is idempotent and also right
 * after a commit.
 */
export interface Stage {
  readonly rowCount: number;
  readonly rejectCount: number;
  /** Encoded bytes held, wherever they lie. */
  readonly sizeBytes: number;
  append(batch: RowBatch): Promise<void>;
  reject(rejects: readonly Reject[]): Promise<void>;
  discard(): Promise<void>;
}

/** One complete file version on its way into a table. */
export interface FileVersion {
  fileId: string;
  sourceFile: string;
  /** The version: offset of its file event. Its rows may carry an older one, that of the version which it repeats or corrects. */
  sourceOffset: number;
  /** The file's columns with their final types (they may be wider than when its first rows were encoded). */
  columns: readonly ColumnDefinition[];
  /** Absent when the object was deleted: the file then has no rows any more. */
  stage?: Stage;
}

export interface MicroBatch {
  layout: TableLayout;
  /** In ascending order of sourceOffset; one sourceFile may occur more than once: its newest version wins. */
  files: readonly FileVersion[];
}

export interface CommitOptions {
  signal?: AbortSignal;
  /** Throws if the table is no longer this writer's. Asked whenever somebody else may have written to it since it was last asked. */
  confirmOwner?: () => Promise<void>;
}

export interface CommitReceipt {
  /** The snapshot the commit made; null if nothing had to change. */
  snapshotId: string | null;
  /** How the rows got in, for metrics: inline, staged, adopted, none … */
  strategy: string;
  /** Rows really touched: an identical file sent again gives 0, 0, 0. */
  rowsInserted: number;
  rowsUpdated: number;
  rowsDeleted: number;
  /** What the table consists of now; undefined where that is not known. */
  files?: TableFiles;
}

export interface QueryOptions {
  /** Rows beyond are cut off and `truncated` says so. */
  rowsMax: number;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface QueryResult {
  /** Types in the warehouse's own spelling, lower case. */
  columns: { name: string; type: string }[];
  /** BIGINT beyond 2^53 and DECIMAL as exact strings, dates and timestamps as ISO text (`2024-01-31`, `2024-01-31T12:00:00.123456`, `…Z`). */
  rows: unknown[][];
  truncated: boolean;
}

export type MaintenanceOperation = "optimize" | "expire_snapshots" | "remove_orphan_files";

export interface TableHealth {
  dataFiles: number;
  dataBytes: number;
  deleteFiles: number;
  /** Data files below the size that `optimize` is content with. */
  smallFiles: number;
  /** How many fewer there would be if each partition's small files were one: what `optimize` is for. */
  mergeableFiles: number;
  snapshots: number;
  oldestSnapshotAtMs: number | null;
}

/** What a table's newest snapshot consists of, as far as the warehouse says so for nothing. */
export type TableFiles = Pick<TableHealth, "dataFiles" | "deleteFiles">;

export interface MaintenanceOptions {
  /** Older snapshots and orphan files go. */
  retentionMs: number;
  /** Of more snapshots than this the oldest go before their time, but none younger than an hour. Default: any number may stay. */
  snapshotsMax?: number;
  /** Where the step before ended: its `next`. */
  cursor?: string;
  /** Gives the step up. */
  signal?: AbortSignal;
}

export interface MaintenanceResult {
  /**
   * The signal came first, and the table is as it was: `divided`, and `next` does the same in smaller steps; or `given up`, where it cannot
   * be divided any more, and `next` goes on behind it.
   */
  status: "completed" | "failed" | "not_applicable" | "divided" | "given up";
  details: string;
  /** There is more to do: another step with this as its cursor does it. The table may be written between the steps. */
  next?: string;
}

/** What `<table>_trusted` shows. */
export interface Published {
  /** The table as it was then; null: nothing, since no checks have passed yet. */
  asOfMs: number | null;
  /** Since when checks have not passed; null: they passed when they last ran, or have not run yet. */
  heldBackSinceMs: number | null;
}

/** One row for `_quality_results` or `_maintenance_log`; the keys are the table's column names. */
export type LogRow = Readonly<Record<string, string | number | boolean | Date | null>>;

/**
 * Tables that people query. All live in one schema (`lakehouse`). Every table has its file's columns in order, then
 * _source_file VARCHAR, _source_offset BIGINT, _source_row BIGINT, _ingested_at TIMESTAMP(6) (UTC; when its file version arrived).
 *
 * `commit` puts a micro-batch into its table as **one atomic change**: readers see each file version whole or not at all.
 * It is **idempotent**: committing the same file versions again, whatever happened the first time (crash, timeout, unknown outcome),
 * changes nothing. Except in append, a version that `record` has noted as committed is not applied again,
 * nor is an older one of that file.
 *  - replace: afterwards the table holds of each sourceFile exactly its newest version's rows. Rows equal in all file columns at the
 *    same (_source_file, _source_row) are left untouched, version columns included.
 *  - upsert: per key the newest (_source_offset, _source_row) wins, also inside the batch. A row whose file columns are all equal is left
 *    untouched. deleteMissing as TableLayout says; then a key that another file sends changes hands even when unchanged.
 *  - append: rows are added unless (_source_file, _source_offset, _source_row) is there already, also inside the batch.
 * A file without a stage brings no rows: replace removes its old ones, upsert with deleteMissing its keys; otherwise nothing happens.
 *
 * `record` notes how files ended in `_ingest_files` and their rejects in `_rejected_rows`; idempotent by file id and by
 * (file id, row). Called after `commit`; a crash between the two is repaired by both being done again.
 *
 * One writer per table calls ensureTable, commit, maintain, trust and holdBack, one at a time; `record` may go on beside them, and so may other tables. A writer that has
 * lost its table and does not know it yet changes nothing once its successor has changed the table: where writers are several processes, a
 * commit goes through only on the table as this writer last saw it, and what is seen anew is followed by `confirmOwner`.
 * Retryable: WAREHOUSE_UNAVAILABLE, WAREHOUSE_CONFLICT, WAREHOUSE_TIMEOUT, DISK_FULL. Final: WAREHOUSE_FAILED, SCHEMA_CONFLICT.
 */
export interface Warehouse {
  readonly url: string;
  readonly supports: { partitioning: boolean; snapshots: boolean };
  describe(table: string): Promise<TableDescription | undefined>;
  tables(): Promise<string[]>;
  /**
   * Makes the table, or adds the columns it lacks (at the end, before nothing: audit columns stay readable by name) and widens those that
   * may widen (lib/columns `widens`). A column the files lack stays and reads NULL. Anything else: SCHEMA_CONFLICT naming column and types.
   */
  ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription>;
  stage(table: string, runId: string): Stage;
  commit(batch: MicroBatch, options?: CommitOptions): Promise<CommitReceipt>;
  record(table: string, ended: readonly { outcome: FileOutcome; stage?: Stage }[], recordedAtMs: number): Promise<void>;
  /** Highest source offset that `record` has noted for the table, whatever became of the file. */
  watermark(table: string): Promise<number | undefined>;
  /** Highest source offset noted for each table. */
  watermarks(): Promise<Map<string, number>>;
  /** Read-only: exactly one SELECT (or WITH … SELECT, SHOW, DESCRIBE, EXPLAIN); unqualified names resolve to the lakehouse schema. QUERY_* errors. */
  query(sql: string, options: QueryOptions): Promise<QueryResult>;
  /** Files, rejects and tables as services ask for them. Under the limits of `query`; QUERY_* errors. */
  readonly reads: WarehouseReads;
  /**
   * Counts with one statement the rows of the table and those that fail each check. Checks of one table share one scan, but for uniqueness.
   * A user's SQL in custom_sql passes through `query`. Throws what the statement throws, for all checks together.
   */
  measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements>;
  health(table: string): Promise<TableHealth>;
  /** One step of maintenance: short, where the work can be divided. It never changes what the table or `<table>_trusted` shows. */
  maintain(table: string, operation: MaintenanceOperation, options: MaintenanceOptions): Promise<MaintenanceResult>;
  /** Appends rows to one of our own log tables, making it first if need be. */
  appendLog(table: "_quality_results" | "_maintenance_log", rows: readonly LogRow[]): Promise<void>;
  /** Which state of its rows the table is in: equal answers, equal rows. Where nobody but its one writer can change it, any constant will do. */
  version(table: string): Promise<string>;
  /**
   * Makes `<table>_trusted` show the table as it is now, row for row and column for column, until the next call, whatever becomes of the
   * table meanwhile, maintenance included. Readers see either the old or the new state. False, and nothing done, if the table is not at
   * `version` any more.
   */
  publish(table: string, version: string, atMs: number): Promise<boolean>;
  /** Notes that `<table>_trusted` is held back, since the earliest of such calls; makes it, empty, if there is none. null: only makes it. */
  hold(table: string, sinceMs: number | null): Promise<void>;
  /** What `<table>_trusted` shows; undefined if there is none. */
  published(table: string): Promise<Published | undefined>;
  /** Resolves if the warehouse answers; throws WAREHOUSE_UNAVAILABLE otherwise. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
