import { duckdb } from "../duckdb-engine/dialect.ts";
import type { FileOutcome } from "../../messages/generated.ts";
import type { Database } from "./database.ts";
import { qualified } from "./schema.ts";
import type { DuckDbStage } from "../duckdb-engine/stage.ts";
import { StagedRows, type StagedPart } from "../duckdb-engine/stage.ts";
import { ADDED_COLUMNS, INTERNAL_TABLES, type InternalTable } from "../internal-tables.ts";
import { namesOf, recordStatements } from "../duckdb-engine/ledger-statements.ts";
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
    const statements = recordStatements(qualified, { table, ended, recordedAtMs, rejected });
    await database.transaction(async (connection) => {
      for (const statement of statements) await connection.run(statement);
    });
  } finally {
    for (const { rows } of rejected) await rows.drop();
  }
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
