import type { DuckDBConnection } from "@duckdb/node-api";
import {
  heldCondition,
  insertStatement,
  mergeParts,
  mergeStatement,
  undoOf,
  repeatedOwnKeySelect,
  type MergeInput,
} from "../commit/merge.ts";
import {
  applicable,
  effective,
  NOTHING,
  missingTable,
  recordedOffsets,
  recordedStatement,
} from "../commit/versions.ts";
import { withAuditColumns } from "../sql/sql.ts";
import type { CommitReceipt, FileVersion, MicroBatch, TableFiles } from "../warehouse.ts";
import { CATALOG } from "../duckdb-engine/queries/protocol.ts";
import { rowsOf } from "../duckdb-engine/rows.ts";
import type { Database } from "./database.ts";
import { anyRow, areKeysUnique, changed, countOf, rowsSelect } from "../duckdb-engine/statements.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { qualified, type Tables } from "./schema.ts";
import { StagedRows, type DuckDbStage, type StagedPart } from "../duckdb-engine/stage.ts";

type Counts = Pick<CommitReceipt, "rowsInserted" | "rowsUpdated" | "rowsDeleted">;

/** The database's file. Commits add none, so that nothing becomes due by their number. */
const IN_DATABASE: TableFiles = { dataFiles: 1, deleteFiles: 0 };

/** Implements Warehouse.commit in one transaction. */
export async function commitBatch(
  database: Database,
  tables: Tables,
  batch: MicroBatch,
  signal: AbortSignal | undefined,
): Promise<CommitReceipt> {
  const { layout } = batch;
  const description = await tables.describe(layout.table);
  const files = await toApply(database, { layout, files: effective(batch) });
  if (files.length === 0) return NOTHING;
  if (!description) return missingTable(layout.table, files);
  const columns = withAuditColumns(description.columns);
  const shared = new StagedRows(database);
  try {
    const parts: StagedPart[] = [];
    for (const { stage } of files) if (stage) parts.push(...(await (stage as DuckDbStage).rows.into(shared)));
    parts.push(...shared.parts());
    const input: MergeInput = {
      dialect: duckdb,
      target: qualified(layout.table),
      layout,
      columns: description.columns,
      files: files.map((file) => ({
        ...file,
        rowsOffset: (file.stage as DuckDbStage | undefined)?.rowsOffset ?? file.versionOffset,
      })),
      rows: rowsSelect(layout.table, parts, columns),
      undo: undoOf(files),
    };
    return await database.transaction(async (connection) => {
      const counts = await apply(connection, input);
      if (counts.rowsInserted + counts.rowsUpdated + counts.rowsDeleted === 0) return NOTHING;
      const [next] = await rowsOf(connection, `SELECT nextval('${CATALOG}.main.commit_ids')::VARCHAR`);
      return { snapshotId: next![0] as string, strategy: "staged", ...counts, files: IN_DATABASE };
    }, signal);
  } finally {
    await shared.drop();
  }
}

async function toApply(database: Database, { layout, files }: MicroBatch): Promise<FileVersion[]> {
  const { table, mode } = layout;
  if (mode === "append" || files.length === 0) return [...files];
  const recorded = await database.rows(recordedStatement(duckdb, qualified("_ingest_files"), table, files));
  return applicable(layout, files, recordedOffsets(recorded));
}

/** Holds the source of a MERGE that deletes. It belongs to the commit's transaction. */
const SOURCE = `temp.main."merge_source"`;

/**
 * Runs the batch's MERGE. DuckDB reports only the total number of changed rows. The deleted rows are
 * therefore counted before the MERGE, and the table's rows before and after it. (RETURNING would report the
 * changes, but it reads each deleted row separately: decision 25.)
 */
async function apply(connection: DuckDBConnection, input: MergeInput): Promise<Counts> {
  const { target, layout } = input;
  if (
    layout.mode !== "upsert" &&
    !input.undo &&
    !(await anyRow(connection, `${target} WHERE ${heldCondition(input)}`))
  ) {
    return { rowsInserted: await changed(connection, insertStatement(input)), rowsUpdated: 0, rowsDeleted: 0 };
  }
  const upsert = layout.mode === "upsert" && !input.undo;
  const keysUnique = upsert && (await areKeysUnique(connection, input));
  const keysRepeated = upsert && (await anyRow(connection, `(${repeatedOwnKeySelect(input)})`));
  const parts = mergeParts({ ...input, keysUnique, keysRepeated });
  if (parts.deletes === undefined) return merge(connection, target, mergeStatement(target, parts), 0);
  await connection.run(`CREATE TEMP TABLE "merge_source" AS ${parts.source}`);
  const matched = `SELECT count(*) FROM ${SOURCE} s JOIN ${target} t ON ${parts.on} WHERE ${parts.deletes}`;
  const statement = mergeStatement(target, { ...parts, source: `SELECT * FROM ${SOURCE}` });
  const counts = await merge(connection, target, statement, await countOf(connection, matched));
  await connection.run(`DROP TABLE ${SOURCE}`);
  return counts;
}

async function merge(
  connection: DuckDBConnection,
  target: string,
  statement: string,
  rowsDeleted: number,
): Promise<Counts> {
  const total = `SELECT count(*) FROM ${target}`;
  const before = await countOf(connection, total);
  const rowsChanged = await changed(connection, statement);
  const rowsInserted = (await countOf(connection, total)) - before + rowsDeleted;
  return { rowsInserted, rowsUpdated: rowsChanged - rowsInserted - rowsDeleted, rowsDeleted };
}
