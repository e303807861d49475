import { contentsStatement, recordedContents, recordedVersions, versionsStatement } from "../commit/versions.ts";
import { isRandomFileId } from "../../file-id.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { namesOf, recordStatements, type RecordedBatch } from "../duckdb-engine/ledger-statements.ts";
import { StagedRows, type DuckDbStage } from "../duckdb-engine/stage.ts";
import { INTERNAL_TABLES, ledgerRow, type InternalTable } from "../internal-tables.ts";
import type { LogRow, RecordedContent, RecordedFile, RecordedVersions } from "../warehouse.ts";
import { repeated } from "./commit/commit.ts";
import type { IcebergContext } from "./commit/context.ts";
import { mayBeCut } from "./commit/cut-texts.ts";
import type { WrittenPart } from "./text-bounds.ts";

/** A write that waits for its turn. */
interface Entry {
  /** Statements of one transaction, made when its turn comes. */
  statements: () => Promise<readonly string[]>;
  /** See WrittenPart. */
  cutsNoText: boolean;
  resolve: () => void;
  reject: (thrown: unknown) => void;
}

const RECORDS = ["_ingest_files", "_rejected_rows"] as const satisfies readonly InternalTable[];

/**
 * Writes `_ingest_files` and `_rejected_rows`, and appends to the log tables. Every commit makes snapshots,
 * and a table is in one transaction at a time: calls that arrive during a write wait and share the next one.
 * Another process that writes the ledger is a conflict, after which the statements run again on what it
 * wrote.
 */
export class IcebergLedger {
  readonly #context: IcebergContext;
  readonly #queues = new Map<string, { waiting: Entry[]; running: Promise<void> | undefined }>();

  constructor(context: IcebergContext) {
    this.#context = context;
  }

  /** Implements Warehouse.record. */
  async record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    if (ended.length === 0) return;
    const staged: { rows: StagedRows; rejected: RecordedBatch["rejected"][number] }[] = [];
    try {
      for (const { outcome, stage } of ended) {
        if (!stage || stage.rejectCount === 0) continue;
        const rows = new StagedRows(this.#context.session);
        const parts = await (stage as DuckDbStage).rejects.into(rows);
        staged.push({ rows, rejected: { outcome, parts: [...parts, ...rows.parts()] } });
      }
      const batch = { table, ended, recordedAtMs, rejected: staged.map(({ rejected }) => rejected) };
      const cutsNoText = staged.length === 0 && ended.every((file) => isWhole(table, file));
      const statements = async (): Promise<string[]> =>
        recordStatements((name) => this.#nameOf(name), { ...batch, isNew: this.#areNew(table, ended) });
      await this.#write(RECORDS, statements, cutsNoText);
    } finally {
      for (const { rows } of staged) await rows.drop();
    }
  }

  /** Removes what is on record of a table's files. */
  forget(table: string): Promise<void> {
    const own = `table_name = ${duckdb.stringLiteral(table)}`;
    const deletes = RECORDS.toReversed().map((name) => `DELETE FROM ${this.#nameOf(name)} WHERE ${own}`);
    return this.#write(RECORDS, async () => deletes);
  }

  /** Implements Warehouse.appendLog. */
  async appendLog(table: InternalTable, rows: readonly LogRow[]): Promise<void> {
    if (rows.length === 0) return;
    const values = duckdb.values(INTERNAL_TABLES[table], rows);
    const insert = `INSERT INTO ${this.#nameOf(table)} (${namesOf(table)}) VALUES ${values}`;
    await this.#write([table], async () => [insert], rows.every(hasWholeTexts));
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

  /** Resolves when no write waits. */
  async drain(): Promise<void> {
    for (const { running } of this.#queues.values()) await running;
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

  #nameOf(table: InternalTable): string {
    return this.#context.tables.sqlOf(table);
  }

  #write(tables: readonly InternalTable[], statements: Entry["statements"], cutsNoText = false): Promise<void> {
    const key = tables.join();
    const queue = this.#queues.get(key) ?? { waiting: [], running: undefined };
    this.#queues.set(key, queue);
    return new Promise((resolve, reject) => {
      queue.waiting.push({ statements, cutsNoText, resolve, reject });
      queue.running ??= this.#run(tables, queue);
    });
  }

  async #run(tables: readonly InternalTable[], queue: { waiting: Entry[]; running: unknown }): Promise<void> {
    while (queue.waiting.length > 0) {
      const entries = queue.waiting.splice(0);
      try {
        await this.#writeAll(tables, entries);
        for (const { resolve } of entries) resolve();
      } catch (thrown) {
        for (const { reject } of entries) reject(thrown);
      }
    }
    // Here, not in a later microtask: a caller that continues first would wait for a run that has ended.
    queue.running = undefined;
  }

  async #writeAll(tables: readonly InternalTable[], entries: readonly Entry[]): Promise<void> {
    const { session, tables: names } = this.#context;
    const isWhole = entries.every(({ cutsNoText }) => cutsNoText);
    const parts: WrittenPart[] = tables.map((table) => ({
      table: names.idOf(table),
      summary: {},
      cutsNoText: () => isWhole,
    }));
    await repeated(this.#context, undefined, async () => {
      const statements = (await Promise.all(entries.map((entry) => entry.statements()))).flat();
      await session.write(parts, async (connection) => {
        for (const statement of statements) await connection.run(statement);
        return {};
      });
    });
  }
}

const hasWholeTexts = (row: Readonly<Record<string, unknown>>): boolean =>
  Object.values(row).every((value) => typeof value !== "string" || !mayBeCut(value));

/** A file that is read again changes a row whose texts are not known here. */
const isWhole = (table: string, file: RecordedFile): boolean =>
  file.readAgain !== true && hasWholeTexts(ledgerRow(table, file, 0));
