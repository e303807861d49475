import { IS_APPLIED } from "../commit/versions.ts";
import { tableName } from "../sql/sql.ts";
import { msOrNull, numberOrNull, textOrNull } from "./cells.ts";
import type { FileRecord, FileRecords, ReadLimits } from "./port.ts";
import type { SqlReader } from "./sql-reader.ts";

const COLUMNS = [
  "file_id",
  "table_name",
  "file_key",
  "status",
  "size_bytes",
  "content_hash",
  "etag",
  "source_offset",
  "rows_offset",
  "rows_read",
  "rows_committed",
  "rows_rejected",
  "delimiter",
  "encoding",
  "received_at",
  "parsed_at",
  "ingested_at",
  "parse_ms",
  "error_code",
  "error_message",
  "version_offset",
  "content_offset",
  "operation",
  "held_reasons",
  "dialect",
  "write_mode",
] as const;

/** The page size of reads of versions. It keeps a result below the limits of a query. */
const VERSIONS_PAGE = 10_000;
const SET_ASIDE_MAX = 10_000;

/** Versions whose rows nobody wants in the table, at least not yet, and renamings that did not take place. */
const SET_ASIDE = ["FILE_SUPERSEDED", "FILE_HELD", "FILE_REFUSED", "RENAME_REFUSED"];

/** Reads `_ingest_files` through SQL. */
export function fileRecords(reader: SqlReader): FileRecords {
  const { stringLiteral, stringList, literal } = reader.dialect;
  const equal = (column: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${column} = ${stringLiteral(value)}`];
  const olderThan = ({ receivedAtMs, fileId }: { receivedAtMs: number; fileId: string }): string => {
    const at = literal("TIMESTAMP", new Date(receivedAtMs));
    const tie = `(received_at = ${at} AND file_id < ${stringLiteral(fileId)})`;
    return `(received_at < ${at} OR ${tie} OR received_at IS NULL)`;
  };
  const select = async (where: string[], order: string, limit: number, limits: ReadLimits): Promise<FileRecord[]> => {
    const ledger = await reader.describe("_ingest_files");
    if (!ledger) return [];
    // The table of an earlier release lacks columns until a committer has opened it.
    const has = new Set(ledger.columns.map(({ name }) => name));
    const columns = COLUMNS.map((name) => (has.has(name) ? name : "NULL"));
    const conditions = where.join(" AND ") || "TRUE";
    const from = `FROM ${tableName("_ingest_files")} WHERE ${conditions} ORDER BY ${order} LIMIT ${limit}`;
    const { rows } = await reader.query(`SELECT ${columns.join(", ")} ${from}`, { ...limits, rowsMax: limit });
    return rows.map(recordOf);
  };
  return {
    async find(fileId, limits) {
      const [record] = await select(equal("file_id", fileId), "file_id", 1, limits);
      return record;
    },
    async recorded(table, fileIds, limits) {
      if (fileIds.length === 0) return [];
      const wanted = `file_id IN (${stringList(fileIds)})`;
      return select([...equal("table_name", table), wanted], "file_id", fileIds.length, limits);
    },
    async sameContents(table, contentHashes, limits) {
      if (contentHashes.length === 0 || !(await reader.describe("_ingest_files"))) return [];
      const where = `${equal("table_name", table)[0]} AND ${IS_APPLIED} AND content_hash IN (${stringList(contentHashes)})`;
      const from = `FROM ${tableName("_ingest_files")} WHERE ${where} GROUP BY 1`;
      const sql = `SELECT content_hash, max_by(file_key, source_offset) ${from}`;
      const { rows } = await reader.query(sql, { ...limits, rowsMax: contentHashes.length });
      return rows.map(([contentHash, sourceFile]) => ({
        contentHash: String(contentHash),
        sourceFile: String(sourceFile),
      }));
    },
    list({ table, status, before, limit }, limits) {
      const older = before === undefined ? [] : [olderThan(before)];
      return select(
        [...equal("table_name", table), ...equal("status", status), ...older],
        "received_at DESC NULLS LAST, file_id DESC",
        limit,
        limits,
      );
    },
    async setAside(table, limits) {
      const where = [...equal("table_name", table), `error_code IN (${stringList(SET_ASIDE)})`];
      const found = await select(where, "source_offset DESC", SET_ASIDE_MAX, limits);
      return new Set(found.map(({ fileId }) => fileId));
    },
    async versions(table, { standing }, limits) {
      const own =
        standing && (await reader.describe(table))
          ? [`source_offset IN (SELECT _source_offset FROM ${tableName(table)})`]
          : [];
      const found: FileRecord[] = [];
      for (let page; page === undefined || page.length === VERSIONS_PAGE;) {
        const after = `source_offset > ${found.at(-1)?.sourceOffset ?? -1}`;
        page = await select([...equal("table_name", table), ...own, after], "source_offset", VERSIONS_PAGE, limits);
        found.push(...page);
      }
      return found;
    },
  };
}

function recordOf(cells: readonly unknown[]): FileRecord {
  const row = Object.fromEntries(COLUMNS.map((name, index) => [name, cells[index]])) as Record<
    (typeof COLUMNS)[number],
    unknown
  >;
  return {
    fileId: String(row.file_id),
    table: textOrNull(row.table_name) ?? "",
    sourceFile: textOrNull(row.file_key) ?? "",
    status: textOrNull(row.status) ?? "",
    sizeBytes: Number(row.size_bytes),
    contentHash: textOrNull(row.content_hash),
    etag: textOrNull(row.etag),
    sourceOffset: numberOrNull(row.source_offset),
    rowsOffset: numberOrNull(row.rows_offset),
    rowsRead: numberOrNull(row.rows_read),
    rowsCommitted: numberOrNull(row.rows_committed),
    rowsRejected: numberOrNull(row.rows_rejected),
    delimiter: textOrNull(row.delimiter),
    encoding: textOrNull(row.encoding),
    receivedAtMs: msOrNull(row.received_at),
    parsedAtMs: msOrNull(row.parsed_at),
    ingestedAtMs: msOrNull(row.ingested_at),
    parseMs: numberOrNull(row.parse_ms),
    errorCode: textOrNull(row.error_code),
    errorMessage: textOrNull(row.error_message),
    versionOffset: numberOrNull(row.version_offset),
    contentOffset: numberOrNull(row.content_offset),
    operation: textOrNull(row.operation),
    heldReasonsJson: textOrNull(row.held_reasons),
    dialectJson: textOrNull(row.dialect),
    writeMode: textOrNull(row.write_mode),
  };
}
