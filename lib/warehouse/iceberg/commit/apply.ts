import type { DuckDBConnection } from "@duckdb/node-api";
import { dividedMerge } from "../../commit/divided-merge.ts";
import {
  heldCondition,
  insertStatement,
  mergeParts,
  mergeStatement,
  repeatedOwnKeySelect,
  type MergeInput,
  type MergeParts,
} from "../../commit/merge.ts";
import { anyRow, areKeysUnique, changed } from "../../duckdb-engine/statements.ts";
import { orderBy } from "../tables/key-order.ts";
import type { Known } from "./known.ts";
import { keySlices, type SliceSize } from "./slices.ts";

/** What a commit has done that its snapshots do not tell. */
export interface Applied {
  rowsDeleted: number;
  /** Rows that the table had are written again, with texts that the batch does not have. */
  copiesRows: boolean;
  /** DuckDB's Iceberg writer had no part in it. */
  isAppended?: true;
}

/** Of an append. */
export const APPENDED: Applied = { rowsDeleted: 0, copiesRows: false, isAppended: true };

/**
 * Runs a batch's changes within a transaction. undefined: there is nothing to change. An upsert of many rows
 * is merged in slices of its keys: one MERGE holds its source and what it matches.
 */
export async function applyRows(
  connection: DuckDBConnection,
  input: MergeInput,
  { known, size }: { known: Known; size: SliceSize },
): Promise<Applied | undefined> {
  const { target, layout } = input;
  const some = (rowsChanged: number, rowsDeleted = 0, copiesRows = false): Applied | undefined =>
    rowsChanged + rowsDeleted > 0 ? { rowsDeleted, copiesRows } : undefined;
  const upsert = layout.mode === "upsert" && !input.undo;
  if (
    layout.mode !== "upsert" &&
    !input.undo &&
    (known.rowsAreNew || !(await anyRow(connection, `${target} WHERE ${heldCondition(input)}`)))
  ) {
    return some(await changed(connection, insertStatement(input)));
  }
  if (upsert && known.tableIsEmpty && !layout.deleteMissing) return some(await insertNewest(connection, input, size));
  // Once for all slices: it reads the keys of the whole table.
  const keysRepeated = upsert && !known.keysAreUnique && (await anyRow(connection, `(${repeatedOwnKeySelect(input)})`));
  let [rowsChanged, rowsDeleted] = [0, 0];
  for (const slice of upsert ? keySlices(input, size) : [input]) {
    const keysUnique = upsert && (await areKeysUnique(connection, slice));
    const applied = await mergeOnce(connection, target, mergeParts({ ...slice, keysUnique, keysRepeated }));
    rowsChanged += applied.rowsChanged;
    rowsDeleted += applied.rowsDeleted;
  }
  return some(rowsChanged, rowsDeleted, keysRepeated || input.undo !== undefined);
}

/** Rows of a new table from which on they are sorted by key. Later upserts read a smaller one in 0.1 s. */
const SORTED_ROWS_MIN = 2_000_000;

/** An upsert into an empty table has nothing to match. Unless keys repeat, all rows are written at once. */
async function insertNewest(connection: DuckDBConnection, input: MergeInput, size: SliceSize): Promise<number> {
  const slices = keySlices(input, size);
  let keysUnique = true;
  for (const slice of slices) keysUnique &&= await areKeysUnique(connection, slice);
  const order = size.rows < SORTED_ROWS_MIN ? "" : orderBy(input.layout.key);
  let rowsChanged = 0;
  for (const slice of keysUnique ? [input] : slices)
    rowsChanged += await changed(connection, `${insertStatement({ ...slice, keysUnique })}${order}`);
  return rowsChanged;
}

/**
 * Merges the rows of the parts' source. DuckDB drops the scan of the target from the plan of a MERGE whose
 * source is empty by its text, and the extension then fails so that the whole instance must be opened again.
 * A table's rows are not in the text.
 */
async function mergeOnce(connection: DuckDBConnection, target: string, parts: MergeParts): Promise<Counts> {
  await connection.run(`CREATE OR REPLACE TEMP TABLE "merge_source" AS ${parts.source}`);
  const counts = await merge(connection, target, parts);
  // After a failure the rollback removes it: the transaction takes no other statement.
  await connection.run(`DROP TABLE ${SOURCE}`);
  return counts;
}

interface Counts {
  rowsChanged: number;
  rowsDeleted: number;
}

async function merge(connection: DuckDBConnection, target: string, parts: MergeParts): Promise<Counts> {
  if (!(await anyRow(connection, SOURCE))) return { rowsChanged: 0, rowsDeleted: 0 };
  if (parts.deletes === undefined) {
    const statement = mergeStatement(target, { ...parts, source: `SELECT * FROM ${SOURCE}` });
    return { rowsChanged: await changed(connection, statement), rowsDeleted: 0 };
  }
  // The extension refuses a MERGE with two actions on matches.
  const [deleteRows, others] = dividedMerge(target, parts, SOURCE);
  const rowsDeleted = await changed(connection, deleteRows!);
  return { rowsChanged: others === undefined ? 0 : await changed(connection, others), rowsDeleted };
}

const SOURCE = `temp.main."merge_source"`;
