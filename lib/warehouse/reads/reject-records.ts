import type { Dialect } from "../sql/dialect.ts";
import { tableName } from "../sql/sql.ts";
import { msOrNull, textOrNull } from "./cells.ts";
import {
  COUNTED_GROUPS_MAX,
  type ReadLimits,
  type RejectFilter,
  type RejectPlace,
  type RejectRecord,
  type RejectRecords,
} from "./port.ts";
import type { SqlReader } from "./sql-reader.ts";

const FILES_PAGE = 10_000;

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

/** Reads `_rejected_rows` and `_ingest_files` through SQL. */
export function rejectRecords(reader: SqlReader): RejectRecords {
  const { stringLiteral } = reader.dialect;
  const rowsOf = async (sql: string, rowsMax: number, limits: ReadLimits): Promise<unknown[][]> => {
    const made = await Promise.all([reader.describe("_rejected_rows"), reader.describe("_ingest_files")]);
    if (made.includes(undefined)) return [];
    return (await reader.query(sql, { ...limits, rowsMax })).rows;
  };
  /** The rejects that a filter selects, as `FROM … WHERE …`. */
  const rejected = (filter: RejectFilter, ...more: string[]): string => {
    const { table, all } = filter;
    const where = [`r.table_name = ${stringLiteral(table)}`, ...conditionsOf(reader.dialect, filter)];
    if (!all) where.push(STANDING);
    const newest = all ? "" : ` LEFT JOIN ${newestVersions(stringLiteral(table))} n ON n.file_key = r.source_file`;
    return `FROM ${tableName("_rejected_rows")} r${newest} WHERE ${[...where, ...more].join(" AND ")}`;
  };
  return {
    async list(filter, { after, limit }, limits) {
      const next = after ? [afterPlace(after, stringLiteral(after.fileId))] : [];
      const columns = COLUMNS.map((name) => `r.${name}`).join(", ");
      const order = "ORDER BY r.source_offset DESC, r.file_id DESC, r.source_row";
      const sql = `SELECT ${columns} ${rejected(filter, ...next)} ${order} LIMIT ${limit}`;
      return (await rowsOf(sql, limit, limits)).map(rejectOf);
    },
    async counts(filter, limits) {
      const groups = "r.source_file, r.reason, r.column_name";
      const order = `GROUP BY ${groups} ORDER BY 4 DESC, 1, 2, 3 LIMIT ${COUNTED_GROUPS_MAX}`;
      const rows = await rowsOf(`SELECT ${groups}, count(*) ${rejected(filter)} ${order}`, COUNTED_GROUPS_MAX, limits);
      return rows.map(([sourceFile, reason, column, count]) => ({
        sourceFile: String(sourceFile),
        reason: String(reason),
        column: textOrNull(column),
        rows: Number(count),
      }));
    },
    async ofFile(fileId, limit, limits) {
      const where = `WHERE file_id = ${stringLiteral(fileId)} ORDER BY source_row LIMIT ${limit}`;
      const sql = `SELECT source_row, line, reason, message FROM ${tableName("_rejected_rows")} ${where}`;
      return new Map(
        (await rowsOf(sql, limit, limits)).map(([row, line, reason, message]) => [
          Number(row),
          { line: Number(line), reason: String(reason), message: String(message) },
        ]),
      );
    },
    async files(table, { file, all }, limits) {
      const name = stringLiteral(table);
      const where = [`r.table_name = ${name}`, "r.rows_rejected > 0", ...(all ? [] : [STANDING])];
      if (file !== undefined) where.push(`r.file_key = ${stringLiteral(file)}`);
      const newest = all ? "" : ` JOIN ${newestVersions(name)} n ON n.file_key = r.file_key`;
      const found = new Set<string>();
      for (let page, after = ""; page === undefined || page.length === FILES_PAGE;) {
        const rest = [...where, `r.file_id > ${stringLiteral(after)}`].join(" AND ");
        const sql = `SELECT DISTINCT r.file_id FROM ${tableName("_ingest_files")} r${newest} WHERE ${rest}`;
        page = await rowsOf(`${sql} ORDER BY r.file_id LIMIT ${FILES_PAGE}`, FILES_PAGE, limits);
        for (const [fileId] of page) found.add((after = String(fileId)));
      }
      return found;
    },
  };
}

/** The conditions of a filter on `_rejected_rows r`. */
function conditionsOf({ stringLiteral, literal }: Dialect, filter: RejectFilter): string[] {
  const { fileId, file, reason, column, lineFrom, lineTo, sinceMs, untilMs } = filter;
  const equal = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`r.${name} = ${stringLiteral(value)}`];
  const bound = (name: string, sign: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`r.${name} ${sign} ${value}`];
  const time = (ms: number | undefined): string | undefined =>
    ms === undefined ? undefined : literal("TIMESTAMP", new Date(ms));
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

/** The condition for a current reject (see RejectRecords), on `r` and `n` (newestVersions). */
const STANDING = "(n.newest IS NULL OR r.source_offset = n.newest OR r.source_offset = n.newest_taken)";

/**
 * The newest version of each file, and the newest that did not fail. A repetition counts as the version that
 * it repeats; one that was superseded does not count. `table` is a literal.
 */
function newestVersions(table: string): string {
  const order = "ORDER BY COALESCE(version_offset, source_offset) DESC, source_offset DESC";
  const nth = (by: string): string => `row_number() OVER (PARTITION BY file_key, ${by} ${order})`;
  const taken = "CASE WHEN status = 'failed' THEN 0 ELSE 1 END";
  const own = `table_name = ${table} AND COALESCE(error_code, '') <> 'FILE_SUPERSEDED'`;
  return (
    `(SELECT file_key, max(CASE WHEN nth = 1 THEN source_offset END) AS newest, ` +
    `max(CASE WHEN nth_taken = 1 AND taken = 1 THEN source_offset END) AS newest_taken FROM ` +
    `(SELECT file_key, source_offset, ${taken} AS taken, ${nth("1")} AS nth, ${nth(taken)} AS nth_taken ` +
    `FROM ${tableName("_ingest_files")} WHERE ${own}) v GROUP BY file_key)`
  );
}

function afterPlace({ sourceOffset, row }: RejectPlace, fileId: string): string {
  const sameFile = `r.source_offset = ${sourceOffset} AND r.file_id = ${fileId} AND r.source_row > ${row}`;
  const olderFile = `r.source_offset < ${sourceOffset} OR (r.source_offset = ${sourceOffset} AND r.file_id < ${fileId})`;
  return `(${olderFile} OR (${sameFile}))`;
}

function rejectOf(cells: readonly unknown[]): RejectRecord {
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
    rejectedAtMs: msOrNull(rejectedAt),
  };
}
