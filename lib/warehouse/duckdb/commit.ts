import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "./dialect.ts";
import { CATALOG, rowsOf, type Database } from "./database.ts";
import { qualified, type Tables } from "./schema.ts";
import type { DuckDbStage } from "./stage.ts";
import { StagedRows, type StagedPart } from "./stage.ts";
import { allEqual, anyDistinct, column, columnList, identifier, withAuditColumns, type SqlColumn } from "../sql/sql.ts";
import type { CommitReceipt, FileVersion, MicroBatch } from "../warehouse.ts";

const NOTHING: CommitReceipt = { snapshotId: null, strategy: "none", rowsInserted: 0, rowsUpdated: 0, rowsDeleted: 0 };

type Counts = Pick<CommitReceipt, "rowsInserted" | "rowsUpdated" | "rowsDeleted">;

/** What the steps of a commit work on. `t` is the table's alias in SQL, `s` that of the staged rows. */
interface Work {
  connection: DuckDBConnection;
  batch: MicroBatch;
  /** The table, quoted. */
  table: string;
  fileColumns: readonly string[];
  allColumns: readonly string[];
  /** A subquery: the staged rows with the table's columns, in its order and types. */
  source: string;
}

/** What Warehouse.commit says, in one transaction. */
export async function commitBatch(
  database: Database,
  tables: Tables,
  batch: MicroBatch,
  signal: AbortSignal | undefined,
): Promise<CommitReceipt> {
  const { layout } = batch;
  const description = await tables.describe(layout.table);
  const files = await applicable(database, batch);
  if (!description || files.length === 0) return NOTHING;
  const columns = withAuditColumns(description.columns);
  const shared = new StagedRows(database);
  try {
    const parts: StagedPart[] = [];
    for (const { stage } of files) if (stage) parts.push(...(await (stage as DuckDbStage).rowsInto(shared)));
    parts.push(...shared.parts());
    return await database.transaction(async (connection) => {
      const work: Work = {
        connection,
        batch: { layout, files },
        table: qualified(layout.table),
        fileColumns: description.columns.map((one) => one.name),
        allColumns: columns.map((one) => one.name),
        source: sourceOf(layout.table, parts, columns),
      };
      const counts = await apply(work);
      if (counts.rowsInserted + counts.rowsUpdated + counts.rowsDeleted === 0) return NOTHING;
      const [next] = await rowsOf(connection, `SELECT nextval('${CATALOG}.main.commit_ids')::VARCHAR`);
      return { snapshotId: next![0] as string, strategy: "staged", ...counts };
    }, signal);
  } finally {
    await shared.drop();
  }
}

/** The versions that still have to be applied: none the ledger has, nor an older one of its file; replace needs only each file's newest. */
async function applicable(database: Database, { layout, files }: MicroBatch): Promise<FileVersion[]> {
  if (layout.mode === "append") return [...files];
  const keys = [...new Set(files.map((file) => file.sourceFile))];
  const recorded = await database.rows(
    `SELECT file_key, max(source_offset) FROM ${qualified("_ingest_files")}
     WHERE table_name = ${duckdb.stringLiteral(layout.table)} AND status = 'committed' AND file_key IN (${stringList(keys)})
     GROUP BY ALL`,
  );
  const absorbed = new Map(recorded.map(([key, offset]) => [key as string, Number(offset)]));
  const fresh = files.filter((file) => file.sourceOffset > (absorbed.get(file.sourceFile) ?? -1));
  if (layout.mode !== "replace") return fresh;
  const newest = newestOffsets(fresh);
  return fresh.filter((file) => file.sourceOffset === newest.get(file.sourceFile));
}

const stringList = (texts: readonly string[]): string => texts.map((text) => duckdb.stringLiteral(text)).join(", ");

function newestOffsets(files: readonly FileVersion[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { sourceFile, sourceOffset } of files) {
    newest.set(sourceFile, Math.max(sourceOffset, newest.get(sourceFile) ?? sourceOffset));
  }
  return newest;
}

/** The parts as one relation with the table's columns; what a part lacks reads NULL. */
function sourceOf(table: string, parts: readonly StagedPart[], columns: readonly SqlColumn[]): string {
  const select = (cells: readonly string[]): string =>
    `SELECT ${cells.map((cell, index) => `${cell} AS ${identifier(columns[index]!.name)}`).join(", ")}`;
  if (parts.length === 0) return `(${select(columns.map(({ type }) => `CAST(NULL AS ${type})`))} WHERE FALSE)`;
  const known = new Set(columns.map((one) => one.name));
  const selects = parts.map((part) => {
    const has = new Map(part.columns.map((one) => [one.name, one.type]));
    const stray = part.columns.find((one) => !known.has(one.name));
    if (stray) throw new Error(`commit: table '${table}' has no column '${stray.name}'; ensureTable comes first`);
    const cells = columns.map(({ name, type }) => {
      if (has.get(name) === type) return identifier(name);
      return `CAST(${has.has(name) ? identifier(name) : "NULL"} AS ${type})`;
    });
    return `${select(cells)} FROM ${part.table}`;
  });
  return `(${selects.join(" UNION ALL ")})`;
}

function apply(work: Work): Promise<Counts> {
  switch (work.batch.layout.mode) {
    case "replace":
      return replaceFiles(work);
    case "upsert":
      return upsertRows(work);
    case "append":
      return appendRows(work);
  }
}

/** Rows are the same row if file and ordinal are: only differing ones are written. */
async function replaceFiles(work: Work): Promise<Counts> {
  const { connection, table, source, batch } = work;
  const ofTheseFiles = `_source_file IN (${stringList(batch.files.map((file) => file.sourceFile))})`;
  const sameRow = allEqual(["_source_file", "_source_row"], "t", "s");
  if (!(await anyRow(connection, `${table} t WHERE ${ofTheseFiles}`))) {
    return { rowsInserted: await insertAll(work), rowsUpdated: 0, rowsDeleted: 0 };
  }
  const rowsDeleted = await changed(
    connection,
    `DELETE FROM ${table} t WHERE ${ofTheseFiles} AND NOT EXISTS (SELECT 1 FROM ${source} s WHERE ${sameRow})`,
  );
  const rowsUpdated = await update(work, source, `${sameRow} AND ${anyDistinct(work.fileColumns, "t", "s")}`);
  const rowsInserted = await changed(
    connection,
    `INSERT INTO ${table} SELECT s.* FROM ${source} s WHERE NOT EXISTS (SELECT 1 FROM ${table} t WHERE ${sameRow})`,
  );
  return { rowsInserted, rowsUpdated, rowsDeleted };
}

/**
 * Every version of a file in the batch sends its keys, and of each key the newest row wins. With deleteMissing a winner whose file has a
 * newer version in the batch is gone again (that version does not hold it), as are the files' old keys that nobody sent.
 */
async function upsertRows(work: Work): Promise<Counts> {
  const { connection, table, batch } = work;
  const { key, deleteMissing } = batch.layout;
  const sameKey = allEqual(key, "t", "s");
  const winners = await newestByKey(work);
  const superseded = deleteMissing ? supersededRows(batch.files) : "FALSE";
  const newer = `(s._source_offset > t._source_offset
    OR s._source_offset = t._source_offset AND s._source_row > t._source_row)`;
  let rowsDeleted = 0;
  if (deleteMissing) {
    const newest = [...newestOffsets(batch.files)].map(
      ([file, offset]) => `(${duckdb.stringLiteral(file)}, ${offset})`,
    );
    rowsDeleted = await changed(
      connection,
      `DELETE FROM ${table} t WHERE
         EXISTS (SELECT 1 FROM ${winners} s WHERE ${sameKey} AND ${newer} AND ${superseded})
         OR EXISTS (SELECT 1 FROM (VALUES ${newest.join(", ")}) f (file, newest)
                    WHERE f.file = t._source_file AND f.newest > t._source_offset)
            AND NOT EXISTS (SELECT 1 FROM ${winners} s WHERE ${sameKey})`,
    );
  }
  const differs = anyDistinct(deleteMissing ? [...work.fileColumns, "_source_file"] : work.fileColumns, "t", "s");
  const rowsUpdated = await update(work, winners, `${sameKey} AND ${newer} AND ${differs} AND NOT ${superseded}`);
  const rowsInserted = await changed(
    connection,
    `INSERT INTO ${table} SELECT s.* FROM ${winners} s
     WHERE NOT ${superseded} AND NOT EXISTS (SELECT 1 FROM ${table} t WHERE ${sameKey})`,
  );
  return { rowsInserted, rowsUpdated, rowsDeleted };
}

/** True of a staged row whose file has a newer version in the batch. */
function supersededRows(files: readonly FileVersion[]): string {
  const newest = newestOffsets(files);
  const olderFiles = new Set(files.filter((f) => f.sourceOffset < newest.get(f.sourceFile)!).map((f) => f.sourceFile));
  if (olderFiles.size === 0) return "FALSE";
  const either = [...olderFiles].map(
    (file) => `(s._source_file = ${duckdb.stringLiteral(file)} AND s._source_offset < ${newest.get(file)!})`,
  );
  return `(${either.join(" OR ")})`;
}

/** The staged rows with each key once. Most batches have no key twice: finding that out costs a seventh of sorting them. */
async function newestByKey({ connection, source, batch }: Work): Promise<string> {
  const { key } = batch.layout;
  const twice = await anyRow(
    connection,
    `(SELECT 1 FROM ${source} s GROUP BY ${columnList(key, "s")} HAVING count(*) > 1)`,
  );
  return twice ? firstOfEach(source, key, "s._source_offset DESC, s._source_row DESC") : source;
}

/** Of the staged rows that are equal in these columns, the first in this order. */
const firstOfEach = (source: string, names: readonly string[], order: string): string =>
  `(SELECT s.* FROM ${source} s
    QUALIFY row_number() OVER (PARTITION BY ${columnList(names, "s")} ORDER BY ${order}) = 1)`;

const IDENTITY = ["_source_file", "_source_offset", "_source_row"];

async function appendRows(work: Work): Promise<Counts> {
  const { connection, table, batch } = work;
  const versions = batch.files.map(ofVersion);
  // A version and its replay may come in one batch: the same rows, or some that the one lacks.
  const repeated = new Set(versions).size < versions.length;
  const source = repeated ? firstOfEach(work.source, IDENTITY, "s._ingested_at") : work.source;
  const nothing = { rowsUpdated: 0, rowsDeleted: 0 };
  if (!(await anyRow(connection, `${table} WHERE ${versions.join(" OR ")}`)))
    return { rowsInserted: await insertAll({ ...work, source }), ...nothing };
  const sameRow = allEqual(IDENTITY, "t", "s");
  const rowsInserted = await changed(
    connection,
    `INSERT INTO ${table} SELECT s.* FROM ${source} s WHERE NOT EXISTS (SELECT 1 FROM ${table} t WHERE ${sameRow})`,
  );
  return { rowsInserted, ...nothing };
}

/** A file version's rows, by what they carry: they may keep the offset of the version that theirs repeats. */
function ofVersion({ sourceFile, sourceOffset, stage }: FileVersion): string {
  const offset = (stage as DuckDbStage | undefined)?.rowsOffset ?? sourceOffset;
  return `_source_file = ${duckdb.stringLiteral(sourceFile)} AND _source_offset = ${offset}`;
}

const insertAll = ({ connection, table, source }: Work): Promise<number> =>
  changed(connection, `INSERT INTO ${table} SELECT s.* FROM ${source} s`);

/** Sets every column of the rows of `t` that a row of `rows` (alias `s`) meets under the condition. */
function update({ connection, table, allColumns }: Work, rows: string, condition: string): Promise<number> {
  const settings = allColumns.map((name) => `${identifier(name)} = ${column(name, "s")}`).join(", ");
  return changed(connection, `UPDATE ${table} t SET ${settings} FROM ${rows} s WHERE ${condition}`);
}

/** Runs a statement; how many rows it changed. */
async function changed(connection: DuckDBConnection, sql: string): Promise<number> {
  const result = await connection.run(sql);
  return result.rowsChanged;
}

/** Does the relation have any row? */
async function anyRow(connection: DuckDBConnection, relation: string): Promise<boolean> {
  const rows = await rowsOf(connection, `SELECT 1 FROM ${relation} LIMIT 1`);
  return rows.length > 0;
}
