import { columnTypeOf, widens, type ColumnDefinition } from "../../lib/columns.ts";
import { TributaryError } from "../../lib/errors.ts";
import type { FileOutcome, Reject, RowBatch } from "../../lib/messages/generated.ts";
import { decodeRows, valueAt } from "../../lib/rows/row-decoder.ts";
import type {
  BatchRecords,
  CommitReceipt,
  FileVersion,
  LogRow,
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  MicroBatch,
  QueryOptions,
  QueryResult,
  RecordedContent,
  RecordedFile,
  RecordedVersions,
  Stage,
  TableDescription,
  TableHealth,
  TableLayout,
  Published,
  Warehouse,
} from "../../lib/warehouse/warehouse.ts";
import { duckdb } from "../../lib/warehouse/duckdb-engine/dialect.ts";
import { measure } from "../../lib/warehouse/reads/checks.ts";
import type {
  CheckMeasurements,
  FileRecord,
  MeasuredTable,
  ReadLimits,
  TableCheck,
  WarehouseReads,
} from "../../lib/warehouse/reads/port.ts";
import type { SqlReader } from "../../lib/warehouse/reads/sql-reader.ts";
import { sqlReads } from "../../lib/warehouse/reads/sql-reads.ts";
import { missingTable } from "../../lib/warehouse/commit/versions.ts";
import { applied, type FakeRow } from "./fake-commit.ts";

export class FakeStage implements Stage {
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
        ingestedAt: _ingested_at as bigint,
      });
    }
    this.sizeBytes += batch.rows.length;
  }

  /** Loads no plan: the file is read row by row. */
  async load(): Promise<void> {
    throw new TributaryError("LOAD_PLAN_FAILED", "not in memory");
  }

  async reject(rejects: readonly Reject[]): Promise<void> {
    this.rejects.push(...rejects);
  }

  async discard(): Promise<void> {
    this.discarded = true;
  }

  /** A copy of the current state, for a request whose effect is delayed. */
  frozen(): FakeStage {
    const copy = new FakeStage();
    const { sizeBytes, discarded } = this;
    return Object.assign(copy, { sizeBytes, discarded, rows: [...this.rows], rejects: [...this.rejects] });
  }
}

const HEALTH: TableHealth = {
  dataFiles: 1,
  dataBytes: 1,
  deleteFiles: 0,
  smallFiles: 0,
  mergeableFiles: 0,
  snapshots: 1,
  oldestSnapshotAtMs: null,
};

/**
 * A Warehouse in memory that follows the port's contract, for tests of services. `answer` answers queries. It
 * records its calls and the number of concurrent writers per table (at most one).
 */
export class FakeWarehouse implements Warehouse {
  readonly url = "fake:";
  /** With `recordsWithRows`, commits write the records. */
  readonly supports = { partitioning: false, snapshots: false, recordsWithRows: false };
  /**
   * Asked at each commit that writes records: one side is applied and the commit fails, as with a catalog that
   * applies a transaction table by table and stops in between. undefined: it is applied whole.
   */
  tears: () => "rows" | "records" | undefined = () => undefined;
  readonly #reader: SqlReader = {
    dialect: duckdb,
    query: (sql, options) => this.query(sql, options),
    describe: (table) => this.describe(table),
  };
  readonly #sqlReads = sqlReads(this.#reader);
  readonly reads: WarehouseReads = {
    ...this.#sqlReads,
    files: { ...this.#sqlReads.files, recorded: async (_table, fileIds) => this.#recorded(fileIds) },
  };
  readonly tablesByName = new Map<string, { columns: ColumnDefinition[]; rows: FakeRow[] }>();
  readonly ledger = new Map<
    string,
    Omit<RecordedFile, "stage"> & { table: string; recordedAtMs: number; isTorn?: boolean }
  >();
  readonly rejected = new Map<string, Reject>();
  readonly logs: Record<string, LogRow[]> = { _quality_results: [], _maintenance_log: [] };
  /** Per table: the state of its trusted relation, and the rows in it. */
  readonly trustedByName = new Map<string, { shown: Published; rows: readonly FakeRow[] }>();
  readonly stages: FakeStage[] = [];
  readonly calls: string[] = [];
  writersAtOnceMax = 0;
  answer: (sql: string) => unknown[][] | Promise<unknown[][]> = () => [[0]];
  /** The result of a maintenance step. */
  maintenance: (options: MaintenanceOptions) => MaintenanceResult | Promise<MaintenanceResult> = () => ({
    status: "completed",
    details: "done",
  });
  readonly #writing = new Map<string, number>();
  readonly #versions = new Map<string, number>();
  #snapshots = 0;

  /** A table's rows in a stable order, as plain values, for comparison. */
  rowsOf(table: string): unknown[] {
    const rows = [...(this.tablesByName.get(table)?.rows ?? [])];
    rows.sort((a, b) => a.file.localeCompare(b.file) || a.row - b.row || a.offset - b.offset);
    return rows.map(({ values, file, offset, row }) => ({ ...values, file, offset, row }));
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
    const names = new Set([...table.columns, ...columns].map(({ name }) => name));
    const unknown = layout.key.find((name) => !names.has(name));
    if (unknown !== undefined) throw new TributaryError("SCHEMA_CONFLICT", `key column '${unknown}' does not exist`);
    const next = [...table.columns];
    for (const column of columns) {
      const at = next.findIndex(({ name }) => name === column.name);
      const known = next[at];
      if (columnTypeOf(column.type) === undefined) throw new Error(`unknown type: ${column.type}`);
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

  async commit({ layout, files, records }: MicroBatch): Promise<CommitReceipt> {
    this.calls.push("commit");
    return this.#alone(layout.table, () => {
      this.#removeTorn(layout.table);
      const table = this.tablesByName.get(layout.table);
      if (!table) return missingTable(layout.table, files);
      const recorded = this.#recordedAsCommitted(layout.table);
      const fresh = layout.mode === "append" ? files : files.filter((file) => isFresh(file, recorded));
      const { rows, ...counts } = applied(table.rows, fresh.map(versionOf), layout);
      const changed = counts.rowsInserted + counts.rowsUpdated + counts.rowsDeleted > 0;
      const isRecorded = changed && records !== undefined && this.supports.recordsWithRows;
      const torn = isRecorded ? this.tears() : undefined;
      if (isRecorded && torn !== "rows") this.#record(layout.table, records, torn === "records");
      if (torn !== "records") table.rows = rows;
      if (changed) this.#versions.set(layout.table, ++this.#snapshots);
      if (torn) throw new TributaryError("WAREHOUSE_CONFLICT", `only the ${torn} were applied`);
      return { snapshotId: changed ? String(this.#snapshots) : null, strategy: "fake", ...counts, isRecorded };
    });
  }

  async recover(table: string): Promise<void> {
    this.#removeTorn(table);
  }

  #removeTorn(table: string): void {
    for (const [fileId, entry] of this.ledger) {
      if (entry.table !== table || !entry.isTorn) continue;
      this.ledger.delete(fileId);
      for (const key of this.rejected.keys()) if (key.startsWith(`${fileId} `)) this.rejected.delete(key);
    }
  }

  async record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    this.calls.push("record");
    await new Promise((resolve) => setImmediate(resolve));
    this.#record(table, { ended, recordedAtMs });
  }

  #record(table: string, { ended, recordedAtMs }: BatchRecords, isTorn = false): void {
    for (const { outcome, stage, ...more } of ended) {
      const known = this.ledger.get(outcome.fileId);
      if (more.readAgain) {
        if (known) this.#replaceCounts(known, outcome, (stage as FakeStage | undefined)?.rejects ?? []);
        continue;
      }
      // Only a decision replaces what is on record, and only what is held.
      if (known && !(isHeld(known) && more.decides)) continue;
      this.ledger.set(outcome.fileId, { table, outcome, recordedAtMs, ...more, ...(isTorn ? { isTorn } : {}) });
      for (const reject of (stage as FakeStage | undefined)?.rejects ?? []) {
        this.rejected.set(`${outcome.fileId} ${reject.row}`, reject);
      }
    }
  }

  async recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    const found: RecordedContent[] = [];
    for (const entry of this.ledger.values()) {
      const { table: own, outcome, repeats, operation } = entry;
      const { sourceFile, sourceOffset, errorCode, contentHash } = outcome;
      if (own !== table || !sourceFiles.includes(sourceFile)) continue;
      const at = operation?.kind === "undo" ? operation.at : undefined;
      const contentOffset = repeats?.contentOffset ?? at ?? sourceOffset;
      const isSetAside = ["FILE_SUPERSEDED", "FILE_REFUSED"].includes(errorCode ?? "");
      const isRefused = isSetAside && contentOffset === sourceOffset;
      if (!isApplied(entry) && !isHeld(entry) && !isRefused) continue;
      const brought = operation?.kind === "undo" ? "undone" : contentHash === "" ? "deleted" : "put";
      const kind = isRefused ? "superseded" : isHeld(entry) ? "held" : brought;
      found.push({ sourceFile, contentOffset, kind, rows: outcome.rowsCommitted });
    }
    // As the query does: one line for the newest content of each kind.
    found.sort((a, b) => a.contentOffset - b.contentOffset);
    return [...found, ...this.#unloaded(table, sourceFiles)];
  }

  #unloaded(table: string, sourceFiles: readonly string[]): RecordedContent[] {
    const files = [...this.ledger.values()]
      .filter((file) => file.table === table && sourceFiles.includes(file.outcome.sourceFile))
      .filter(({ outcome }) => outcome.contentHash !== "" && outcome.errorCode !== "FILE_SUPERSEDED")
      .map(({ outcome, repeats }) => ({ ...outcome, version: repeats?.versionOffset ?? outcome.sourceOffset }));
    const loaded = files.filter(({ status }) => status === "committed");
    const unloaded = files.filter(
      (file) => !loaded.some(({ sourceFile, version }) => sourceFile === file.sourceFile && version === file.version),
    );
    return unloaded.map(({ sourceFile, contentHash, version }) => {
      const again = loaded.filter((file) => file.sourceFile === sourceFile && file.contentHash === contentHash);
      const loadedAs = Math.max(-1, ...again.map((file) => file.version));
      return { sourceFile, contentOffset: version, kind: "unloaded", rows: 0, ...(loadedAs < 0 ? {} : { loadedAs }) };
    });
  }

  async recordedVersions(table: string): Promise<RecordedVersions> {
    const versions = { newest: -1, incomplete: -1 };
    for (const entry of this.ledger.values()) {
      const { table: own, outcome, repeats } = entry;
      const { sourceOffset, status, errorCode, rowsRejected } = outcome;
      if (own !== table || errorCode === "FILE_SUPERSEDED") continue;
      const version = repeats?.versionOffset ?? sourceOffset;
      if (isApplied(entry)) versions.newest = Math.max(versions.newest, version);
      if (status === "failed" || rowsRejected > 0) versions.incomplete = Math.max(versions.incomplete, version);
    }
    const known = (offset: number): number | undefined => (offset < 0 ? undefined : offset);
    return { newest: known(versions.newest), incomplete: known(versions.incomplete) };
  }

  async drop(table: string): Promise<void> {
    this.calls.push("drop");
    await this.#alone(table, () => {
      this.tablesByName.delete(table);
      this.trustedByName.delete(table);
      for (const [fileId, entry] of this.ledger) {
        if (entry.table !== table) continue;
        this.ledger.delete(fileId);
        for (const key of this.rejected.keys()) if (key.startsWith(`${fileId} `)) this.rejected.delete(key);
      }
    });
  }

  async replaceWith({ table }: TableLayout, shadow: string): Promise<void> {
    this.calls.push("replaceWith");
    await this.#alone(table, () => {
      const next = this.tablesByName.get(shadow);
      if (!next) throw new TributaryError("WAREHOUSE_CONFLICT", `table '${shadow}' does not exist`);
      this.tablesByName.set(table, next);
      this.tablesByName.delete(shadow);
      this.#versions.set(table, ++this.#snapshots);
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

  async query(sql: string, _options?: QueryOptions): Promise<QueryResult> {
    this.calls.push("query");
    return { columns: [], rows: await this.answer(sql), truncated: false };
  }

  measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements> {
    return measure(this.#reader, table, checks, limits);
  }

  async health(): Promise<TableHealth> {
    return HEALTH;
  }

  async maintain(
    table: string,
    operation: MaintenanceOperation,
    options: MaintenanceOptions,
  ): Promise<MaintenanceResult> {
    this.calls.push(`${operation} ${table}`);
    return this.maintenance(options);
  }

  async appendLog(table: string, rows: readonly LogRow[]): Promise<void> {
    this.logs[table]!.push(...rows);
  }

  async version(table: string): Promise<string> {
    return String(this.#versions.get(table) ?? 0);
  }

  async publish(table: string, version: string, asOfMs: number): Promise<boolean> {
    if (version !== (await this.version(table))) return false;
    const rows = [...this.tablesByName.get(table)!.rows];
    this.trustedByName.set(table, { shown: { asOfMs, heldBackSinceMs: null }, rows });
    return true;
  }

  async hold(table: string, sinceMs: number | null): Promise<void> {
    const { shown, rows } = this.trustedByName.get(table) ?? {
      shown: { asOfMs: null, heldBackSinceMs: null },
      rows: [],
    };
    const heldBackSinceMs = shown.heldBackSinceMs ?? sinceMs;
    this.trustedByName.set(table, { shown: { ...shown, heldBackSinceMs }, rows });
  }

  async withdraw(table: string): Promise<void> {
    this.trustedByName.delete(table);
  }

  async published(table: string): Promise<Published | undefined> {
    return this.trustedByName.get(table)?.shown;
  }

  async ready(): Promise<void> {
    return undefined;
  }

  async close(): Promise<void> {
    return undefined;
  }

  #replaceCounts(known: { outcome: FileOutcome }, now: FileOutcome, rejects: readonly Reject[]): void {
    const { status, rowsRead, rowsCommitted, rowsRejected } = now;
    known.outcome = { ...known.outcome, status, rowsRead, rowsCommitted, rowsRejected };
    for (const key of this.rejected.keys()) if (key.startsWith(`${now.fileId} `)) this.rejected.delete(key);
    for (const reject of rejects) this.rejected.set(`${now.fileId} ${reject.row}`, reject);
  }

  /** Records overlapping writers: yields in the middle of a task so that other tasks can run. */
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

  /** What is on record of the table's files, in the order of their events. */
  recordsOf(table: string): FileRecord[] {
    const own = [...this.ledger].filter(([, entry]) => entry.table === table).map(([fileId]) => fileId);
    return this.#recorded(own).sort((a, b) => a.sourceOffset! - b.sourceOffset!);
  }

  #recorded(fileIds: readonly string[]): FileRecord[] {
    return fileIds.flatMap((fileId) => {
      const entry = this.ledger.get(fileId);
      if (!entry) return [];
      const { outcome, table, recordedAtMs, repeats, heldReasonsJson = null, dialectJson = null } = entry;
      const status = heldReasonsJson === null ? outcome.status : "held";
      const { versionOffset, contentOffset } = repeats ?? {
        versionOffset: outcome.sourceOffset,
        contentOffset: outcome.sourceOffset,
      };
      const about = { heldReasonsJson, dialectJson, table, versionOffset, contentOffset };
      const operation = entry.operation?.kind ?? null;
      return [{ ...outcome, status, ingestedAtMs: recordedAtMs, ...about, operation }];
    });
  }

  #recordedAsCommitted(table: string): Map<string, number> {
    const newest = new Map<string, number>();
    for (const entry of this.ledger.values()) {
      if (entry.table !== table || !isApplied(entry)) continue;
      const { sourceFile, sourceOffset } = entry.outcome;
      newest.set(sourceFile, Math.max(newest.get(sourceFile) ?? -1, sourceOffset));
    }
    return newest;
  }
}

/** Rejected files bring no row, and change nothing. */
const isApplied = ({ outcome }: Pick<RecordedFile, "outcome">): boolean => outcome.status === "committed";
const isHeld = ({ heldReasonsJson }: Pick<RecordedFile, "heldReasonsJson">): boolean => heldReasonsJson !== undefined;

const isFresh = ({ sourceFile, sourceOffset }: FileVersion, recorded: ReadonlyMap<string, number>): boolean =>
  sourceOffset > (recorded.get(sourceFile) ?? -1);

function versionOf({ fileId, stage, ...version }: FileVersion) {
  const held = stage as FakeStage | undefined;
  if (held?.discarded) throw new Error(`the stage of ${fileId} was discarded before the commit`);
  return { ...version, rows: held?.rows ?? [] };
}
