import type { z } from "zod";
import { dialectOf, literal, stringLiteral, tableName } from "../../../lib/warehouse/sql/sql.ts";
import type { QueryOptions, Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { textOrNull, utc } from "../files/ledger.ts";
import type { rejectCountSchema, rejectSchema } from "../http/schemas.ts";

/** What `_rejected_rows` says, seen together with `_ingest_files`. */
export interface RejectLedger {
  /** Newest file first, then by row. */
  list(filter: RejectFilter, page: { after?: RejectPlace | undefined; limit: number }): Promise<RejectedRow[]>;
  /** Most rows first; no more than COUNTED_GROUPS_MAX groups. */
  counts(filter: RejectFilter): Promise<RejectCount[]>;
  /** Rejected rows of one file version by ordinal, ascending, no more than `limit`; without their raw text, which may be long. */
  ofFile(fileId: string, limit: number): Promise<Map<number, { line: number; reason: string; message: string }>>;
  /** Ids of file versions with rejects: of those that stand, or of all. */
  files(table: string, options: { file?: string | undefined; all: boolean }): Promise<Set<string>>;
  /** How a file version was read; undefined if it is not on record. */
  version(fileId: string): Promise<ReadVersion | undefined>;
}

export type RejectedRow = z.infer<typeof rejectSchema>;
export type RejectCount = z.infer<typeof rejectCountSchema>;

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
  /** Also those of versions that a newer one has settled. */
  all: boolean;
}

/** Where a reject stands in the order: newest file first, then by row. */
export interface RejectPlace {
  sourceOffset: number;
  fileId: string;
  row: number;
}

export interface ReadVersion {
  table: string;
  sourceFile: string;
  sourceOffset: number;
  status: string;
  contentHash: string;
  delimiter: string;
  encoding: string;
  rowsRead: number;
  rowsRejected: number;
}

export const COUNTED_GROUPS_MAX = 1_000;
const FILES_MAX = 10_000;

const COLUMNS = [
  "file_id",
  "source_file",
  "source_offset",
  "source_row",
  "line",
  "column_name",
  "reason",
  "message",
  "raw",
  "rejected_at",
] as const;

/** @param options limits of one look-up; rowsMax is set by each call */
export function makeRejectLedger(warehouse: Warehouse, options: Omit<QueryOptions, "rowsMax">): RejectLedger {
  const dialect = dialectOf(warehouse.url);
  const text = (value: string): string => stringLiteral(dialect, value);
  const rowsOf = async (sql: string, rowsMax: number): Promise<unknown[][]> => {
    const made = await Promise.all([warehouse.describe("_rejected_rows"), warehouse.describe("_ingest_files")]);
    if (made.includes(undefined)) return [];
    return (await warehouse.query(sql, { ...options, rowsMax })).rows;
  };
  /** The rejected rows that a filter means, as `FROM … WHERE …`. */
  const rejected = (filter: RejectFilter): string => {
    const { table, all } = filter;
    const where = [`r.table_name = ${text(table)}`, ...conditionsOf(dialect, filter), ...(all ? [] : [STANDING])];
    const newest = all ? "" : ` LEFT JOIN ${newestVersions(text(table))} n ON n.file_key = r.source_file`;
    return `FROM ${tableName("_rejected_rows")} r${newest} WHERE ${where.join(" AND ")}`;
  };

  return {
    async list(filter, { after, limit }) {
      const next = after === undefined ? "" : ` AND ${afterPlace(after, text(after.fileId))}`;
      const columns = COLUMNS.map((name) => `r.${name}`).join(", ");
      const order = "ORDER BY r.source_offset DESC, r.file_id DESC, r.source_row";
      const rows = await rowsOf(`SELECT ${columns} ${rejected(filter)}${next} ${order} LIMIT ${limit}`, limit);
      return rows.map(rejectOf);
    },
    async counts(filter) {
      const groups = "r.source_file, r.reason, r.column_name";
      const sql = `SELECT ${groups}, count(*) ${rejected(filter)} GROUP BY ${groups} ORDER BY 4 DESC, 1, 2, 3 LIMIT ${COUNTED_GROUPS_MAX}`;
      return (await rowsOf(sql, COUNTED_GROUPS_MAX)).map(([sourceFile, reason, column, rows]) => ({
        sourceFile: String(sourceFile),
        reason: String(reason),
        column: textOrNull(column),
        rows: Number(rows),
      }));
    },
    async ofFile(fileId, limit) {
      const columns = "source_row, line, reason, message";
      const where = `WHERE file_id = ${text(fileId)} ORDER BY source_row LIMIT ${limit}`;
      const rows = await rowsOf(`SELECT ${columns} FROM ${tableName("_rejected_rows")} ${where}`, limit);
      return new Map(
        rows.map(([row, line, reason, message]) => [
          Number(row),
          { line: Number(line), reason: String(reason), message: String(message) },
        ]),
      );
    },
    async files(table, { file, all }) {
      const where = [`r.table_name = ${text(table)}`, "r.rows_rejected > 0", ...(all ? [] : [STANDING])];
      if (file !== undefined) where.push(`r.file_key = ${text(file)}`);
      const newest = all ? "" : ` JOIN ${newestVersions(text(table))} n ON n.file_key = r.file_key`;
      const sql = `SELECT r.file_id FROM ${tableName("_ingest_files")} r${newest} WHERE ${where.join(" AND ")}`;
      return new Set((await rowsOf(`${sql} LIMIT ${FILES_MAX}`, FILES_MAX)).map(([fileId]) => String(fileId)));
    },
    async version(fileId) {
      const sql = `SELECT ${VERSION_COLUMNS} FROM ${tableName("_ingest_files")} WHERE file_id = ${text(fileId)} LIMIT 1`;
      const [row] = await rowsOf(sql, 1);
      return row && readVersionOf(row);
    },
  };
}

/** What a filter asks of `_rejected_rows r`. */
function conditionsOf(dialect: ReturnType<typeof dialectOf>, filter: RejectFilter): string[] {
  const { fileId, file, reason, column, lineFrom, lineTo, sinceMs, untilMs } = filter;
  const equal = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`r.${name} = ${stringLiteral(dialect, value)}`];
  const bound = (name: string, sign: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`r.${name} ${sign} ${value}`];
  const time = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : literal(dialect, "TIMESTAMP", new Date(ms));
  return [
    ...equal("file_id", fileId),
    ...equal("source_file", file),
    ...equal("reason", reason),
    ...equal("column_name", column),
    ...bound("line", ">=", lineFrom?.toFixed()),
    ...bound("line", "<=", lineTo?.toFixed()),
    ...bound("rejected_at", ">=", time(sinceMs)),
    ...bound("rejected_at", "<=", time(untilMs)),
  ];
}

/**
 * A reject stands as long as its version is the newest of its file, or the newest that did not fail: what the table holds is that one's.
 * Of `r` and `n` as below.
 */
const STANDING = "(n.newest IS NULL OR r.source_offset = n.newest OR r.source_offset = n.newest_taken)";

const newestVersions = (table: string): string =>
  `(SELECT file_key, max(source_offset) AS newest, max(CASE WHEN status <> 'failed' THEN source_offset END) AS newest_taken ` +
  `FROM ${tableName("_ingest_files")} WHERE table_name = ${table} GROUP BY file_key)`;

function afterPlace({ sourceOffset, row }: RejectPlace, fileId: string): string {
  const sameFile = `r.source_offset = ${sourceOffset} AND r.file_id = ${fileId} AND r.source_row > ${row}`;
  const olderFile = `r.source_offset < ${sourceOffset} OR (r.source_offset = ${sourceOffset} AND r.file_id < ${fileId})`;
  return `(${olderFile} OR (${sameFile}))`;
}

const VERSION_COLUMNS =
  "table_name, file_key, source_offset, status, content_hash, delimiter, encoding, rows_read, rows_rejected";

function readVersionOf(row: readonly unknown[]): ReadVersion {
  const [table, sourceFile, sourceOffset, status, contentHash, delimiter, encoding, rowsRead, rowsRejected] = row;
  return {
    table: textOrNull(table) ?? "",
    sourceFile: textOrNull(sourceFile) ?? "",
    sourceOffset: Number(sourceOffset),
    status: textOrNull(status) ?? "",
    contentHash: textOrNull(contentHash) ?? "",
    delimiter: textOrNull(delimiter) ?? "",
    encoding: textOrNull(encoding) ?? "",
    rowsRead: Number(rowsRead),
    rowsRejected: Number(rowsRejected),
  };
}

function rejectOf(cells: unknown[]): RejectedRow {
  const [fileId, sourceFile, sourceOffset, row, line, column, reason, message, raw, rejectedAt] = cells;
  return {
    fileId: String(fileId),
    sourceFile: String(sourceFile),
    sourceOffset: Number(sourceOffset),
    row: Number(row),
    line: Number(line),
    column: textOrNull(column),
    reason: String(reason),
    message: String(message),
    raw: textOrNull(raw) ?? "",
    rejectedAt: utc(rejectedAt) ?? "",
  };
}
