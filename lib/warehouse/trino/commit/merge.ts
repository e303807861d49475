import { trino } from "../dialect.ts";
import type { ColumnDefinition } from "../../../columns.ts";
import { allEqual, anyDistinct, column, columnList, identifier, withAuditColumns } from "../../sql/sql.ts";
import { guardedBySnapshot, type SnapshotId } from "./snapshot.ts";
import type { TableLayout, WriteMode } from "../../warehouse.ts";

/** The one statement that takes a micro-batch into its table, for each write mode as Warehouse.commit promises. Pure. */

/** A file version of the batch, as far as SQL needs it. */
export interface AppliedFile {
  sourceFile: string;
  sourceOffset: number;
  /** What its rows carry as their _source_offset, where that is another. */
  rowsOffset?: number | undefined;
}

export interface MergeInput {
  layout: TableLayout;
  /** The table's columns, without the audit columns. */
  columns: readonly ColumnDefinition[];
  /** Every file version the batch applies; with `replace` one for each sourceFile. */
  files: readonly AppliedFile[];
  /** A SELECT of the batch's rows with the table's columns and the audit columns. */
  rows: string;
  /** Of a table that is not as its writer has seen it nothing changes. */
  baseSnapshot: SnapshotId;
  /** The table as seen holds no row of any of the files. */
  newFiles?: boolean;
  /** No two rows have the same key. */
  keysUnique?: boolean;
}

const IDENTITY = ["_source_file", "_source_offset", "_source_row"] as const;

/** The MERGE of a batch. Nothing it finds already as it should be is written again; if all is, it makes no snapshot. */
export function mergeStatement(input: MergeInput): string {
  const { layout, baseSnapshot: seen } = input;
  const { source, on, when } = partsOf(input);
  return [
    `MERGE INTO ${identifier(layout.table)} AS t USING (`,
    guardedBySnapshot(source, layout.table, seen),
    `) AS s ON ${on}`,
    ...when,
  ].join("\n");
}

/** What differs between the write modes: the source's rows, what they match, and what becomes of them. */
interface MergeParts {
  source: string;
  on: string;
  when: readonly string[];
}

function partsOf(input: MergeInput): MergeParts {
  const { mode } = input.layout;
  // By a key, rows of a new file may meet any row of the table.
  return input.newFiles && mode !== "upsert" ? onlyInsert(input) : PARTS[mode](input);
}

const PARTS: Record<WriteMode, (input: MergeInput) => MergeParts> = {
  replace: mergeReplace,
  upsert: mergeUpsert,
  append: mergeAppend,
};

/** `t."_source_file" IN (…)`, which lets Trino skip data files by their statistics. */
function ofFiles(files: readonly AppliedFile[], alias: string): string {
  const names = [...new Set(files.map(({ sourceFile }) => sourceFile))].map((name) => trino.stringLiteral(name));
  return `${column("_source_file", alias)} IN (${names.join(", ")})`;
}

const allNames = (columns: readonly ColumnDefinition[]): string[] => withAuditColumns(columns).map(({ name }) => name);

function insertClause(columns: readonly ColumnDefinition[]): string {
  const names = allNames(columns);
  return `INSERT (${columnList(names)}) VALUES (${columnList(names, "s")})`;
}

function updateClause(columns: readonly ColumnDefinition[], except: readonly string[] = []): string {
  const names = allNames(columns).filter((name) => !except.includes(name));
  return `UPDATE SET ${names.map((name) => `${identifier(name)} = ${column(name, "s")}`).join(", ")}`;
}

/**
 * There is nothing to meet. It costs half of what comparing costs, and stays a MERGE: Iceberg lets none through beside which another has added
 * rows, of whatever file, where an INSERT would simply come after.
 */
function onlyInsert(input: MergeInput): MergeParts {
  const { columns } = input;
  return { source: eachRowOnce(input), on: "false", when: [`WHEN NOT MATCHED THEN ${insertClause(columns)}`] };
}

function mergeAppend(input: MergeInput): MergeParts {
  const { columns, files } = input;
  const offsets = [...new Set(files.map(({ sourceOffset, rowsOffset }) => rowsOffset ?? sourceOffset))].join(", ");
  return {
    source: eachRowOnce(input),
    on: `${allEqual(IDENTITY, "t", "s")} AND ${ofFiles(files, "t")} AND t."_source_offset" IN (${offsets})`,
    when: [`WHEN NOT MATCHED THEN ${insertClause(columns)}`],
  };
}

/** A version and its replay may come in one batch: the same rows, or some that the one lacks. */
function eachRowOnce(input: MergeInput): string {
  const { files, rows } = input;
  const versions = files.map(
    ({ sourceFile, sourceOffset, rowsOffset = sourceOffset }) => `${rowsOffset} ${sourceFile}`,
  );
  return new Set(versions).size === versions.length ? rows : firstOfEach(input, IDENTITY, `"_ingested_at"`);
}

/** Of the batch's rows that are equal in these columns, the first in this order. */
function firstOfEach({ columns, rows }: MergeInput, names: readonly string[], order: string): string {
  const ranked = `SELECT *, row_number() OVER (PARTITION BY ${columnList(names)} ORDER BY ${order}) AS "_nth" FROM (${rows})`;
  return `SELECT ${columnList(allNames(columns))} FROM (${ranked}) WHERE "_nth" = 1`;
}

/**
 * The difference between the files' new rows and the rows the table holds of them, by (_source_file, _source_row); what is equal falls
 * away. `_m_…` is the identity of the table's row that a difference is about. A table that was written in another mode before may hold
 * several rows of one (_source_file, _source_row): all but the newest go.
 */
function mergeReplace({ layout, columns, files, rows }: MergeInput): MergeParts {
  const table = identifier(layout.table);
  const names = allNames(columns);
  const fileColumns = columns.map(({ name }) => name);
  const source = [
    `SELECT ${columnList(names, "n")},`,
    ...IDENTITY.map((name) => `COALESCE(${column(name, "o")}, ${column(name, "n")}) AS ${identifier(`_m${name}`)},`),
    `n."_source_row" IS NULL AS "_gone"`,
    `FROM (SELECT *, BIGINT '1' AS "_nth" FROM (${rows})) AS n`,
    `FULL JOIN (SELECT *, row_number() OVER (PARTITION BY "_source_file", "_source_row" ORDER BY "_source_offset" DESC) AS "_nth"`,
    `FROM ${table} AS b WHERE ${ofFiles(files, "b")}) AS o`,
    `ON ${allEqual(["_source_file", "_source_row", "_nth"], "n", "o")}`,
    `WHERE n."_source_row" IS NULL OR o."_source_row" IS NULL OR ${anyDistinct(fileColumns, "n", "o")}`,
  ].join("\n");
  const identical = IDENTITY.map((name) => `${column(name, "t")} = ${column(`_m${name}`, "s")}`).join(" AND ");
  return {
    source,
    on: `${identical} AND ${ofFiles(files, "t")}`,
    when: [
      `WHEN MATCHED AND s."_gone" THEN DELETE`,
      `WHEN MATCHED THEN ${updateClause(columns)}`,
      `WHEN NOT MATCHED THEN ${insertClause(columns)}`,
    ],
  };
}

function mergeUpsert(input: MergeInput): MergeParts {
  const { layout, columns } = input;
  const { deleteMissing } = layout;
  const fileColumns = columns.map(({ name }) => name).filter((name) => !layout.key.includes(name));
  // Trino also evaluates it where nothing matched, and there refuses to compare rows: (a, b) > (NULL, NULL).
  const newer = `(s."_source_offset" > t."_source_offset"
    OR s."_source_offset" = t."_source_offset" AND s."_source_row" > t."_source_row")`;
  const distinct = anyDistinct(fileColumns, "s", "t");
  const changes = deleteMissing ? `(${distinct} OR s."_source_file" <> t."_source_file")` : distinct;
  return {
    source: deleteMissing ? upsertWithMissing(input) : newestByKey(input),
    on: allEqual(layout.key, "t", "s"),
    when: [
      ...(deleteMissing ? [`WHEN MATCHED AND s."_gone" AND ${newer} THEN DELETE`] : []),
      `WHEN MATCHED AND ${deleteMissing ? `NOT s."_gone" AND ` : ""}${newer} AND ${changes} THEN ${updateClause(columns, layout.key)}`,
      `WHEN NOT MATCHED ${deleteMissing ? `AND NOT s."_gone" ` : ""}THEN ${insertClause(columns)}`,
    ],
  };
}

/** One row a key, the newest. */
function newestByKey(input: MergeInput): string {
  const { layout, rows, keysUnique = false } = input;
  return keysUnique ? rows : firstOfEach(input, layout.key, `"_source_offset" DESC, "_source_row" DESC`);
}

/**
 * newestByKey, and beside it the keys that the table holds from one of the batch's files and the batch no longer brings. A key whose
 * newest row comes from a version that the same batch supersedes is gone too.
 */
function upsertWithMissing(input: MergeInput): string {
  const { layout, columns, files } = input;
  const newest = newestOffsets(files);
  const superseded = files
    .filter(({ sourceFile, sourceOffset }) => newest.get(sourceFile)! > sourceOffset)
    .map(({ sourceFile }) => sourceFile);
  const stale = [...new Set(superseded)].map(
    (file) => `(n."_source_file" = ${trino.stringLiteral(file)} AND n."_source_offset" < ${newest.get(file)})`,
  );
  const versions = [...newest].map(([file, offset]) => `(${trino.stringLiteral(file)}, BIGINT '${offset}')`);
  const rest = allNames(columns).filter((name) => !layout.key.includes(name) && name !== "_source_offset");
  return [
    `SELECT ${layout.key.map((name) => `COALESCE(${column(name, "n")}, ${column(name, "o")}) AS ${identifier(name)}`).join(", ")},`,
    `COALESCE(n."_source_offset", o."_version") AS "_source_offset",`,
    ...rest.map((name) =>
      name === "_source_row" ? `COALESCE(n."_source_row", 0) AS "_source_row",` : `${column(name, "n")},`,
    ),
    `n."_source_row" IS NULL${stale.map((one) => ` OR ${one}`).join("")} AS "_gone"`,
    `FROM (${newestByKey(input)}) AS n FULL JOIN (`,
    `SELECT ${columnList(layout.key, "b")}, max(f.version) AS "_version" FROM ${identifier(layout.table)} AS b`,
    `JOIN (VALUES ${versions.join(", ")}) AS f(file, version)`,
    `ON b."_source_file" = f.file AND b."_source_offset" < f.version WHERE ${ofFiles(files, "b")}`,
    `GROUP BY ${columnList(layout.key, "b")}`,
    `) AS o ON ${allEqual(layout.key, "n", "o")}`,
  ].join("\n");
}

/** The newest offset of each file. */
export function newestOffsets(files: readonly AppliedFile[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { sourceFile, sourceOffset } of files) {
    newest.set(sourceFile, Math.max(sourceOffset, newest.get(sourceFile) ?? -1));
  }
  return newest;
}
