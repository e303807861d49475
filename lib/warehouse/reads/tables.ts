import { identifier, tableName } from "../sql/sql.ts";
import { msOrNull, textOrNull } from "./cells.ts";
import type { MaintenanceRun, ReadLimits, TableFreshness } from "./port.ts";
import type { SqlReader } from "./sql-reader.ts";

/** There are three maintenance operations. More rows than this indicate a defect. */
const RUNS_MAX = 10;

export async function rowCount(reader: SqlReader, table: string, limits: ReadLimits): Promise<number> {
  const { rows } = await reader.query(`SELECT count(*) FROM ${tableName(table)}`, { ...limits, rowsMax: 1 });
  return Number(rows[0]?.[0] ?? 0);
}

export async function fileRowCount(
  reader: SqlReader,
  table: string,
  sourceFile: string,
  limits: ReadLimits,
): Promise<number> {
  const sql = `SELECT count(*) FROM ${tableName(table)} WHERE "_source_file" = ${reader.dialect.stringLiteral(sourceFile)}`;
  const { rows } = await reader.query(sql, { ...limits, rowsMax: 1 });
  return Number(rows[0]?.[0] ?? 0);
}

export async function freshness(
  reader: SqlReader,
  table: string,
  dateColumn: string | undefined,
  limits: ReadLimits,
): Promise<TableFreshness> {
  const date = dateColumn === undefined ? "NULL" : `max(${identifier(dateColumn)})`;
  const sql = `SELECT count(*), max("_ingested_at"), ${date} FROM ${tableName(table)}`;
  const { rows } = await reader.query(sql, { ...limits, rowsMax: 1 });
  const [count, ingestedAt, lastDate] = rows[0] ?? [];
  return { rowCount: Number(count), lastIngestedAt: textOrNull(ingestedAt), lastDate: textOrNull(lastDate) };
}

export async function maintenanceRuns(reader: SqlReader, table: string, limits: ReadLimits): Promise<MaintenanceRun[]> {
  const latest = (column: string): string => `max_by(${column}, executed_at)`;
  const { rows } = await reader.query(
    `SELECT operation, ${latest("status")}, ${latest("details")}, max(executed_at), ${latest("snapshots_after")}
     FROM ${tableName("_maintenance_log")} WHERE table_name = ${reader.dialect.stringLiteral(table)}
     GROUP BY operation ORDER BY operation`,
    { ...limits, rowsMax: RUNS_MAX },
  );
  return rows.map(([operation, status, details, executedAt, snapshotsAfter]) => ({
    operation: String(operation),
    status: String(status),
    details: textOrNull(details) ?? "",
    executedAtMs: msOrNull(executedAt),
    snapshotsAfter: Number(snapshotsAfter ?? 0),
  }));
}
