import type { Dialect } from "../sql/dialect.ts";
import { IS_APPLIED } from "../commit/versions.ts";
import { tableName } from "../sql/sql.ts";
import { msOrNull, textOrNull } from "./cells.ts";
import {
  COUNTED_GROUPS_MAX,
  type ReadLimits,
  type RejectCount,
  type RejectFilter,
  type RejectGroup,
  type RejectOfFile,
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

/** Raw text of one page, in characters, without that of its last reject. */
const RAW_CHARS_MAX = 8 * 1024 * 1024;

/** Reads `_rejected_rows` and `_ingest_files` through SQL. */
export function rejectRecords(reader: SqlReader): RejectRecords {
  const { stringLiteral } = reader.dialect;
  const rowsOf = async (sql: string, rowsMax: number, limits: ReadLimits): Promise<unknown[][]> => {
    const made = await Promise.all([reader.describe("_rejected_rows"), reader.describe("_ingest_files")]);
    if (made.includes(undefined)) return [];
    return (await reader.query(sql, { ...limits, rowsMax })).rows;
  };
  /** Joins the dismissal `d` of each reject `r`. */
  const dismissals = async (): Promise<string> => {
    const exists = (await reader.describe("_dismissed_rows")) !== undefined;
    return `LEFT JOIN (${dismissedRows(exists)}) d ON ${sameReject(reader.dialect)}`;
  };
  /** The rejects that a filter selects, as `FROM … WHERE …`. */
  const rejected = async (filter: RejectFilter, ...more: string[]): Promise<string> => {
    const { table, all, dismissed = false } = filter;
    const name = table === undefined ? undefined : stringLiteral(table);
    const where = [`d.why IS ${dismissed ? "NOT " : ""}NULL`, ...conditionsOf(reader.dialect, filter)];
    if (name !== undefined) where.push(`r.table_name = ${name}`);
    if (!all) where.push(STANDING);
    const newest = `LEFT JOIN ${newestVersions(name)} n ON n.file_key = r.source_file AND n.table_name = r.table_name`;
    const from = `FROM ${tableName("_rejected_rows")} r ${all ? "" : newest} ${await dismissals()}`;
    return `${from} WHERE ${[...where, ...more].join(" AND ")}`;
  };
  return {
    async list(filter, { after, limit, rawCharsMax = RAW_CHARS_MAX }, limits) {
      const next = after ? [afterPlace(after, stringLiteral(after.fileId))] : [];
      const columns = COLUMNS.map((name) => `r.${name}`).join(", ");
      const order = "ORDER BY r.source_offset DESC, r.file_id DESC, r.source_row";
      const selected = await rejected(filter, ...next);
      const page = `SELECT ${columns}, d.why, d.dismissed_by, d.dismissed_at ${selected} ${order} LIMIT ${limit}`;
      const sql = upToChars(page, order, rawCharsMax);
      return (await rowsOf(sql, limit, limits)).map(rejectOf);
    },
    async counts(filter, limits) {
      const groups = "r.source_file, r.reason, r.column_name";
      const order = `GROUP BY ${groups} ORDER BY 4 DESC, 1, 2, 3 LIMIT ${COUNTED_GROUPS_MAX}`;
      const sql = `SELECT ${groups}, count(*) ${await rejected(filter)} ${order}`;
      const rows = await rowsOf(sql, COUNTED_GROUPS_MAX, limits);
      return rows.map(countOf);
    },
    async groups(filter, limits) {
      const groups = "r.table_name, r.reason, r.column_name";
      const counted = "count(*), count(DISTINCT r.source_file), min(r.message)";
      const order = `GROUP BY ${groups} ORDER BY 4 DESC, 1, 2, 3 LIMIT ${COUNTED_GROUPS_MAX}`;
      const sql = `SELECT ${groups}, ${counted} ${await rejected(filter)} ${order}`;
      const rows = await rowsOf(sql, COUNTED_GROUPS_MAX, limits);
      return rows.map(groupOf);
    },
    async ofFile(fileId, limit, limits) {
      const from = `FROM ${tableName("_rejected_rows")} r ${await dismissals()}`;
      const where = `WHERE r.file_id = ${stringLiteral(fileId)} ORDER BY r.source_row LIMIT ${limit}`;
      const sql = `SELECT r.source_row, r.line, r.reason, r.message, d.why ${from} ${where}`;
      return new Map((await rowsOf(sql, limit, limits)).map(ofFileEntry));
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

/** The rows of a page in its order, up to the one whose raw text with those before exceeds `charsMax`. */
function upToChars(page: string, order: string, charsMax: number): string {
  const pageOrder = order.replaceAll("r.", "p.");
  const chars = `sum(length(p.raw)) OVER (${pageOrder} ROWS UNBOUNDED PRECEDING)`;
  const names = [...COLUMNS, "why", "dismissed_by", "dismissed_at"].map((name) => `p.${name}`).join(", ");
  return (
    `SELECT ${names} FROM (SELECT p.*, ${chars} - length(p.raw) AS chars_before FROM (${page}) p) p ` +
    `WHERE COALESCE(p.chars_before, 0) < ${charsMax} ${pageOrder}`
  );
}

const countOf = ([sourceFile, reason, column, count]: readonly unknown[]): RejectCount => ({
  sourceFile: String(sourceFile),
  reason: String(reason),
  column: textOrNull(column),
  rows: Number(count),
});

const ofFileEntry = ([row, line, reason, message, why]: readonly unknown[]): [number, RejectOfFile] => [
  Number(row),
  { line: Number(line), reason: String(reason), message: String(message), dismissed: typeof why === "string" },
];

const groupOf = ([table, reason, column, count, files, example]: readonly unknown[]): RejectGroup => ({
  table: String(table),
  reason: String(reason),
  column: textOrNull(column),
  rows: Number(count),
  files: Number(files),
  example: textOrNull(example) ?? "",
});

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

const DISMISSED_KEY = "table_name, source_file, source_row, reason, column_name, raw_sha256";

/** Each dismissed row once: two requests at a time may both have dismissed it. */
function dismissedRows(exists: boolean): string {
  const last = ["why", "dismissed_by", "dismissed_at"].map((name) => `max(${name}) AS ${name}`).join(", ");
  if (exists) return `SELECT ${DISMISSED_KEY}, ${last} FROM ${tableName("_dismissed_rows")} GROUP BY ${DISMISSED_KEY}`;
  return (
    `SELECT ${DISMISSED_KEY}, message AS why, message AS dismissed_by, rejected_at AS dismissed_at FROM ` +
    `(SELECT *, raw AS raw_sha256 FROM ${tableName("_rejected_rows")} WHERE 1 = 0) none_yet`
  );
}

/** The condition that the dismissal `d` is of the reject `r`, whatever the version of the file. */
const sameReject = ({ sha256 }: Dialect): string =>
  `d.table_name = r.table_name AND d.source_file = r.source_file AND d.source_row = r.source_row AND ` +
  `d.reason = r.reason AND COALESCE(d.column_name, '') = COALESCE(r.column_name, '') AND ` +
  `d.raw_sha256 = ${sha256("COALESCE(r.raw, '')")}`;

/**
 * The newest version of each file, and the newest that did not fail. A repetition counts as the version that
 * it repeats; one that was superseded does not count. `table` is a literal; undefined: of all tables.
 */
function newestVersions(table: string | undefined): string {
  const order = "ORDER BY COALESCE(version_offset, source_offset) DESC, source_offset DESC";
  const nth = (by: string): string => `row_number() OVER (PARTITION BY table_name, file_key, ${by} ${order})`;
  const taken = `CASE WHEN ${IS_APPLIED} THEN 1 ELSE 0 END`;
  const ofTable = table === undefined ? "" : `table_name = ${table} AND `;
  const own = `${ofTable}COALESCE(error_code, '') <> 'FILE_SUPERSEDED'`;
  return (
    `(SELECT table_name, file_key, max(CASE WHEN nth = 1 THEN source_offset END) AS newest, ` +
    `max(CASE WHEN nth_taken = 1 AND taken = 1 THEN source_offset END) AS newest_taken FROM ` +
    `(SELECT table_name, file_key, source_offset, ${taken} AS taken, ${nth("1")} AS nth, ${nth(taken)} AS nth_taken ` +
    `FROM ${tableName("_ingest_files")} WHERE ${own}) v GROUP BY table_name, file_key)`
  );
}

function afterPlace({ sourceOffset, row }: RejectPlace, fileId: string): string {
  const sameFile = `r.source_offset = ${sourceOffset} AND r.file_id = ${fileId} AND r.source_row > ${row}`;
  const olderFile = `r.source_offset < ${sourceOffset} OR (r.source_offset = ${sourceOffset} AND r.file_id < ${fileId})`;
  return `(${olderFile} OR (${sameFile}))`;
}

function rejectOf(cells: readonly unknown[]): RejectRecord {
  const [fileId, sourceFile, sourceOffset, row, line, column, reason, message, raw, rejectedAt, ...dismissed] = cells;
  const [why, by, dismissedAt] = dismissed;
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
    ...(typeof why === "string" ? { dismissal: { why, by: textOrNull(by) ?? "", atMs: msOrNull(dismissedAt) } } : {}),
  };
}
