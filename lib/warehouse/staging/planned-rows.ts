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
}

/** The columns of a plan's rows, audit columns included. */
export function plannedColumns({ fields }: LoadPlan): SqlColumn[] {
  const own = fields.flatMap(({ column, type }) => (column === null ? [] : [{ name: column, type: checked(type) }]));
  return [...own, ...AUDIT_COLUMNS];
}

/**
 * A SELECT of a plan's rows from the file's bytes, in the order of the file. The parser has split the file
 * into the same records and has read each value as its column's type; the casts here read it again, and fail
 * where they cannot.
 */
export function plannedSelect({ plan, path, compression, sourceFile }: PlannedFile): string {
  const { fields, excluded, ragged } = plan;
  const values = fields.flatMap((field, at) =>
    field.column === null ? [] : [`${valueOf(field, fieldName(at))} AS ${identifier(field.column)}`],
  );
  const record = `"record"`;
  const left = excluded.length === 0 ? "" : ` WHERE ${ordinal(record, ragged)} NOT IN (${excluded.join(", ")})`;
  const audit = [
    `${text(sourceFile)} AS "_source_file"`,
    `CAST(${plan.rowsOffset} AS BIGINT) AS "_source_offset"`,
    `${ordinal(record, ragged)} AS "_source_row"`,
    `make_timestamp(CAST(${plan.receivedAtMs} AS BIGINT) * 1000) AS "_ingested_at"`,
  ];
  const records = `SELECT *, row_number() OVER () AS ${record} FROM ${reader(plan, path, compression)}`;
  return `SELECT ${[...values, ...audit].join(", ")} FROM (${records})${left}`;
}

/** Types are part of a statement. */
function checked(type: string): ColumnType {
  const known = columnTypeOf(type);
  if (known === undefined) throw new Error(`load plan: unknown type '${type}'`);
  return known;
}

/** DuckDB reserves sixteen times as much for a buffer. */
const LINE_BYTES_MIN = 256 * 1024;

function reader(plan: LoadPlan, path: string, compression: PlannedFile["compression"]): string {
  const { delimiter, quote, header, fields, recordBytesMax, ragged } = plan;
  const columns = fields.map((_, at) => `${text(fieldName(at))}: 'VARCHAR'`);
  const options = [
    "auto_detect = false",
    `columns = {${columns.join(", ")}}`,
    `delim = ${text(delimiter)}`,
    `quote = ${text(quote ?? "")}`,
    `escape = ${text(quote ?? "")}`,
    `header = ${header}`,
    "strict_mode = true",
    "null_padding = false",
    `max_line_size = ${Math.max(LINE_BYTES_MIN, recordBytesMax)}`,
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

function valueOf({ type: given, nullMarkers, padded }: PlannedField, field: string): string {
  const type = checked(given);
  const value = nullMarkers.length === 0 ? field : withoutMarkers(field, nullMarkers);
  if (type === "VARCHAR") return value;
  const solid = padded ? `nullif(trim(${value}, ${BLANKS}), '')` : value;
  if (type === "BOOLEAN") return `lower(${solid}) IN ('true', 't', 'yes', 'y', 'on', '1')`;
  if (type !== "TIMESTAMP WITH TIME ZONE") return `CAST(${solid} AS ${type})`;
  // DuckDB reads only some notations of an offset.
  return `coalesce(TRY_CAST(${solid} AS ${type}), CAST(${withUsualOffset(solid)} AS ${type}))`;
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
