import { decimalOf, type ColumnDefinition } from "../../lib/columns.ts";
import type { DecodedValue } from "../../lib/rows/row-decoder.ts";
import { INTERNAL_TABLES, isInternalTable } from "../../lib/warehouse/internal-tables.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import type { QueryOptions, QueryResult, TableDescription, Warehouse } from "../../lib/warehouse/warehouse.ts";
import type { FakeRow } from "./fake-commit.ts";
import { FakeWarehouse } from "./fake-warehouse.ts";
import { fileVersion, type Cell } from "./rows.ts";
import { READ_ALL } from "./test-table.ts";

const INTERNAL_NAMES = /_ingest_files|_rejected_rows|_quality_results|_maintenance_log/;

/**
 * The warehouse in memory with SQL, for the port's contract tests: each query runs on a copy in DuckDB.
 */
export class QueryableFakeWarehouse extends FakeWarehouse {
  #tableCopies: Promise<Warehouse> | undefined;
  #tablesCopied = 0;

  override async describe(table: string): Promise<TableDescription | undefined> {
    if (!isInternalTable(table)) return super.describe(table);
    const columns = INTERNAL_TABLES[table].map(({ name, type }) => ({ name, header: name, type }));
    return { table, columns, partitioning: [] };
  }

  override query(sql: string, options: QueryOptions = READ_ALL): Promise<QueryResult> {
    return INTERNAL_NAMES.test(sql) ? this.#queryAll(sql, options) : this.#queryTables(sql, options);
  }

  override async close(): Promise<void> {
    await (await this.#tableCopies)?.close();
    await super.close();
  }

  /** One DuckDB serves all these queries, because opening one costs 50 ms: each query gets tables of new names. */
  async #queryTables(sql: string, options: QueryOptions): Promise<QueryResult> {
    const copy = await (this.#tableCopies ??= openWarehouse("duckdb::memory:"));
    for (const [name, table] of this.tablesByName) {
      if (!sql.includes(name)) continue;
      const copyName = `copy_${this.#tablesCopied++}`;
      await copyTable(copy, copyName, table.columns, table.rows);
      sql = sql.replaceAll(name, copyName);
    }
    return copy.query(sql, options);
  }

  /** The internal tables hold what belongs to all tables, so their copy is made from nothing each time. */
  async #queryAll(sql: string, options: QueryOptions): Promise<QueryResult> {
    const copy = await openWarehouse("duckdb::memory:");
    try {
      for (const [name, table] of this.tablesByName) {
        if (sql.includes(name)) await copyTable(copy, name, table.columns, table.rows);
      }
      for (const name of ["_quality_results", "_maintenance_log"] as const) {
        if (sql.includes(name)) await copy.appendLog(name, this.logs[name]!);
      }
      const ledger = /_ingest_files|_rejected_rows/.test(sql) ? [...this.ledger] : [];
      for (const [fileId, { table, recordedAtMs, ...known }] of ledger) {
        const stage = copy.stage(table, fileId);
        const rejects = [...this.rejected].filter(([key]) => key.startsWith(`${fileId} `)).map(([, reject]) => reject);
        await stage.reject(rejects);
        await copy.record(table, [{ ...known, stage }], recordedAtMs);
        await stage.discard();
      }
      return await copy.query(sql, options);
    } finally {
      await copy.close();
    }
  }
}

async function copyTable(
  copy: Warehouse,
  table: string,
  columns: readonly ColumnDefinition[],
  rows: readonly FakeRow[],
): Promise<void> {
  const layout = { table, mode: "append" as const, key: [], deleteMissing: false, partitioning: [] };
  await copy.ensureTable(layout, columns);
  const versions = new Map<string, FakeRow[]>();
  for (const row of rows) {
    const name = JSON.stringify([row.file, row.offset]);
    versions.set(name, [...(versions.get(name) ?? []), row]);
  }
  for (const version of versions.values()) {
    const { file: sourceFile, offset: sourceOffset, ingestedAt } = version[0]!;
    const plain = version.map((row) => ({
      ...Object.fromEntries(columns.map((column) => [column.name, cellOf(column, row.values[column.name] ?? null)])),
      _source_row: row.row,
    }));
    const receivedAtMs = Number(ingestedAt / 1000n);
    const file = { sourceFile, sourceOffset, receivedAtMs, columns, rows: plain };
    const files = [await fileVersion(copy, table, file)];
    await copy.commit({ layout, files });
    await files[0]!.stage!.discard();
  }
}

function cellOf({ type }: ColumnDefinition, value: DecodedValue): Cell {
  if (value === null) return null;
  if (type === "DATE") return new Date(Number(value) * 86_400_000).toISOString().slice(0, 10);
  const decimal = decimalOf(type);
  if (decimal) return withPoint(BigInt(value), decimal.scale);
  if (!type.startsWith("TIMESTAMP")) return value;
  const micros = BigInt(value);
  const seconds = new Date(Number(micros / 1000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(micros % 1_000_000n).padStart(6, "0")}`;
}

function withPoint(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const at = digits.length - scale;
  return `${unscaled < 0n ? "-" : ""}${digits.slice(0, at)}${scale > 0 ? `.${digits.slice(at)}` : ""}`;
}
