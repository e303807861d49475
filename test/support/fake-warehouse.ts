import { columnTypeOf, widens, type ColumnDefinition } from "../../lib/columns.ts";
import { TributaryError } from "../../lib/errors.ts";
import type { FileOutcome, Reject, RowBatch } from "../../lib/events/generated.ts";
import { decodeRows, valueAt, type DecodedValue } from "../../lib/warehouse/row-decoder.ts";
import type {
  CommitReceipt,
  FileVersion,
  LogRow,
  MaintenanceOperation,
  MaintenanceResult,
  MicroBatch,
  QueryResult,
  Stage,
  TableDescription,
  TableHealth,
  TableLayout,
  Warehouse,
} from "../../lib/warehouse/warehouse.ts";

/** A row of a table: its values by column name, audit columns apart. */
export interface FakeRow {
  values: Readonly<Record<string, DecodedValue>>;
  file: string;
  offset: number;
  row: number;
}

class FakeStage implements Stage {
  rows: FakeRow[] = [];
  rejects: Reject[] = [];
  sizeBytes = 0;
  discarded = false;

  get rowCount(): number {
    return this.rows.length;
  }

  get rejectCount(): number {
    return this.rejects.length;
  }

  async append(batch: RowBatch): Promise<void> {
    const decoded = decodeRows(batch);
    for (let index = 0; index < decoded.rowCount; index++) {
      const all = Object.fromEntries(
        decoded.columns.map((column) => [column.name, valueAt(decoded, column, index)] as const),
      );
      const { _source_file, _source_offset, _source_row, _ingested_at, ...values } = all;
      this.rows.push({
        values,
        file: String(_source_file),
        offset: Number(_source_offset),
        row: Number(_source_row),
      });
    }
    this.sizeBytes += batch.rows.length;
  }

  async reject(rejects: readonly Reject[]): Promise<void> {
    this.rejects.push(...rejects);
  }

  async discard(): Promise<void> {
    this.discarded = true;
  }
}

const HEALTH: TableHealth = {
  rowCount: 0,
  dataFiles: 1,
  dataBytes: 1,
  deleteFiles: 0,
  snapshots: 1,
  smallFiles: 0,
  oldestSnapshotAtMs: null,
};

/**
 * A Warehouse in memory, true to the port's contract, for tests of services. Queries are answered by `answer`. It notes its calls, and
 * how many writers were in one table at a time (never more than one).
 */
export class FakeWarehouse implements Warehouse {
  readonly url = "fake:";
  readonly supports = { partitioning: false, snapshots: false };
  readonly tablesByName = new Map<string, { columns: ColumnDefinition[]; rows: FakeRow[] }>();
  readonly ledger = new Map<string, { table: string; outcome: FileOutcome }>();
  readonly rejected = new Map<string, Reject>();
  readonly logs: Record<string, LogRow[]> = { _quality_results: [], _maintenance_log: [] };
  readonly views = new Map<string, string>();
  readonly stages: FakeStage[] = [];
  readonly calls: string[] = [];
  writersAtOnceMax = 0;
  answer: (sql: string) => unknown[][] = () => [[0]];
  readonly #writing = new Map<string, number>();

  /** A table's rows in a stable order, as plain values: for comparing. */
  rowsOf(table: string): unknown[] {
    const rows = [...(this.tablesByName.get(table)?.rows ?? [])];
    rows.sort((a, b) => a.file.localeCompare(b.file) || a.row - b.row || a.offset - b.offset);
    return rows.map(({ values, ...audit }) => ({ ...values, ...audit }));
  }

  async describe(table: string): Promise<TableDescription | undefined> {
    const known = this.tablesByName.get(table);
    return known && { table, columns: [...known.columns], partitioning: [] };
  }

  async tables(): Promise<string[]> {
    return [...this.tablesByName.keys()];
  }

  async ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription> {
    this.calls.push("ensureTable");
    const table = this.tablesByName.get(layout.table) ?? { columns: [], rows: [] };
    const next = [...table.columns];
    for (const column of columns) {
      const at = next.findIndex(({ name }) => name === column.name);
      const known = next[at];
      if (columnTypeOf(column.type) === undefined) throw new Error(`no type: ${column.type}`);
      if (!known) next.push(column);
      else if (widens(known.type, column.type)) next[at] = { ...known, type: column.type };
      else if (!widens(column.type, known.type)) {
        throw new TributaryError("SCHEMA_CONFLICT", `${column.name}: ${known.type} and ${column.type}`);
      }
    }
    table.columns = next;
    this.tablesByName.set(layout.table, table);
    return (await this.describe(layout.table))!;
  }

  stage(): Stage {
    const stage = new FakeStage();
    this.stages.push(stage);
    return stage;
  }

  async commit({ layout, files }: MicroBatch): Promise<CommitReceipt> {
    this.calls.push("commit");
    return this.#alone(layout.table, () => {
      const table = this.tablesByName.get(layout.table);
      if (!table) throw new Error(`commit into ${layout.table} before ensureTable`);
      const before = new Set(table.rows);
      const absorbed = this.#absorbed(layout.table);
      for (const file of newestOf(files)) {
        if (file.sourceOffset < (absorbed.get(file.sourceFile) ?? -1)) continue;
        table.rows = applied(table.rows, file, layout);
      }
      const rowsInserted = table.rows.filter((row) => !before.has(row)).length;
      const rowsDeleted = before.size - (table.rows.length - rowsInserted);
      return { snapshotId: null, strategy: "fake", rowsInserted, rowsUpdated: 0, rowsDeleted };
    });
  }

  async record(table: string, ended: readonly { outcome: FileOutcome; stage?: Stage }[]): Promise<void> {
    this.calls.push("record");
    await this.#alone(table, () => {
      for (const { outcome, stage } of ended) {
        this.ledger.set(outcome.fileId, { table, outcome });
        for (const reject of (stage as FakeStage | undefined)?.rejects ?? []) {
          this.rejected.set(`${outcome.fileId} ${reject.row}`, reject);
        }
      }
    });
  }

  async watermark(table: string): Promise<number | undefined> {
    return (await this.watermarks()).get(table);
  }

  async watermarks(): Promise<Map<string, number>> {
    const highest = new Map<string, number>();
    for (const { table, outcome } of this.ledger.values()) {
      highest.set(table, Math.max(highest.get(table) ?? -1, outcome.sourceOffset));
    }
    return highest;
  }

  async query(sql: string): Promise<QueryResult> {
    this.calls.push("query");
    return { columns: [], rows: this.answer(sql), truncated: false };
  }

  async health(): Promise<TableHealth> {
    return HEALTH;
  }

  async maintain(table: string, operation: MaintenanceOperation): Promise<MaintenanceResult> {
    this.calls.push(`${operation} ${table}`);
    return { status: "completed", details: operation, before: HEALTH, after: HEALTH };
  }

  async appendLog(table: string, rows: readonly LogRow[]): Promise<void> {
    this.logs[table]!.push(...rows);
  }

  async ensureView(name: string, select: string): Promise<void> {
    this.views.set(name, select);
  }

  async ready(): Promise<void> {
    return undefined;
  }

  async close(): Promise<void> {
    return undefined;
  }

  /** Notes overlapping writers: a task is given up in the middle for others to come in. */
  async #alone<T>(table: string, change: () => T): Promise<T> {
    const writers = (this.#writing.get(table) ?? 0) + 1;
    this.#writing.set(table, writers);
    this.writersAtOnceMax = Math.max(this.writersAtOnceMax, writers);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      return change();
    } finally {
      this.#writing.set(table, this.#writing.get(table)! - 1);
    }
  }

  #absorbed(table: string): Map<string, number> {
    const newest = new Map<string, number>();
    for (const entry of this.ledger.values()) {
      if (entry.table !== table) continue;
      const { sourceFile, sourceOffset } = entry.outcome;
      newest.set(sourceFile, Math.max(newest.get(sourceFile) ?? -1, sourceOffset));
    }
    return newest;
  }
}

/** In order; of several versions of one file in `replace` all are applied in turn, which leaves the newest. */
const newestOf = (files: readonly FileVersion[]): FileVersion[] =>
  [...files].sort((a, b) => a.sourceOffset - b.sourceOffset);

function applied(rows: readonly FakeRow[], file: FileVersion, layout: TableLayout): FakeRow[] {
  const stage = file.stage as FakeStage | undefined;
  if (stage?.discarded) throw new Error(`${file.fileId} is committed from a discarded stage`);
  const incoming = stage?.rows ?? [];
  if (layout.mode === "append") {
    const known = new Set(rows.map(identityOf));
    return [...rows, ...incoming.filter((row) => !known.has(identityOf(row)))];
  }
  if (layout.mode === "replace") {
    const old = new Map(rows.filter((row) => row.file === file.sourceFile).map((row) => [row.row, row]));
    if ([...old.values()].some((row) => row.offset > file.sourceOffset)) return [...rows];
    const kept = rows.filter((row) => row.file !== file.sourceFile);
    return [...kept, ...incoming.map((row) => (sameValues(old.get(row.row), row) ? old.get(row.row)! : row))];
  }
  return upserted(rows, incoming, file, layout);
}

function upserted(
  rows: readonly FakeRow[],
  incoming: readonly FakeRow[],
  file: FileVersion,
  layout: TableLayout,
): FakeRow[] {
  const keyOf = (row: FakeRow): string => JSON.stringify(layout.key.map((name) => String(row.values[name])));
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  const seen = new Set<string>();
  for (const row of incoming) {
    const old = byKey.get(keyOf(row));
    seen.add(keyOf(row));
    if (old && (old.offset > row.offset || (old.offset === row.offset && old.row >= row.row))) continue;
    const handsOver = layout.deleteMissing && old?.file !== row.file;
    if (!sameValues(old, row) || handsOver) byKey.set(keyOf(row), row);
  }
  if (layout.deleteMissing) {
    for (const [key, row] of byKey) {
      if (row.file === file.sourceFile && !seen.has(key) && row.offset < file.sourceOffset) byKey.delete(key);
    }
  }
  return [...byKey.values()];
}

const identityOf = ({ file, offset, row }: FakeRow): string => JSON.stringify([file, offset, row]);

function sameValues(a: FakeRow | undefined, b: FakeRow): boolean {
  if (!a) return false;
  const names = new Set([...Object.keys(a.values), ...Object.keys(b.values)]);
  return [...names].every((name) => (a.values[name] ?? null) === (b.values[name] ?? null));
}
