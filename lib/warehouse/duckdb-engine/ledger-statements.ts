import type { FileOutcome } from "../../messages/generated.ts";
import { isRandomFileId } from "../../file-id.ts";
import { hasOwn } from "../../own.ts";
import { countsOf, INTERNAL_TABLES, ledgerRow, rejectRow, type InternalTable } from "../internal-tables.ts";
import { columnList, identifier } from "../sql/sql.ts";
import type { RecordedFile } from "../warehouse.ts";
import { duckdb } from "./dialect.ts";
import type { StagedPart } from "./stage.ts";

/** The statements of Warehouse.record, for every warehouse that DuckDB writes. */

/** The quoted name of an internal table. */
export type NameOf = (table: InternalTable) => string;

/** One call of Warehouse.record. */
export interface RecordedBatch {
  table: string;
  ended: readonly RecordedFile[];
  recordedAtMs: number;
  /** The staged rejects of the files. */
  rejected: readonly { outcome: FileOutcome; parts: readonly StagedPart[] }[];
  /** The transaction that also writes the files' rows; null: they are in the table already. */
  transactionId?: string | null;
}

/** Rows for an internal table, as a SELECT of all its columns. */
export interface AddedRows {
  table: InternalTable;
  select: string;
}

/** The rows that such a call adds if none of its files is on record. undefined: it changes what is there. */
export function addedRows({ table, ended, recordedAtMs, ...batch }: RecordedBatch): AddedRows[] | undefined {
  const { rejected, transactionId = null } = batch;
  if (ended.some(({ decides, readAgain }) => decides || readAgain)) return undefined;
  const rejects = rejected.flatMap(({ outcome, parts }) =>
    parts.map((part): AddedRows => {
      return { table: "_rejected_rows", select: rejectSelect({ table, recordedAtMs }, outcome, part) };
    }),
  );
  const rows = ended.map((file) => ledgerRow(table, file, recordedAtMs, transactionId));
  return [...rejects, { table: "_ingest_files", select: ledgerSelect(rows) }];
}

/** The statements, in their order; they belong to one transaction. */
export function recordStatements(nameOf: NameOf, batch: RecordedBatch): string[] {
  const { table, ended, recordedAtMs, rejected, transactionId = null } = batch;
  const again = ended.filter(({ readAgain }) => readAgain);
  const added = ended.filter(({ readAgain }) => !readAgain);
  const inserts = rejected.flatMap(({ outcome, parts }) =>
    parts.map((part) => rejectInsert(nameOf, batch, outcome, part)),
  );
  return [
    ...(again.length > 0 ? readAgainStatements(nameOf, again) : []),
    ...inserts,
    ...decidedDelete(nameOf, ended),
    ...(added.length > 0
      ? [
          ledgerInsert(
            nameOf,
            added.map((file) => ledgerRow(table, file, recordedAtMs, transactionId)),
          ),
        ]
      : []),
  ];
}

/** Every INSERT names its columns: a table that has more of them takes the rows all the same. */
export const namesOf = (table: InternalTable): string => columnList(INTERNAL_TABLES[table].map(({ name }) => name));

/** Removes the outcomes of held files that have been decided: their new outcomes follow. */
function decidedDelete(nameOf: NameOf, ended: readonly RecordedFile[]): string[] {
  const decided = ended.filter(({ decides }) => decides);
  if (decided.length === 0) return [];
  const ids = duckdb.stringList(decided.map(({ outcome }) => outcome.fileId));
  return [`DELETE FROM ${nameOf("_ingest_files")} WHERE status = 'held' AND file_id IN (${ids})`];
}

/** Replaces the counts of files on record, and removes their rejects: the new ones follow. */
function readAgainStatements(nameOf: NameOf, again: readonly RecordedFile[]): string[] {
  const ids = duckdb.stringList(again.map(({ outcome }) => outcome.fileId));
  const counts = again.map(countsOf);
  const columns = INTERNAL_TABLES._ingest_files.filter(({ name }) => hasOwn(counts[0]!, name));
  const names = columnList(columns.map(({ name }) => name));
  const sets = columns.filter(({ name }) => name !== "file_id").map(({ name }) => `${name} = n.${name}`);
  return [
    `DELETE FROM ${nameOf("_rejected_rows")} WHERE file_id IN (${ids})`,
    `UPDATE ${nameOf("_ingest_files")} AS f SET ${sets.join(", ")}
     FROM (VALUES ${duckdb.values(columns, counts)}) n (${names}) WHERE f.file_id = n.file_id`,
  ];
}

/** Adds the files that the ledger lacks, each id once. */
function ledgerInsert(nameOf: NameOf, rows: readonly ReturnType<typeof ledgerRow>[]): string {
  const ledger = nameOf("_ingest_files");
  return `INSERT INTO ${ledger} (${namesOf("_ingest_files")}) ${ledgerSelect(rows)}
    WHERE NOT EXISTS (SELECT 1 FROM ${ledger} f WHERE f.file_id = n.file_id${placeOf(rows)})`;
}

function ledgerSelect(rows: readonly ReturnType<typeof ledgerRow>[]): string {
  const names = namesOf("_ingest_files");
  const values = duckdb.values(INTERNAL_TABLES._ingest_files, rows);
  return `SELECT DISTINCT ON (n.file_id) ${names} FROM (VALUES ${values}) n (${names})`;
}

/**
 * Where the ledger may have these files: with it an engine skips its other data files. A file whose id is not
 * derived has one event, so it is on record at the same offset or not at all.
 */
function placeOf(rows: readonly ReturnType<typeof ledgerRow>[]): string {
  const tables = new Set(rows.map((row) => String(row["table_name"])));
  const offsets = rows.map((row) => Number(row["source_offset"]));
  const hasOneEvent = rows.every((row) => isRandomFileId(String(row["file_id"])));
  const range = `f.source_offset BETWEEN ${Math.min(...offsets)} AND ${Math.max(...offsets)}`;
  return ` AND f.table_name IN (${duckdb.stringList([...tables])})${hasOneEvent ? ` AND ${range}` : ""}`;
}

/** Adds a file's staged rejects that `_rejected_rows` lacks. */
function rejectInsert(
  nameOf: NameOf,
  { table, recordedAtMs }: Pick<RecordedBatch, "table" | "recordedAtMs">,
  outcome: FileOutcome,
  part: StagedPart,
): string {
  const rejects = nameOf("_rejected_rows");
  const select = rejectSelect({ table, recordedAtMs }, outcome, part);
  return `INSERT INTO ${rejects} (${namesOf("_rejected_rows")}) ${select}
    WHERE NOT EXISTS (SELECT 1 FROM ${rejects} r
      WHERE r.file_id = ${duckdb.stringLiteral(outcome.fileId)} AND r.source_row = s.source_row)`;
}

function rejectSelect(
  { table, recordedAtMs }: Pick<RecordedBatch, "table" | "recordedAtMs">,
  outcome: FileOutcome,
  part: StagedPart,
): string {
  const staged = new Set(part.columns.map((column) => column.name));
  const common = rejectRow(table, outcome, undefined, recordedAtMs);
  const cells = INTERNAL_TABLES._rejected_rows.map(({ name, type }) => {
    const cell = staged.has(name) ? `s.${identifier(name)}` : duckdb.literal(type, common[name] ?? null);
    return `${cell} AS ${identifier(name)}`;
  });
  return `SELECT ${cells.join(", ")} FROM ${part.table} s`;
}
