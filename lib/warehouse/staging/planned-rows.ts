import { AUDIT_COLUMNS, columnTypeOf, type ColumnType } from "../../columns.ts";
import type { LoadPlan, PlannedField } from "../../messages/generated.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { identifier, type SqlColumn } from "../sql/sql.ts";

/** What a plan's rows are made of. */
export interface PlannedFile {
  plan: LoadPlan;
  /** Path of the file's bytes on this machine, and how they are compressed. */
  path: string;
  compression: "none" | "gzip" | "zstd";
  sourceFile: string;
  /** Interrupts the load. */
  signal?: AbortSignal;
  /** Called now and then with the number of rows that are loaded, as DuckDB estimates it. */
  onRows?: (rowsDone: number) => void;
}

/** The columns of a plan's rows, audit columns included. */
export function plannedColumns({ fields }: LoadPlan): SqlColumn[] {
  const own = fields.flatMap(({ column, type }) => (column === null ? [] : [{ name: column, type: checked(type) }]));
  return [...own, ...AUDIT_COLUMNS];
}

/** The column that is true where a value could not be read; it exists only if the plan leaves rows out. */
export const UNREAD = "unread";

/**
 * A SELECT of the values of a plan's columns from the file's bytes, one row for each record, in the order of
 * the file. The parser has split the file into the same records and has read each value as its column's type;
 * the casts here read it again. Where they cannot, the statement fails; if the plan leaves rows out, the row
 * is marked, because it may be one of those. No row gets a number here: numbering takes away all threads but
 * one. `threads`: several begin within the text, and one that begins within a quoted line break may split it
 * in another way; DuckDB or `plannedCheck` notices that.
 */
export function plannedValues(file: PlannedFile, threads: "one" | "several"): string {
  const { plan } = file;
  const marked = plan.excluded.length > 0;
  const read = plan.fields.flatMap((field, at) =>
    field.column === null ? [] : [{ ...valueOf(field, fieldName(at), marked), at }],
  );
  const values = read.map(({ value, at }) => `${value} AS ${fieldName(at)}`);
  const failures = read.flatMap(({ failed }) => failed ?? []);
  const mark = marked ? [`${failures.length > 0 ? failures.join(" OR ") : "false"} AS ${UNREAD}`] : [];
  return `SELECT ${[...values, ...mark].join(", ")} FROM ${reader(file, threads)}`;
}

/** A SELECT of a plan's rows from the Parquet file that holds their values (`plannedValues`). */
export function plannedRows({ plan, sourceFile }: PlannedFile, valuesPath: string): string {
  const values = plan.fields.flatMap(({ column }, at) =>
    column === null ? [] : [`${fieldName(at)} AS ${identifier(column)}`],
  );
  const audit = [
    `${text(sourceFile)} AS "_source_file"`,
    `CAST(${plan.rowsOffset} AS BIGINT) AS "_source_offset"`,
    `${ordinal(RECORD, plan.ragged)} AS "_source_row"`,
    `make_timestamp(CAST(${plan.receivedAtMs} AS BIGINT) * 1000) AS "_ingested_at"`,
  ];
  return `SELECT ${[...values, ...audit].join(", ")} FROM ${numberedValues(valuesPath)}${leftOut(plan)}`;
}

/**
 * A SELECT of the number of rows that are not left out, and of the first of them with a value that was not
 * read.
 */
export function plannedCheck({ plan }: PlannedFile, valuesPath: string): string {
  const unread = plan.excluded.length > 0 ? `min(${RECORD}) FILTER (WHERE ${UNREAD})` : "NULL";
  return `SELECT count(*), ${unread} FROM ${numberedValues(valuesPath)}${leftOut(plan)}`;
}

/** The number of a record in its file, from 1. */
const RECORD = `(file_row_number + 1)`;

const numberedValues = (path: string): string => `read_parquet(${text(path)}, file_row_number = true)`;

function leftOut({ excluded, ragged }: LoadPlan): string {
  return excluded.length === 0 ? "" : ` WHERE ${ordinal(RECORD, ragged)} NOT IN (${excluded.join(", ")})`;
}

/** Types are part of a statement. */
function checked(type: string): ColumnType {
  const known = columnTypeOf(type);
  if (known === undefined) throw new Error(`load plan: unknown type '${type}'`);
  return known;
}

const LINE_BYTES_MIN = 256 * 1024;
/** DuckDB's default. With smaller ones a load of short rows takes 100 MB less. */
const BUFFER_BYTES_MAX = 32 * 1024 * 1024;
/** A buffer of fewer rows than DuckDB works on at a time makes many columns slow. */
const BUFFER_ROWS_MIN = 8_192;
/** DuckDB 1.5.5 refuses files, or finds other rows, if the size is not a multiple of 32. */
const BUFFER_STEP_BYTES = 1024 * 1024;

/** The size of a buffer with room for several of the longest records. */
function bufferBytes({ rowCount, textBytes }: LoadPlan, lineBytesMax: number): number {
  const rowsBytes = (BUFFER_ROWS_MIN * textBytes) / Math.max(1, rowCount);
  const bytes = Math.max(4 * lineBytesMax, Math.min(BUFFER_BYTES_MAX, rowsBytes));
  return Math.ceil(bytes / BUFFER_STEP_BYTES) * BUFFER_STEP_BYTES;
}

function reader({ plan, path, compression }: PlannedFile, threads: "one" | "several"): string {
  const { delimiter, quote, header, fields, recordBytesMax, ragged } = plan;
  const columns = fields.map((_, at) => `${text(fieldName(at))}: 'VARCHAR'`);
  const lineBytesMax = Math.max(LINE_BYTES_MIN, recordBytesMax);
  const options = [
    "auto_detect = false",
    `columns = {${columns.join(", ")}}`,
    `delim = ${text(delimiter)}`,
    `quote = ${text(quote ?? "")}`,
    `escape = ${text(quote ?? "")}`,
    `header = ${header}`,
    "strict_mode = true",
    "null_padding = false",
    `max_line_size = ${lineBytesMax}`,
    `buffer_size = ${bufferBytes(plan, lineBytesMax)}`,
    `parallel = ${threads === "several"}`,
    `compression = ${text(compression)}`,
    ...(ragged.length > 0 ? ["ignore_errors = true"] : []),
  ];
  return `read_csv(${text(path)}, ${options.join(", ")})`;
}

const fieldName = (at: number): string => `f${at}`;
const text = (value: string): string => duckdb.stringLiteral(value);

/** The ordinal of a row in the file: its number among the records, and the ragged rows before it. */
function ordinal(record: string, ragged: readonly number[]): string {
  if (ragged.length === 0) return record;
  const steps = ragged.map((row, before) => `WHEN ${record} + ${before} < ${row} THEN ${record} + ${before}`);
  return `CASE ${steps.join(" ")} ELSE ${record} + ${ragged.length} END`;
}

const BLANKS = `' ' || chr(9)`;

/** The value of a field, and with `tried` a condition that is true where it could not be read. */
function valueOf(
  { type: named, nullMarkers, padded }: PlannedField,
  field: string,
  tried: boolean,
): { value: string; failed?: string } {
  const type = checked(named);
  const given = nullMarkers.length === 0 ? field : withoutMarkers(field, nullMarkers);
  if (type === "VARCHAR") return { value: given };
  const solid = padded ? `nullif(trim(${given}, ${BLANKS}), '')` : given;
  if (type === "BOOLEAN") return { value: `lower(${solid}) IN ('true', 't', 'yes', 'y', 'on', '1')` };
  const cast = tried ? "TRY_CAST" : "CAST";
  // DuckDB reads only some notations of an offset.
  const value =
    type === "TIMESTAMP WITH TIME ZONE"
      ? `coalesce(TRY_CAST(${solid} AS ${type}), ${cast}(${withUsualOffset(solid)} AS ${type}))`
      : `${cast}(${solid} AS ${type})`;
  return tried ? { value, failed: `(${solid} IS NOT NULL AND ${value} IS NULL)` } : { value };
}

/**
 * Reads a text that means NULL as such, also with blanks around it. What is blank as a whole is no such
 * text.
 */
function withoutMarkers(field: string, markers: readonly string[]): string {
  const listed = (all: readonly string[]): string => all.map(text).join(", ");
  const exact = `${field} IN (${listed(markers)})`;
  const solid = markers.filter((marker) => marker !== "");
  const padded = solid.length === 0 ? "" : ` OR trim(${field}, ${BLANKS}) IN (${listed(solid)})`;
  return `CASE WHEN ${exact}${padded} THEN NULL ELSE ${field} END`;
}

/**
 * `Z`, `UTC`, `+02`, `+0200` and `+02:00`, with or without a blank before them, after a time with or without
 * seconds, as DuckDB reads them.
 */
function withUsualOffset(value: string): string {
  const replaced = (of: string, pattern: string, by: string): string =>
    `regexp_replace(${of}, ${text(pattern)}, ${text(by)})`;
  const utc = replaced(value, " ?(?i:z|utc)$", "+00");
  const minutes = replaced(utc, " ?([+-]\\d{2}):?(\\d{2})$", "\\1:\\2");
  const hours = replaced(minutes, " ([+-]\\d{2})$", "\\1");
  return replaced(hours, "([ T]\\d{2}:\\d{2})([+-]\\d{2}(:\\d{2})?)$", "\\1:00\\2");
}
