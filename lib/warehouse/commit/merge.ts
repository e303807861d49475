import type { ColumnDefinition } from "../../columns.ts";
import type { Dialect } from "../sql/dialect.ts";
import { allEqual, anyDistinct, column, columnList, identifier, withAuditColumns, type SqlColumn } from "../sql/sql.ts";
import type { UndoStep } from "../../messages/operation.ts";
import type { FileVersion, TableLayout, WriteMode } from "../warehouse.ts";
import { newestOffsets } from "./versions.ts";

/** The MERGE that applies a micro-batch to its table, for each write mode of Warehouse.commit. Pure. */

/** The part of a file version that the SQL needs. */
export interface AppliedFile {
  sourceFile: string;
  sourceOffset: number;
  /** The _source_offset of its rows, if it differs from `sourceOffset`. */
  rowsOffset?: number | undefined;
  /** See FileVersion. */
  confirmsUpTo?: number | undefined;
}

export interface MergeInput {
  dialect: Dialect;
  /** The table's quoted name. */
  target: string;
  layout: TableLayout;
  /** The table's columns, without the audit columns. */
  columns: readonly ColumnDefinition[];
  /** Every file version that the batch applies; with `replace`, one for each sourceFile. */
  files: readonly AppliedFile[];
  /** A SELECT of the batch's rows, with the table's columns and the audit columns. */
  rows: string;
  /** The table holds no row of any of the files (append: of any of the versions). */
  newFiles?: boolean;
  /** No two rows have the same key. */
  keysUnique?: boolean;
  /** Upsert: the table may hold several rows of one key, from the time of another write mode or key. */
  keysRepeated?: boolean;
  /** The batch undoes a file, and has no rows. */
  undo?: Undo | undefined;
}

interface Undo {
  sourceFile: string;
  step: UndoStep;
  /** Offset of the event that undoes the file: versions of later events stay. */
  before: number;
}

/** The undo of these files; undefined: none of them is one. */
export function undoOf(files: readonly FileVersion[]): Undo | undefined {
  const [{ sourceFile, sourceOffset, undo }, ...others] = files as [FileVersion, ...FileVersion[]];
  if (undo === undefined) return undefined;
  if (others.length > 0) throw new Error(`commit: the undo of '${sourceFile}' is not alone in its micro-batch`);
  return { sourceFile, step: undo, before: sourceOffset };
}

/** The part of MergeInput that finds rows by their key. */
export type KeyedTable = Pick<MergeInput, "dialect" | "target" | "layout" | "columns">;

/**
 * The parts of a MERGE that differ between the write modes: the source rows, the match condition and the
 * actions.
 */
export interface MergeParts {
  /** A SELECT. */
  source: string;
  /** The match condition between `t`, the table, and `s`, the source. */
  on: string;
  when: readonly string[];
  /** The condition of the matches that are deleted; undefined: none are. */
  deletes?: string;
  /** The condition of the source rows that do nothing but delete what they match. */
  onlyDelete?: string;
}

const IDENTITY = ["_source_file", "_source_offset", "_source_row"] as const;

/** The MERGE of these parts. It writes no row that is already correct. */
export function mergeStatement(target: string, { on, when, source }: MergeParts): string {
  return [`MERGE INTO ${target} AS t USING (`, source, `) AS s ON ${on}`, ...when].join("\n");
}

export function mergeParts(input: MergeInput): MergeParts {
  const { mode } = input.layout;
  if (input.undo) return undoParts(input, input.undo);
  // An upsert matches by key, so rows of a new file may match any row of the table.
  return input.newFiles && mode !== "upsert" ? onlyInsert(input) : PARTS[mode](input);
}

const PARTS: Record<WriteMode, (input: MergeInput) => MergeParts> = {
  replace: mergeReplace,
  upsert: mergeUpsert,
  append: mergeAppend,
};

/**
 * An INSERT with the same effect as the MERGE, valid if `newFiles` holds (upsert: if the table has no rows)
 * and no other writer writes the table.
 */
export const insertStatement = (input: MergeInput): string =>
  `INSERT INTO ${input.target} (${columnList(allNames(input.columns))}) ${insertSelect(input)}`;

/** The rows that `insertStatement` adds, with all columns of the table. */
export function insertSelect(input: MergeInput): string {
  const rows = input.layout.mode === "upsert" ? newestByKey(input) : eachRowOnce(input);
  return `SELECT ${columnList(allNames(input.columns))} FROM (${rows})`;
}

/** Matches the table's rows that contradict `newFiles`. */
export function heldCondition({ dialect, layout, files }: Pick<MergeInput, "dialect" | "layout" | "files">): string {
  if (layout.mode !== "append") return ofFiles(dialect, files);
  const versions = files.map(
    ({ sourceFile, sourceOffset, rowsOffset = sourceOffset }) =>
      `"_source_file" = ${dialect.stringLiteral(sourceFile)} AND "_source_offset" = ${rowsOffset}`,
  );
  return versions.join(" OR ");
}

/** `t."_source_file" IN (…)`. With it an engine can skip data files by their statistics. */
function ofFiles(dialect: Dialect, files: readonly AppliedFile[], alias?: string): string {
  const names = [...new Set(files.map(({ sourceFile }) => sourceFile))];
  return `${column("_source_file", alias)} IN (${dialect.stringList(names)})`;
}

const namesOf = (columns: readonly SqlColumn[]): string[] => columns.map(({ name }) => name);

export const allNames = (columns: readonly ColumnDefinition[]): string[] => namesOf(withAuditColumns(columns));

function insertClause(columns: readonly ColumnDefinition[]): string {
  const names = allNames(columns);
  return `INSERT (${columnList(names)}) VALUES (${columnList(names, "s")})`;
}

function updateClause(columns: readonly ColumnDefinition[], except: readonly string[] = []): string {
  const names = allNames(columns).filter((name) => !except.includes(name));
  return `UPDATE SET ${names.map((name) => `${identifier(name)} = ${column(name, "s")}`).join(", ")}`;
}

/**
 * A MERGE without matches, for new files. It costs half as much as a comparison. It stays a MERGE because
 * Iceberg refuses a MERGE if another writer has added rows of any file in the meantime. An INSERT would
 * succeed.
 */
function onlyInsert(input: MergeInput): MergeParts {
  const when = [`WHEN NOT MATCHED THEN ${insertClause(input.columns)}`];
  return { source: eachRowOnce(input), on: "false", when };
}

/** The offset of rows that a `demote` has made older than every version. */
const DEMOTED = -1;

/** One source row matches every row that the undo concerns. */
function undoParts({ dialect, layout }: MergeInput, { sourceFile, step, before }: Undo): MergeParts {
  const offsets =
    step === "demote" ? `BETWEEN 0 AND ${before - 1}` : layout.mode === "upsert" ? `= ${DEMOTED}` : `< ${before}`;
  return {
    source: `SELECT BIGINT '1' AS "_undo"`,
    on: `s."_undo" = 1 AND t."_source_file" = ${dialect.stringLiteral(sourceFile)} AND t."_source_offset" ${offsets}`,
    ...(step === "demote"
      ? { when: [`WHEN MATCHED THEN UPDATE SET "_source_offset" = ${DEMOTED}`] }
      : { when: ["WHEN MATCHED THEN DELETE"], deletes: "TRUE", onlyDelete: "TRUE" }),
  };
}

function mergeAppend(input: MergeInput): MergeParts {
  const { dialect, columns, files } = input;
  const offsets = [...new Set(files.map(({ sourceOffset, rowsOffset }) => rowsOffset ?? sourceOffset))].join(", ");
  return {
    source: eachRowOnce(input),
    on: `${allEqual(IDENTITY, "t", "s")} AND ${ofFiles(dialect, files, "t")} AND t."_source_offset" IN (${offsets})`,
    when: [`WHEN NOT MATCHED THEN ${insertClause(columns)}`],
  };
}

/**
 * The batch's rows without repetitions. A batch may contain a version and its replay: the replay has the
 * same rows, or some that the version lacks.
 */
function eachRowOnce(input: MergeInput): string {
  const { files, rows } = input;
  const versions = files.map(
    ({ sourceFile, sourceOffset, rowsOffset = sourceOffset }) => `${rowsOffset} ${sourceFile}`,
  );
  const repeated = new Set(versions).size < versions.length;
  return repeated ? firstOfEach(input, IDENTITY, `"_ingested_at"`) : rows;
}

/** Of the batch's rows that are equal in the columns `names`, the first in this order. */
function firstOfEach({ columns, rows }: MergeInput, names: readonly string[], order: string): string {
  const nth = `row_number() OVER (PARTITION BY ${columnList(names)} ORDER BY ${order}) AS "_nth"`;
  return `SELECT ${columnList(allNames(columns))} FROM (SELECT *, ${nth} FROM (${rows})) WHERE "_nth" = 1`;
}

/**
 * Applies the difference between the files' new rows and their rows in the table, by (_source_file,
 * _source_row). The source omits equal rows. `_m_…` identifies the table's rows that a difference refers to.
 * A table that was once written in another mode may hold several rows with one (_source_file, _source_row).
 * They can be equal in all audit columns, so that no condition tells them apart: all are deleted, and the
 * new row is inserted.
 */
function mergeReplace({ dialect, target, columns, files, rows }: MergeInput): MergeParts {
  const place = ["_source_file", "_source_row"];
  const samePlace = `PARTITION BY ${columnList(place)}`;
  const source = [
    `SELECT ${columnList(allNames(columns), "n")},`,
    ...place.map((name) => `${column(name, "o")} AS ${identifier(`_m${name}`)},`),
    `n."_source_row" IS NULL AS "_gone"`,
    `FROM (SELECT *, BIGINT '1' AS "_held" FROM (${rows})) AS n`,
    `FULL JOIN (SELECT * FROM (`,
    `SELECT *, row_number() OVER (${samePlace}) AS "_nth", count(*) OVER (${samePlace}) AS "_held"`,
    `FROM ${target} AS b WHERE ${ofFiles(dialect, files, "b")}) WHERE "_nth" = 1) AS o`,
    `ON ${allEqual([...place, "_held"], "n", "o")}`,
    `WHERE n."_source_row" IS NULL OR o."_source_row" IS NULL OR ${anyDistinct(namesOf(columns), "n", "o")}`,
  ].join("\n");
  const matched = place.map((name) => `${column(name, "t")} = ${column(`_m${name}`, "s")}`).join(" AND ");
  const deletes = `s."_gone"`;
  return {
    source,
    on: `${matched} AND ${ofFiles(dialect, files, "t")}`,
    when: [
      `WHEN MATCHED AND ${deletes} THEN DELETE`,
      `WHEN MATCHED THEN ${updateClause(columns)}`,
      `WHEN NOT MATCHED THEN ${insertClause(columns)}`,
    ],
    deletes,
    onlyDelete: deletes,
  };
}

function mergeUpsert(input: MergeInput): MergeParts {
  const { layout, columns, keysRepeated = false } = input;
  const { deleteMissing, key } = layout;
  const newer = isNewer("s", "t");
  const distinct = differs(input);
  const update = updateClause(columns, key);
  const insert = insertClause(columns);
  const changes = deleteMissing ? `(${distinct} OR s."_source_file" <> t."_source_file")` : `(${distinct})`;
  const source = deleteMissing ? upsertWithMissing(input) : newestByKey(input);
  const present = deleteMissing ? ` AND NOT s."_gone"` : "";
  const parts: MergeParts = {
    source: keysRepeated ? oneRowOfEachKey(input, source) : source,
    on: keysRepeated ? `s."_matches" AND ${sameKey(input, "t", "s")}` : sameKey(input, "t", "s"),
    when: [
      `WHEN MATCHED${present} AND ${newer} AND ${changes} THEN ${update}`,
      `WHEN NOT MATCHED${present} THEN ${insert}`,
    ],
  };
  const reasons = [...(keysRepeated ? [`s."_repeated"`] : []), ...(deleteMissing ? [`s."_gone" AND ${newer}`] : [])];
  if (reasons.length === 0) return parts;
  const deletes = reasons.join(" OR ");
  const onlyDelete = [...(keysRepeated ? [`s."_repeated"`] : []), ...(deleteMissing ? [`s."_gone"`] : [])].join(" OR ");
  return { ...parts, when: [`WHEN MATCHED AND (${deletes}) THEN DELETE`, ...parts.when], deletes, onlyDelete };
}

/** True if a row of the source would change its match. */
export function differs({ layout, columns, files }: MergeInput): string {
  const values = namesOf(columns).filter((name) => !layout.key.includes(name));
  const reasons = [anyDistinct(values, "s", "t"), `t."_source_offset" = ${DEMOTED}`, ...confirmations(files)];
  return reasons.join(" OR ");
}

/**
 * True if the row `a` is newer than the row `b`. The same row again counts as newer: a repetition may read
 * it with other types. Trino also evaluates this for unmatched rows, and refuses the row comparison
 * (a, b) > (NULL, NULL).
 */
export const isNewer = (a: string, b: string): string =>
  `(${a}."_source_offset" > ${b}."_source_offset"
    OR ${a}."_source_offset" = ${b}."_source_offset" AND ${a}."_source_row" >= ${b}."_source_row")`;

/**
 * The source of an upsert into a table that may hold several rows of one key. Of such a key, one row stays:
 * the newest among the table's rows and the source's. A row with `_repeated` deletes all rows of the key,
 * and another, with `_matches` false, inserts the newest again. With deleteMissing, a file that no longer
 * contains the key deletes it only if the newest row is its own.
 */
function oneRowOfEachKey(input: MergeInput, source: string): string {
  const { dialect, target, layout, columns, files } = input;
  const names = allNames(columns);
  const sameKeys = `PARTITION BY ${keyValues(input, "n").join(", ")}`;
  const own = [...newestOffsets(files)].map(
    ([file, version]) => `o."_source_file" = ${dialect.stringLiteral(file)} AND o."_source_offset" < ${version}`,
  );
  const ofOwn = layout.deleteMissing ? ` AND (n."_source_file" IS NOT NULL OR ${own.join(" OR ")})` : "";
  const kept = `("_held" > 1 AND "_nth" = 1 AND NOT "_wins")`;
  const winner = names.map(
    (name, index) => `CASE WHEN ${kept} THEN "_o${index}" ELSE ${identifier(name)} END AS ${identifier(name)}`,
  );
  return [
    `SELECT ${winner.join(", ")},`,
    ...(layout.deleteMissing ? [`"_gone" AND NOT ${kept} AS "_gone",`] : []),
    `"_held" > 1 AND "_nth" = 2 AS "_repeated", "_held" <= 1 OR "_nth" = 2 AS "_matches" FROM (`,
    `SELECT n.*, ${names.map((name, index) => `${column(name, "o")} AS "_o${index}"`).join(", ")},`,
    `${isNewer("n", "o")}${ofOwn} AS "_wins", count(o."_source_file") OVER (${sameKeys}) AS "_held",`,
    `row_number() OVER (${sameKeys} ORDER BY o."_source_offset" DESC, o."_source_row" DESC) AS "_nth"`,
    `FROM (${source}) AS n LEFT JOIN ${target} AS o ON ${sameKey(input, "n", "o")}`,
    `) WHERE "_nth" <= 2`,
  ].join("\n");
}

/** A SELECT with a row if the table holds several rows of one key, NULL apart. */
export function repeatedKeySelect(table: KeyedTable): string {
  const present = table.layout.key.map((name) => `${column(name, "t")} IS NOT NULL`);
  return repeatedKeys(table, present.join(" AND "));
}

/** A SELECT with a row if the table holds several rows of one key that the batch adds, changes or deletes. */
export function repeatedOwnKeySelect(input: MergeInput): string {
  const { dialect, target, layout, files, rows } = input;
  const keys = columnList(layout.key);
  const ofTable = ` UNION ALL SELECT ${keys} FROM ${target} WHERE ${ofFiles(dialect, files)}`;
  const own = `SELECT ${keys} FROM (${rows})${layout.deleteMissing ? ofTable : ""}`;
  return repeatedKeys(input, `EXISTS (SELECT 1 FROM (${own}) AS n WHERE ${sameKey(input, "t", "n")})`);
}

function repeatedKeys(table: KeyedTable, condition: string): string {
  const groups = keyValues(table, "t").join(", ");
  return `SELECT 1 FROM ${table.target} AS t WHERE ${condition} GROUP BY ${groups} HAVING count(*) > 1 LIMIT 1`;
}

/** Conditions for rows that get the version of an equal row (FileVersion.confirmsUpTo). */
function confirmations(files: readonly AppliedFile[]): string[] {
  const offsetsOf = new Map<number, Set<number>>();
  for (const { sourceOffset, rowsOffset = sourceOffset, confirmsUpTo } of files) {
    if (confirmsUpTo === undefined) continue;
    offsetsOf.set(confirmsUpTo, (offsetsOf.get(confirmsUpTo) ?? new Set()).add(rowsOffset));
  }
  return [...offsetsOf].map(
    ([upTo, offsets]) => `t."_source_offset" <= ${upTo} AND s."_source_offset" IN (${[...offsets].join(", ")})`,
  );
}

/** The key of a row as expressions that are equal for equal keys. */
export function keyValues({ dialect, layout, columns }: KeyedTable, alias: string): string[] {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  return layout.key.map((name) => dialect.keyValue(types.get(name)!, column(name, alias)));
}

/** True where the keys of two aliases are equal. */
export function sameKey(table: KeyedTable, left: string, right: string): string {
  const others = keyValues(table, right);
  return keyValues(table, left)
    .map((value, index) => `${value} = ${others[index]}`)
    .join(" AND ");
}

/** The newest row of each key. */
export function newestByKey(input: MergeInput): string {
  const { layout, rows, keysUnique = false } = input;
  // A version and its repetition may be in one batch: the repetition was received later.
  return keysUnique
    ? rows
    : firstOfEach(input, layout.key, `"_source_offset" DESC, "_source_row" DESC, "_ingested_at" DESC`);
}

/**
 * The rows of newestByKey, plus the keys that the table holds from one of the batch's files and that the
 * batch no longer contains. A key is also deleted if its newest row comes from a version that the same batch
 * supersedes.
 */
function upsertWithMissing(input: MergeInput): string {
  const { dialect, target, layout, columns, files } = input;
  const { stringLiteral } = dialect;
  const newest = newestOffsets(files);
  const superseded = files
    .filter(({ sourceFile, sourceOffset }) => newest.get(sourceFile)! > sourceOffset)
    .map(({ sourceFile }) => sourceFile);
  // The rows of a repetition have an older offset than its own.
  const rowsOf = new Map(
    files.map(({ sourceFile, sourceOffset, rowsOffset }) => [sourceFile, rowsOffset ?? sourceOffset]),
  );
  const stale = [...new Set(superseded)].map(
    (file) => `(n."_source_file" = ${stringLiteral(file)} AND n."_source_offset" < ${rowsOf.get(file)})`,
  );
  const versions = [...newest].map(([file, offset]) => `(${stringLiteral(file)}, BIGINT '${offset}')`);
  const keys = layout.key.map((name) => `COALESCE(${column(name, "n")}, ${column(name, "o")}) AS ${identifier(name)}`);
  const rest = allNames(columns).filter((name) => !layout.key.includes(name) && name !== "_source_offset");
  return [
    `SELECT ${keys.join(", ")},`,
    `COALESCE(n."_source_offset", o."_version") AS "_source_offset",`,
    ...rest.map((name) =>
      name === "_source_row" ? `COALESCE(n."_source_row", 0) AS "_source_row",` : `${column(name, "n")},`,
    ),
    `n."_source_row" IS NULL${stale.map((one) => ` OR ${one}`).join("")} AS "_gone"`,
    `FROM (${newestByKey(input)}) AS n FULL JOIN (`,
    `SELECT ${columnList(layout.key, "b")}, max(f.version) AS "_version" FROM ${target} AS b`,
    `JOIN (VALUES ${versions.join(", ")}) AS f(file, version)`,
    `ON b."_source_file" = f.file AND b."_source_offset" < f.version WHERE ${ofFiles(dialect, files, "b")}`,
    `GROUP BY ${columnList(layout.key, "b")}`,
    `) AS o ON ${sameKey(input, "n", "o")}`,
  ].join("\n");
}
