import { contentsStatement, recordedContents, recordedVersions, versionsStatement } from "../commit/versions.ts";
import { isRandomFileId } from "../../file-id.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { addedRows, namesOf, recordStatements, type RecordedBatch } from "../duckdb-engine/ledger-statements.ts";
import { StagedRows, type DuckDbStage } from "../duckdb-engine/stage.ts";
import { INTERNAL_TABLES, isInternalTable, ledgerRow, type InternalTable } from "../internal-tables.ts";
import type { BatchRecords, LogRow, RecordedContent, RecordedFile, RecordedVersions } from "../warehouse.ts";
import type { AppendedRows, RowsOf } from "./append/appender.ts";
import type { Head } from "./append/heads.ts";
import { mayHoldRecords } from "./append/records-since.ts";
import type { IcebergContext } from "./commit/context.ts";
import { mayBeCut } from "./commit/cut-texts.ts";
import { LedgerQueue, type LedgerEntry, type SharedResult, type SharedRows } from "./commit/ledger-queue.ts";

const RECORDS = ["_ingest_files", "_rejected_rows"] as const satisfies readonly InternalTable[];

/** Writes `_ingest_files` and `_rejected_rows`, and appends to the log tables. */
export class IcebergLedger {
  readonly #context: IcebergContext;
  readonly #queues = new Map<string, LedgerQueue>();

  constructor(context: IcebergContext) {
    this.#context = context;
  }

  /** Implements Warehouse.record. */
  async record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    if (ended.length === 0) return;
    await this.#withRejects(table, { ended, recordedAtMs }, (entry) => this.#queue(RECORDS).write(entry));
  }

  /** Writes rows and their records in one transaction: see LedgerQueue.writeWith. */
  recordWith(table: string, records: BatchRecords, rows: SharedRows): Promise<SharedResult | undefined> {
    return this.#withRejects(table, records, (entry) => this.#queue(RECORDS).writeWith(entry, rows));
  }

  async #withRejects<T>(
    table: string,
    { ended, recordedAtMs }: BatchRecords,
    write: (entry: LedgerEntry) => Promise<T>,
  ): Promise<T> {
    const staged: { rows: StagedRows; rejected: RecordedBatch["rejected"][number] }[] = [];
    try {
      for (const { outcome, stage } of ended) {
        if (!stage || stage.rejectCount === 0) continue;
        const rows = new StagedRows(this.#context.session);
        const parts = await (stage as DuckDbStage).rejects.into(rows);
        staged.push({ rows, rejected: { outcome, parts: [...parts, ...rows.parts()] } });
      }
      const batch = { table, ended, recordedAtMs, rejected: staged.map(({ rejected }) => rejected) };
      return await write({
        cutsNoText: staged.length === 0 && ended.every((file) => isWhole(table, file)),
        statements: async (transactionId) => {
          const write = { ...batch, transactionId };
          const run = () => recordStatements((name) => this.#nameOf(name), write);
          if (!this.#areNew(table, ended)) return { run };
          const isAbsent: AppendedRows["isAbsent"] = (head, query) => this.#areAbsent(table, ended, { head, query });
          return { run, added: addedRows(write), isAbsent };
        },
      });
    } finally {
      for (const { rows } of staged) await rows.drop();
    }
  }

  /** Removes what is on record of some files of a table. */
  remove(table: string, fileIds: readonly string[]): Promise<void> {
    if (fileIds.length === 0) return Promise.resolve();
    return this.#delete(`table_name = ${duckdb.stringLiteral(table)} AND file_id IN (${duckdb.stringList(fileIds)})`);
  }

  /** Removes what is on record of a table's files. */
  forget(table: string): Promise<void> {
    return this.#delete(`table_name = ${duckdb.stringLiteral(table)}`);
  }

  #delete(own: string): Promise<void> {
    const deletes = RECORDS.toReversed().map((name) => `DELETE FROM ${this.#nameOf(name)} WHERE ${own}`);
    return this.#queue(RECORDS).write({ statements: async () => ({ run: () => deletes }), cutsNoText: false });
  }

  /** Implements Warehouse.appendLog. */
  async appendLog(table: InternalTable, rows: readonly LogRow[]): Promise<void> {
    if (rows.length === 0) return;
    const values = duckdb.values(INTERNAL_TABLES[table], rows);
    const names = namesOf(table);
    const run = () => [`INSERT INTO ${this.#nameOf(table)} (${names}) VALUES ${values}`];
    const added = [{ table, select: `SELECT * FROM (VALUES ${values}) n (${names})` }];
    const cutsNoText = rows.every(hasWholeTexts);
    await this.#queue([table]).write({ statements: async () => ({ run, added }), cutsNoText });
  }

  async recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    if (sourceFiles.length === 0) return [];
    const select = contentsStatement(duckdb, this.#nameOf("_ingest_files"), table, sourceFiles);
    return recordedContents(await this.#context.session.rows(select));
  }

  async recordedVersions(table: string): Promise<RecordedVersions> {
    const select = versionsStatement(duckdb, this.#nameOf("_ingest_files"), table);
    return recordedVersions(await this.#context.session.rows(select));
  }

  /** The highest recorded source offset of each table, or of one table. */
  async watermarks(table?: string): Promise<Map<string, number>> {
    const only = table === undefined ? "" : `WHERE table_name = ${duckdb.stringLiteral(table)}`;
    const rows = await this.#context.session.rows(
      `SELECT table_name, max(source_offset) FROM ${this.#nameOf("_ingest_files")} ${only} GROUP BY ALL`,
    );
    return new Map(rows.map(([name, offset]) => [name as string, Number(offset)]));
  }

  /** Runs `work` while this process writes nothing to an internal table. For other tables it just runs. */
  alone<T>(table: string, work: () => Promise<T>): Promise<T> {
    if (!isInternalTable(table)) return work();
    const records = RECORDS.find((name) => name === table);
    return this.#queue(records ? RECORDS : [table]).alone(work);
  }

  /** Resolves when no write waits. */
  async drain(): Promise<void> {
    for (const queue of this.#queues.values()) await queue.drained();
  }

  /** True once at most for each file: an attempt that fails may be applied all the same. */
  #areNew(table: string, ended: readonly RecordedFile[]): boolean {
    const { bases } = this.#context;
    const offsets = ended.map(({ outcome }) => outcome.sourceOffset);
    const recorded = bases.recorded(table) ?? Infinity;
    bases.tries(table, offsets);
    return (
      offsets.every((offset) => offset > recorded) &&
      ended.every(({ outcome, decides, readAgain }) => !decides && !readAgain && isRandomFileId(outcome.fileId))
    );
  }

  /**
   * Whether nobody has put these files or later ones on record since this writer looked for them. A former
   * writer of the table may add records late: the fence of the table's rows does not hold for them.
   */
  async #areAbsent(
    table: string,
    ended: readonly RecordedFile[],
    { head, query }: { head: Head; query: RowsOf },
  ): Promise<boolean> {
    const { bases, buckets, heads, tables } = this.#context;
    const recorded = bases.recorded(table);
    if (recorded === undefined) return false;
    if (head.reading <= bases.recordedAfter(table)) return true;
    const records = { table, from: Math.min(...ended.map(({ outcome }) => outcome.sourceOffset)) };
    const paths = heads.foundAfter(tables.idOf("_ingest_files"), bases.recordedAfter(table));
    if (await mayHoldRecords(buckets, { paths, fields: head.fields }, records)) {
      const found = await query(
        `SELECT 1 FROM ${this.#nameOf("_ingest_files")}
         WHERE table_name = ${duckdb.stringLiteral(table)} AND source_offset >= ${records.from} LIMIT 1`,
      );
      if (found.length > 0) return false;
    }
    bases.setRecorded(table, recorded, head.reading);
    return true;
  }

  #nameOf(table: InternalTable): string {
    return this.#context.tables.sqlOf(table);
  }

  #queue(tables: readonly InternalTable[]): LedgerQueue {
    const key = tables.join();
    const queue = this.#queues.get(key) ?? new LedgerQueue(this.#context, tables);
    this.#queues.set(key, queue);
    return queue;
  }
}

const hasWholeTexts = (row: Readonly<Record<string, unknown>>): boolean =>
  Object.values(row).every((value) => typeof value !== "string" || !mayBeCut(value));

/** A file that is read again changes a row whose texts are not known here. */
const isWhole = (table: string, file: RecordedFile): boolean =>
  file.readAgain !== true && hasWholeTexts(ledgerRow(table, file, 0));
