import { duckdb } from "./dialect.ts";
import type { FileOutcome } from "../../messages/generated.ts";
import type { Database } from "./database.ts";
import { qualified } from "./schema.ts";
import type { DuckDbStage } from "./stage.ts";
import { StagedRows, type StagedPart } from "./stage.ts";
import {
  ADDED_COLUMNS,
  countsOf,
  INTERNAL_TABLES,
  ledgerRow,
  rejectRow,
  type InternalTable,
} from "../internal-tables.ts";
import { hasOwn } from "../../own.ts";
import { columnList, identifier } from "../sql/sql.ts";
import type { LogRow, RecordedFile } from "../warehouse.ts";

/** Creates the missing internal tables. */
export async function createInternalTables(database: Database): Promise<void> {
  const creates = Object.entries(INTERNAL_TABLES).map(
    ([name, columns]) => `CREATE TABLE IF NOT EXISTS ${qualified(name)} (${duckdb.columnDefinitions(columns)})`,
  );
  const adds = Object.entries(ADDED_COLUMNS).flatMap(([name, added]) =>
    INTERNAL_TABLES[name as InternalTable]
      .filter((column) => added.includes(column.name))
      .map((column) => `ALTER TABLE ${qualified(name)} ADD COLUMN IF NOT EXISTS ${duckdb.columnDefinitions([column])}`),
  );
  await database.run([...creates, ...adds].join(";"));
}

/** Implements Warehouse.record in one transaction. */
export async function recordEnded(
  database: Database,
  table: string,
  ended: readonly RecordedFile[],
  recordedAtMs: number,
): Promise<void> {
  const rejected: { outcome: FileOutcome; rows: StagedRows; parts: readonly StagedPart[] }[] = [];
  try {
    for (const { outcome, stage } of ended) {
      if (!stage || stage.rejectCount === 0) continue;
      const rows = new StagedRows(database);
      const parts = await (stage as DuckDbStage).rejects.into(rows);
      rejected.push({ outcome, rows, parts: [...parts, ...rows.parts()] });
    }
    const again = ended.filter(({ readAgain }) => readAgain);
    const added = ended.filter(({ readAgain }) => !readAgain);
    const statements = again.length > 0 ? readAgainStatements(again) : [];
    const inserts = rejected.flatMap(({ outcome, parts }) =>
      parts.map((part) => rejectInsert(table, outcome, part, recordedAtMs)),
    );
    statements.push(...inserts, ...decidedDelete(ended));
    if (added.length > 0) statements.push(ledgerInsert(added.map((file) => ledgerRow(table, file, recordedAtMs))));
    await database.transaction(async (connection) => {
      for (const statement of statements) await connection.run(statement);
    });
  } finally {
    for (const { rows } of rejected) await rows.drop();
  }
}

/** Every INSERT names its columns: a table that has more of them takes the rows all the same. */
const namesOf = (table: InternalTable): string => columnList(INTERNAL_TABLES[table].map(({ name }) => name));

/** Removes the outcomes of held files that have been decided: their new outcomes follow. */
function decidedDelete(ended: readonly RecordedFile[]): string[] {
  const decided = ended.filter(({ decides }) => decides);
  if (decided.length === 0) return [];
  const ids = duckdb.stringList(decided.map(({ outcome }) => outcome.fileId));
  return [`DELETE FROM ${qualified("_ingest_files")} WHERE status = 'held' AND file_id IN (${ids})`];
}

/** Replaces the counts of files on record, and removes their rejects: the new ones follow. */
function readAgainStatements(again: readonly RecordedFile[]): string[] {
  const ids = duckdb.stringList(again.map(({ outcome }) => outcome.fileId));
  const counts = again.map(countsOf);
  const columns = INTERNAL_TABLES._ingest_files.filter(({ name }) => hasOwn(counts[0]!, name));
  const names = columnList(columns.map(({ name }) => name));
  const sets = columns.filter(({ name }) => name !== "file_id").map(({ name }) => `${name} = n.${name}`);
  return [
    `DELETE FROM ${qualified("_rejected_rows")} WHERE file_id IN (${ids})`,
    `UPDATE ${qualified("_ingest_files")} AS f SET ${sets.join(", ")}
     FROM (VALUES ${duckdb.values(columns, counts)}) n (${names}) WHERE f.file_id = n.file_id`,
  ];
}

/** Adds the files that the ledger lacks, each id once. */
function ledgerInsert(rows: readonly ReturnType<typeof ledgerRow>[]): string {
  const columns = INTERNAL_TABLES._ingest_files;
  const ledger = qualified("_ingest_files");
  const names = namesOf("_ingest_files");
  return `INSERT INTO ${ledger} (${names}) SELECT DISTINCT ON (n.file_id) ${names} FROM (VALUES ${duckdb.values(columns, rows)}) n (${names})
    WHERE NOT EXISTS (SELECT 1 FROM ${ledger} f WHERE f.file_id = n.file_id)`;
}

/** Adds a file's staged rejects that `_rejected_rows` lacks. */
function rejectInsert(table: string, outcome: FileOutcome, part: StagedPart, recordedAtMs: number): string {
  const staged = new Set(part.columns.map((column) => column.name));
  const common = rejectRow(table, outcome, undefined, recordedAtMs);
  const cells = INTERNAL_TABLES._rejected_rows.map(({ name, type }) =>
    staged.has(name) ? `s.${identifier(name)}` : duckdb.literal(type, common[name] ?? null),
  );
  const rejects = qualified("_rejected_rows");
  return `INSERT INTO ${rejects} (${namesOf("_rejected_rows")}) SELECT ${cells.join(", ")} FROM ${part.table} s
    WHERE NOT EXISTS (SELECT 1 FROM ${rejects} r
      WHERE r.file_id = ${duckdb.stringLiteral(outcome.fileId)} AND r.source_row = s.source_row)`;
}

/** The offset watermark in the ledger: the highest source offset of each table, or of one table. */
export async function watermarks(database: Database, table?: string): Promise<Map<string, number>> {
  const only = table === undefined ? "" : `WHERE table_name = ${duckdb.stringLiteral(table)}`;
  const rows = await database.rows(
    `SELECT table_name, max(source_offset) FROM ${qualified("_ingest_files")} ${only} GROUP BY ALL`,
  );
  return new Map(rows.map(([name, offset]) => [name as string, Number(offset)]));
}

/** Implements Warehouse.appendLog. */
export async function appendLog(database: Database, table: InternalTable, rows: readonly LogRow[]): Promise<void> {
  if (rows.length === 0) return;
  const insert = `INSERT INTO ${qualified(table)} (${namesOf(table)}) VALUES ${duckdb.values(INTERNAL_TABLES[table], rows)}`;
  await database.transaction((connection) => connection.run(insert));
}
