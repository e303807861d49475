import { dialectOf, stringLiteral, tableName } from "../../../lib/warehouse/sql/sql.ts";
import type { QueryOptions, Warehouse, WriteMode } from "../../../lib/warehouse/warehouse.ts";
import { describeError, linksOf } from "./status.ts";
import type { FileFilter } from "./view.ts";
import type { FileState, FileStatus } from "../http/schemas.ts";

/** What the warehouse's own table `_ingest_files` says: the past that no gateway holds in memory. */
export interface Ledger {
  file(fileId: string): Promise<FileStatus | undefined>;
  /** Newest first. */
  files(filter: FileFilter): Promise<FileStatus[]>;
  /** Every version of the table's files that is on record, oldest first; of an append table only those whose rows stand in it. */
  versions(table: string, mode: WriteMode): Promise<RecordedVersion[]>;
}

/** A file version, as far as it can be read again from the raw bytes. */
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
}

const FILE_COLUMNS = [
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
  "encoding",
  "received_at",
  "parsed_at",
  "ingested_at",
  "parse_ms",
  "error_code",
  "error_message",
] as const;

const VERSION_COLUMNS = [
  "file_id",
  "file_key",
  "source_offset",
  "size_bytes",
  "content_hash",
  "etag",
  "received_at",
  "delimiter",
  "encoding",
] as const;

const VERSIONS_PAGE = 10_000;

/** @param options limits of one look-up; rowsMax is set by each call */
export function makeLedger(warehouse: Warehouse, options: Omit<QueryOptions, "rowsMax">): Ledger {
  const text = (value: string): string => stringLiteral(dialectOf(warehouse.url), value);
  const equal = (column: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${column} = ${text(value)}`];
  const select = async <Name extends string>(
    columns: readonly Name[],
    where: string[],
    order: string,
    limit: number,
  ): Promise<Record<Name, unknown>[]> => {
    if (!(await warehouse.describe("_ingest_files"))) return [];
    const sql = `SELECT ${columns.join(", ")} FROM ${tableName("_ingest_files")} WHERE ${where.join(" AND ") || "TRUE"} ORDER BY ${order} LIMIT ${limit}`;
    const { rows } = await warehouse.query(sql, { ...options, rowsMax: limit });
    return rows.map(
      (row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])) as Record<Name, unknown>,
    );
  };

  const files = async ({ table, status, before, limit }: FileFilter): Promise<FileStatus[]> => {
    const where = [
      ...equal("table_name", table),
      ...equal("status", status),
      ...(before === undefined ? [] : [`file_id < ${text(before)}`]),
    ];
    return (await select(FILE_COLUMNS, where, "file_id DESC", limit)).map(statusOfRow);
  };

  return {
    files,
    async file(fileId) {
      const [row] = await select(FILE_COLUMNS, equal("file_id", fileId), "file_id", 1);
      return row && statusOfRow(row);
    },
    async versions(table, mode) {
      // In an append table a repetition's rows stand under the offset of what it repeats: its own record must not come in as one more.
      const own =
        mode === "append" && (await warehouse.describe(table))
          ? [`source_offset IN (SELECT _source_offset FROM ${tableName(table)})`]
          : [];
      const found: RecordedVersion[] = [];
      for (let page; page === undefined || page.length === VERSIONS_PAGE;) {
        const after = found.at(-1);
        const where = [...equal("table_name", table), ...own, `source_offset > ${after?.sourceOffset ?? -1}`];
        page = await select(VERSION_COLUMNS, where, "source_offset", VERSIONS_PAGE);
        found.push(...page.map(versionOfRow));
      }
      return found;
    },
  };
}

/** What a query answered, as text: numbers as digits; null stays null. */
export const textOrNull = (value: unknown): string | null =>
  value === null || value === undefined ? null : typeof value === "string" ? value : JSON.stringify(value);

const numberOrNull = (value: unknown): number | null => (value === null || value === undefined ? null : Number(value));

/** Warehouses answer timestamps without zone; ours are UTC. To milliseconds, as everywhere in the interface. */
export function utc(value: unknown): string | null {
  const iso = textOrNull(value)?.replace(" ", "T");
  if (iso === undefined) return null;
  return new Date(/Z$|[+-]\d\d:?\d\d$/.test(iso) ? iso : `${iso}Z`).toISOString();
}

function versionOfRow(row: Record<(typeof VERSION_COLUMNS)[number], unknown>): RecordedVersion {
  return {
    fileId: String(row.file_id),
    sourceFile: String(row.file_key),
    sourceOffset: Number(row.source_offset),
    sizeBytes: Number(row.size_bytes),
    contentHash: textOrNull(row.content_hash) ?? "",
    etag: textOrNull(row.etag),
    receivedAtMs: Date.parse(utc(row.received_at) ?? ""),
    delimiter: textOrNull(row.delimiter),
    encoding: textOrNull(row.encoding),
  };
}

function statusOfRow(row: Record<(typeof FILE_COLUMNS)[number], unknown>): FileStatus {
  const [fileId, table] = [String(row.file_id), String(row.table_name)];
  const errorCode = textOrNull(row.error_code);
  return {
    fileId,
    table,
    sourceFile: String(row.file_key),
    status: String(row.status) as FileState,
    kind: row.content_hash === "" ? "deleted" : "put",
    origin: null,
    replayOf: null,
    sizeBytes: Number(row.size_bytes),
    contentHash: textOrNull(row.content_hash) ?? "",
    etag: textOrNull(row.etag),
    sourceOffset: numberOrNull(row.source_offset),
    rowsOffset: numberOrNull(row.rows_offset),
    rowsRead: numberOrNull(row.rows_read),
    rowsCommitted: numberOrNull(row.rows_committed),
    rowsRejected: numberOrNull(row.rows_rejected),
    dialect: null,
    encoding: textOrNull(row.encoding),
    columns: null,
    receivedAt: utc(row.received_at),
    parseStartedAt: null,
    parsedAt: utc(row.parsed_at),
    committedAt: row.status === "committed" ? utc(row.ingested_at) : null,
    durations: { queuedMs: null, parseMs: numberOrNull(row.parse_ms), commitMs: null, totalMs: null },
    commit: null,
    error: errorCode === null ? null : describeError(errorCode, textOrNull(row.error_message) ?? ""),
    links: linksOf(fileId, table),
  };
}
