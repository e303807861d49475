import { hasOwn } from "../own.ts";
import type { FileOutcome, Reject } from "../messages/generated.ts";
import type { TableOperation } from "../messages/operation.ts";
import type { LiteralValue } from "./sql/dialect.ts";
import type { SqlColumn } from "./sql/sql.ts";
import type { RecordedFile } from "./warehouse.ts";

/** The internal tables, in the same schema. Every column is nullable. */
export const INTERNAL_TABLES = {
  /** The final status of each file version: one row per file id. */
  _ingest_files: [
    { name: "file_id", type: "VARCHAR" },
    { name: "file_key", type: "VARCHAR" },
    { name: "table_name", type: "VARCHAR" },
    { name: "etag", type: "VARCHAR" },
    { name: "content_hash", type: "VARCHAR" },
    { name: "status", type: "VARCHAR" },
    { name: "row_count", type: "BIGINT" },
    { name: "rows_read", type: "BIGINT" },
    { name: "rows_committed", type: "BIGINT" },
    { name: "rows_rejected", type: "BIGINT" },
    { name: "size_bytes", type: "BIGINT" },
    { name: "source_offset", type: "BIGINT" },
    { name: "rows_offset", type: "BIGINT" },
    { name: "delimiter", type: "VARCHAR" },
    { name: "encoding", type: "VARCHAR" },
    { name: "error_code", type: "VARCHAR" },
    { name: "error_message", type: "VARCHAR" },
    { name: "received_at", type: "TIMESTAMP" },
    { name: "parsed_at", type: "TIMESTAMP" },
    { name: "ingested_at", type: "TIMESTAMP" },
    { name: "parse_ms", type: "BIGINT" },
    { name: "version_offset", type: "BIGINT" },
    { name: "content_offset", type: "BIGINT" },
    { name: "operation", type: "VARCHAR" },
    { name: "operation_reason", type: "VARCHAR" },
    { name: "held_reasons", type: "VARCHAR" },
    { name: "dialect", type: "VARCHAR" },
    { name: "transaction_id", type: "VARCHAR" },
    { name: "write_mode", type: "VARCHAR" },
  ],
  /** The rows that could not be cast to their column types: one row per (file id, source row). */
  _rejected_rows: [
    { name: "table_name", type: "VARCHAR" },
    { name: "source_file", type: "VARCHAR" },
    { name: "source_offset", type: "BIGINT" },
    { name: "file_id", type: "VARCHAR" },
    { name: "source_row", type: "BIGINT" },
    { name: "line", type: "BIGINT" },
    { name: "column_name", type: "VARCHAR" },
    { name: "reason", type: "VARCHAR" },
    { name: "message", type: "VARCHAR" },
    { name: "raw", type: "VARCHAR" },
    { name: "rejected_at", type: "TIMESTAMP" },
  ],
  /**
   * The rejected rows that somebody has dismissed: they no longer wait for a correction. A dismissal also
   * holds for the same row of later versions of the file: same place, fault and text.
   */
  _dismissed_rows: [
    { name: "table_name", type: "VARCHAR" },
    { name: "source_file", type: "VARCHAR" },
    { name: "source_row", type: "BIGINT" },
    { name: "column_name", type: "VARCHAR" },
    { name: "reason", type: "VARCHAR" },
    { name: "raw_sha256", type: "VARCHAR" },
    { name: "file_id", type: "VARCHAR" },
    { name: "line", type: "BIGINT" },
    { name: "message", type: "VARCHAR" },
    { name: "why", type: "VARCHAR" },
    { name: "dismissed_by", type: "VARCHAR" },
    { name: "dismissed_at", type: "TIMESTAMP" },
  ],
  _quality_results: [
    { name: "check_name", type: "VARCHAR" },
    { name: "check_type", type: "VARCHAR" },
    { name: "table_name", type: "VARCHAR" },
    { name: "column_name", type: "VARCHAR" },
    { name: "status", type: "VARCHAR" },
    { name: "failing_rows", type: "BIGINT" },
    { name: "total_rows", type: "BIGINT" },
    { name: "details", type: "VARCHAR" },
    { name: "run_id", type: "VARCHAR" },
    { name: "executed_at", type: "TIMESTAMP" },
  ],
  _maintenance_log: [
    { name: "table_name", type: "VARCHAR" },
    { name: "operation", type: "VARCHAR" },
    { name: "status", type: "VARCHAR" },
    { name: "details", type: "VARCHAR" },
    { name: "snapshots_before", type: "BIGINT" },
    { name: "snapshots_after", type: "BIGINT" },
    { name: "files_before", type: "BIGINT" },
    { name: "files_after", type: "BIGINT" },
    { name: "run_id", type: "VARCHAR" },
    { name: "executed_at", type: "TIMESTAMP" },
  ],
} as const satisfies Record<string, readonly SqlColumn[]>;

/** Columns that tables of earlier releases lack. They are added at the end, and old rows have NULL. */
export const ADDED_COLUMNS: Partial<Record<InternalTable, readonly string[]>> = {
  _ingest_files: [
    ...["version_offset", "content_offset", "operation", "operation_reason", "held_reasons", "dialect"],
    ...["transaction_id", "write_mode"],
  ],
};

export type InternalTable = keyof typeof INTERNAL_TABLES;

export const isInternalTable = (table: string): table is InternalTable => hasOwn(INTERNAL_TABLES, table);

/**
 * The row of `_ingest_files` for a file's outcome, by column name. `recordedAtMs` becomes ingested_at.
 * `transactionId` names the transaction that writes the row together with the file's rows; null: these are in
 * the table already.
 */
export function ledgerRow(
  table: string,
  { outcome, repeats, operation, heldReasonsJson, dialectJson, writeMode }: Omit<RecordedFile, "stage">,
  recordedAtMs: number,
  transactionId: string | null = null,
): Record<string, LiteralValue> {
  return {
    file_id: outcome.fileId,
    file_key: outcome.sourceFile,
    table_name: table,
    etag: outcome.etag,
    content_hash: outcome.contentHash,
    status: heldReasonsJson === undefined ? outcome.status : "held",
    row_count: outcome.rowsCommitted,
    rows_read: outcome.rowsRead,
    rows_committed: outcome.rowsCommitted,
    rows_rejected: outcome.rowsRejected,
    size_bytes: outcome.sizeBytes,
    source_offset: outcome.sourceOffset,
    rows_offset: outcome.rowsOffset,
    delimiter: outcome.delimiter,
    encoding: outcome.encoding,
    error_code: outcome.errorCode,
    error_message: outcome.errorMessage,
    received_at: new Date(outcome.receivedAtMs),
    parsed_at: new Date(outcome.parsedAtMs),
    ingested_at: new Date(recordedAtMs),
    parse_ms: outcome.parseMs,
    version_offset: repeats?.versionOffset ?? outcome.sourceOffset,
    content_offset: repeats?.contentOffset ?? undoneAt(operation) ?? outcome.sourceOffset,
    operation: operation ? recordedKind(operation) : null,
    operation_reason: operation ? reasonOf(operation) : null,
    held_reasons: heldReasonsJson ?? null,
    dialect: dialectJson ?? null,
    transaction_id: transactionId,
    write_mode: writeMode ?? null,
  };
}

/** The columns of `_ingest_files` that change when a file is read again, with its id. */
export const countsOf = ({
  outcome: { fileId, status, rowsRead, rowsCommitted, rowsRejected },
  dialectJson,
}: RecordedFile): Record<string, LiteralValue> => ({
  file_id: fileId,
  status,
  row_count: rowsCommitted,
  rows_read: rowsRead,
  rows_committed: rowsCommitted,
  rows_rejected: rowsRejected,
  dialect: dialectJson ?? null,
});

/**
 * The row of `_rejected_rows` for one reject of a file, by column name. Without a reject, only the columns
 * that all rejects of the file share.
 */
export function rejectRow(
  table: string,
  outcome: FileOutcome,
  reject: Reject | undefined,
  recordedAtMs: number,
): Record<string, LiteralValue> {
  const common = {
    table_name: table,
    source_file: outcome.sourceFile,
    source_offset: outcome.sourceOffset,
    file_id: outcome.fileId,
    rejected_at: new Date(recordedAtMs),
  };
  if (!reject) return common;
  const { row, line, column, reason, message, raw } = reject;
  return { ...common, source_row: row, line, column_name: column, reason, message, raw };
}

const undoneAt = (operation: TableOperation | undefined): number | undefined =>
  operation?.kind === "undo" ? operation.at : undefined;

/** What is left of a renamed table is what is left of a dropped one: its watermark. */
const recordedKind = (operation: TableOperation): string =>
  operation.kind === "rename" && operation.step === "end" ? "drop" : operation.kind;

function reasonOf(operation: TableOperation): string {
  const { reason, requestedBy } = operation;
  const why = requestedBy === "" ? reason : `${reason} (${requestedBy})`;
  if (operation.kind !== "rename") return why;
  return operation.step === "begin" ? `renamed from ${operation.from}: ${why}` : `renamed to ${operation.to}: ${why}`;
}
