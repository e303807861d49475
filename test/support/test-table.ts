import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ColumnDefinition } from "../../lib/columns.ts";
import { identifier } from "../../lib/warehouse/sql/sql.ts";
import type {
  BatchRecords,
  CommitReceipt,
  FileVersion,
  TableLayout,
  Warehouse,
  WriteMode,
} from "../../lib/warehouse/warehouse.ts";
import { fileVersion, outcomeOf, RECEIVED_AT_MS, type TestFile } from "./rows.ts";

/** A file for `TestTable.commit`: name, offset, rows (null: deleted), and columns (default: the table's). */
export type Sent = Omit<TestFile, "columns"> & { columns?: readonly ColumnDefinition[] };

const RECORDED_AT_MS = RECEIVED_AT_MS + 1000;

/** Runs a query and reads all rows. */
export const READ_ALL = { rowsMax: 100_000, timeoutMs: 60_000 };

/** A table for one test, written through the port as the committer does. */
export class TestTable {
  readonly warehouse: Warehouse;
  layout: TableLayout;
  columns: readonly ColumnDefinition[];

  constructor(warehouse: Warehouse, columns: readonly ColumnDefinition[], layout: Partial<TableLayout> = {}) {
    this.warehouse = warehouse;
    this.columns = columns;
    const table = `t_${randomBytes(6).toString("hex")}`;
    this.layout = { table, mode: "replace", key: [], deleteMissing: false, partitioning: [], ...layout };
  }

  get name(): string {
    return this.layout.table;
  }

  async files(...sent: readonly Sent[]): Promise<FileVersion[]> {
    const versions: FileVersion[] = [];
    for (const one of sent)
      versions.push(await fileVersion(this.warehouse, this.name, { columns: this.columns, ...one }));
    return versions;
  }

  /** Calls ensureTable with each file's columns, then commits all files at once. Does not record them. */
  async commit(...sent: readonly Sent[]): Promise<CommitReceipt> {
    const versions = await this.files(...sent);
    const receipt = await this.commitVersions(versions);
    for (const { stage } of versions) await stage?.discard();
    return receipt;
  }

  async commitVersions(versions: readonly FileVersion[], records?: BatchRecords): Promise<CommitReceipt> {
    for (const version of versions) await this.warehouse.ensureTable(this.layout, version.columns);
    return this.warehouse.commit({ layout: this.layout, files: versions, ...(records ? { records } : {}) });
  }

  /** Commits and records, as the committer does. */
  async ingest(...sent: readonly Sent[]): Promise<CommitReceipt> {
    const versions = await this.files(...sent);
    const records = { ended: versions.map((version) => outcomeOf(version)), recordedAtMs: RECORDED_AT_MS };
    const receipt = await this.commitVersions(versions, records);
    if (!receipt.isRecorded) await this.record(versions);
    for (const { stage } of versions) await stage?.discard();
    return receipt;
  }

  async record(versions: readonly FileVersion[]): Promise<void> {
    await this.warehouse.record(
      this.name,
      versions.map((version) => outcomeOf(version)),
      RECORDED_AT_MS,
    );
  }

  /** Rows of a query; `$t` in the text is replaced by the table's name. */
  async query(sql: string): Promise<unknown[][]> {
    const result = await this.warehouse.query(sql.replaceAll("$t", identifier(this.name)), READ_ALL);
    return result.rows;
  }

  /** The named columns (default: all columns of the file) ordered by source file and row. */
  async rows(names: readonly string[] = this.columns.map((column) => column.name)): Promise<unknown[][]> {
    const list = names.map(identifier).join(", ");
    return this.query(`SELECT ${list} FROM $t ORDER BY _source_file, _source_row, _source_offset`);
  }

  /** The source of each row: file, offset, row. */
  origins(): Promise<unknown[][]> {
    return this.rows(["_source_file", "_source_offset", "_source_row"]);
  }
}

/** Checks a receipt's counts: inserted, updated, deleted. */
export function assertCounts(receipt: CommitReceipt, inserted: number, updated: number, deleted: number): void {
  const { rowsInserted, rowsUpdated, rowsDeleted, snapshotId } = receipt;
  assert.deepEqual(
    { rowsInserted, rowsUpdated, rowsDeleted },
    {
      rowsInserted: inserted,
      rowsUpdated: updated,
      rowsDeleted: deleted,
    },
  );
  if (inserted + updated + deleted === 0) assert.equal(snapshotId, null, "no changes, so no snapshot");
  else assert.notEqual(snapshotId, null);
}

/** Layouts of all write modes of a table with the key `id`. */
export const LAYOUTS: Readonly<Record<string, { mode: WriteMode; key: string[]; deleteMissing: boolean }>> = {
  replace: { mode: "replace", key: [], deleteMissing: false },
  upsert: { mode: "upsert", key: ["id"], deleteMissing: false },
  "upsert with deleteMissing": { mode: "upsert", key: ["id"], deleteMissing: true },
  append: { mode: "append", key: [], deleteMissing: false },
};
