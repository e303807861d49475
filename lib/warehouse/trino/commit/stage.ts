import { rename } from "node:fs/promises";
import type { BlobStore } from "../../../blob/blob-store.ts";
import type { RowBatch } from "../../../messages/generated.ts";
import { groupBatches, groupKey, stagedColumnsOf, type StagedColumn } from "../../staging/batch-groups.ts";
import { BufferedStage, type RowBuffer } from "../../staging/buffered-stage.ts";
import type { ParquetSpill, SpilledRows } from "../../staging/parquet-spill.ts";
import type { PlanLoader } from "../../staging/plan-loader.ts";
import { plannedColumns, type PlannedFile } from "../../staging/planned-rows.ts";

/**
 * Location of staged files. Trino reads the objects that `blobs` writes under `location`
 * (`s3://bucket/prefix`, without a slash at the end).
 */
export interface StagingArea {
  location: string;
  blobs: BlobStore;
}

/** Limits the memory that all stages of a process hold together. */
export class MemoryBudget {
  readonly #bytesMax: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Reserves `bytes` and returns true if they fit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#bytesMax) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Resources that all stages share. */
export interface StageShared {
  area: StagingArea;
  budget: MemoryBudget;
  spool: ParquetSpill;
  plans: PlanLoader;
  /**
   * Maximum bytes that a stage holds in memory for its rows, and again for its rejects. Beyond this limit
   * the row buffer spills them.
   */
  memoryBytesMax: number;
}

/** The rows and rejects of one parse run. They stay on this machine until a commit. */
export class TrinoStage extends BufferedStage<SpillingBuffer> {
  constructor(shared: StageShared) {
    super(new SpillingBuffer(shared), new SpillingBuffer(shared));
  }
}

/**
 * A row buffer that holds batches in memory while they fit. It spills the rest to disk piece by piece, with
 * one spill for each set of columns.
 */
export class SpillingBuffer implements RowBuffer {
  count = 0;
  sizeBytes = 0;
  readonly #shared: StageShared;
  #held: RowBatch[] = [];
  #heldBytes = 0;
  #spooled: Map<string, SpilledRows> | undefined;

  constructor(shared: StageShared) {
    this.#shared = shared;
  }

  /** Adds all rows of the batch. If it throws, it adds none. */
  async add(batch: RowBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    if (!this.#hold(batch)) {
      await this.spool();
      if (!this.#hold(batch)) await this.#spoolOf(stagedColumnsOf(batch.writerSchema)).add([batch]);
    }
    this.count += batch.rowCount;
    this.sizeBytes += batch.rows.length;
  }

  async load(file: PlannedFile): Promise<void> {
    const columns = plannedColumns(file.plan).map(({ name, type }) => ({ name, column: name, type }));
    const { contentHash, rowsOffset } = file.plan;
    const fingerprint = `${contentHash} ${rowsOffset}`;
    const from = await this.#shared.plans.writeWhole(file);
    await this.#spoolOf(columns).take(file.plan.rowCount, (path) => rename(from, path), fingerprint);
    this.count += file.plan.rowCount;
    this.sizeBytes += file.plan.textBytes;
  }

  /**
   * Adds rows that `write` stores as a Parquet file: see SpilledRows.take. The caller sets `count` and
   * `sizeBytes`.
   */
  take(columns: readonly StagedColumn[], rowCountMax: number, write: (path: string) => Promise<void>): Promise<void> {
    return this.#spoolOf(columns).take(rowCountMax, write);
  }

  /** Returns the batches in memory, as they arrived. */
  get held(): readonly RowBatch[] {
    return this.#held;
  }

  /** Returns the spilled rows. */
  get spooled(): readonly SpilledRows[] {
    return [...(this.#spooled?.values() ?? [])];
  }

  /** Spills the batches in memory. The caller can repeat the call. */
  async spool(): Promise<readonly SpilledRows[]> {
    for (const { columns, batches } of groupBatches(this.#held)) {
      await this.#spoolOf(columns).add(batches);
      const gone = new Set(batches);
      this.#keep(this.#held.filter((batch) => !gone.has(batch)));
    }
    return this.spooled;
  }

  /** Discards all rows. The call is idempotent. */
  async discard(): Promise<void> {
    this.#keep([]);
    for (const rows of this.spooled) await rows.drop();
    this.#spooled = undefined;
  }

  #hold(batch: RowBatch): boolean {
    const bytes = batch.rows.length;
    if (this.#heldBytes + bytes > this.#shared.memoryBytesMax || !this.#shared.budget.take(bytes)) return false;
    this.#heldBytes += bytes;
    this.#held.push(batch);
    return true;
  }

  #spoolOf(columns: readonly StagedColumn[]): SpilledRows {
    const key = groupKey(columns);
    this.#spooled ??= new Map();
    let rows = this.#spooled.get(key);
    if (!rows) this.#spooled.set(key, (rows = this.#shared.spool.open(columns)));
    return rows;
  }

  #keep(held: RowBatch[]): void {
    const bytes = held.reduce((sum, { rows }) => sum + rows.length, 0);
    this.#shared.budget.give(this.#heldBytes - bytes);
    this.#held = held;
    this.#heldBytes = bytes;
  }
}
