import type { BlobStore } from "../../../blob/blob-store.ts";
import type { RowBatch } from "../../../messages/generated.ts";
import { groupBatches, groupKey, stagedColumnsOf, type StagedColumn } from "../../staging/batch-groups.ts";
import { BufferedStage, type RowBuffer } from "../../staging/buffered-stage.ts";
import type { ParquetSpill, SpilledRows } from "../../staging/parquet-spill.ts";

/** Where staged files go: what `blobs` writes Trino reads under `location` (`s3://bucket/prefix`, no slash at the end). */
export interface StagingArea {
  location: string;
  blobs: BlobStore;
}

/** How much all stages of a process together may hold in memory. */
export class MemoryBudget {
  readonly #bytesMax: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes `bytes` if they fit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#bytesMax) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** What stages share. */
export interface StageShared {
  area: StagingArea;
  budget: MemoryBudget;
  spool: ParquetSpill;
  /** Of a stage's rows, and of its rejects, so much is held in memory at most: then it becomes a piece of a spool. */
  memoryBytesMax: number;
}

/** A parse run's rows and rejects. Nothing leaves the machine before a commit. */
export class TrinoStage extends BufferedStage<SpillingBuffer> {
  constructor(shared: StageShared) {
    super(new SpillingBuffer(shared), new SpillingBuffer(shared));
  }
}

/** Row batches in memory while they fit; beyond, piece by piece in spools, one for each set of columns. */
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

  /** Adds the batch's rows: all of them, or none if it throws. */
  async add(batch: RowBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    if (!this.#hold(batch)) {
      await this.spool();
      if (!this.#hold(batch)) await this.#spoolOf(stagedColumnsOf(batch.writerSchema)).add([batch]);
    }
    this.count += batch.rowCount;
    this.sizeBytes += batch.rows.length;
  }

  /** What is in memory as it came. */
  get held(): readonly RowBatch[] {
    return this.#held;
  }

  /** What is not in memory. */
  get spooled(): readonly SpilledRows[] {
    return [...(this.#spooled?.values() ?? [])];
  }

  /** Spools what is held. Repeatable. */
  async spool(): Promise<readonly SpilledRows[]> {
    for (const { columns, batches } of groupBatches(this.#held)) {
      await this.#spoolOf(columns).add(batches);
      const gone = new Set(batches);
      this.#keep(this.#held.filter((batch) => !gone.has(batch)));
    }
    return this.spooled;
  }

  /** Idempotent. */
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
