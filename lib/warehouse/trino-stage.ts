import type { BlobStore } from "../blob/blob-store.ts";
import type { Reject, RowBatch } from "../events/generated.ts";
import { rejectBatch } from "./reject-rows.ts";
import { sourceOffsetOf } from "./row-decoder.ts";
import { groupKey, stagedColumnsOf } from "./trino-source.ts";
import type { Spool, SpooledRows } from "./trino-spool.ts";
import type { StageTables } from "./trino-stage-tables.ts";
import type { Stage } from "./warehouse.ts";

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
  spool: Spool;
  tables: StageTables;
  /** A stage whose rows, or rejects, outgrow this are spooled, even if the budget would hold them. */
  memoryBytesMax: number;
}

/** A parse run's rows and rejects: in memory as they came while they fit, else spooled. Nothing leaves the machine before a commit. */
export class TrinoStage implements Stage {
  readonly rows: Hoard;
  readonly rejects: Hoard;
  #discarded = false;
  /** What the rows carry as their _source_offset, once there is one. */
  rowsOffset: number | undefined;

  constructor(shared: StageShared) {
    this.rows = new Hoard(shared);
    this.rejects = new Hoard(shared);
  }

  get rowCount(): number {
    return this.rows.count;
  }

  get rejectCount(): number {
    return this.rejects.count;
  }

  get sizeBytes(): number {
    return this.rows.sizeBytes + this.rejects.sizeBytes;
  }

  async append(batch: RowBatch): Promise<void> {
    if (this.#discarded) throw new Error("stage: discarded");
    this.rowsOffset ??= sourceOffsetOf(batch);
    await this.rows.add(batch);
  }

  async reject(rejects: readonly Reject[]): Promise<void> {
    if (this.#discarded) throw new Error("stage: discarded");
    if (rejects.length > 0) await this.rejects.add(rejectBatch(rejects));
  }

  async discard(): Promise<void> {
    this.#discarded = true;
    await this.rows.discard();
    await this.rejects.discard();
  }
}

/** Row batches in memory while they fit, else spooled, one spool for each set of columns. */
export class Hoard {
  count = 0;
  sizeBytes = 0;
  readonly #shared: StageShared;
  #held: RowBatch[] = [];
  #heldBytes = 0;
  #spooled: Map<string, SpooledRows> | undefined;

  constructor(shared: StageShared) {
    this.#shared = shared;
  }

  async add(batch: RowBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    this.count += batch.rowCount;
    this.sizeBytes += batch.rows.length;
    if (this.#spooled) return this.#pour(batch);
    if (this.#hold(batch)) return;
    await this.spool();
    await this.#pour(batch);
  }

  /** What is still in memory as it came: everything, or nothing once it is spooled. */
  get held(): readonly RowBatch[] {
    return this.#held;
  }

  /** Empty while everything is held. */
  get spooled(): readonly SpooledRows[] {
    return [...(this.#spooled?.values() ?? [])];
  }

  /** Spools what is held. */
  async spool(): Promise<readonly SpooledRows[]> {
    this.#spooled ??= new Map();
    for (const batch of this.#held) await this.#pour(batch);
    this.#release();
    return this.spooled;
  }

  /** Idempotent. */
  async discard(): Promise<void> {
    this.#release();
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

  async #pour(batch: RowBatch): Promise<void> {
    const columns = stagedColumnsOf(batch.writerSchema);
    const key = groupKey(columns);
    let rows = this.#spooled!.get(key);
    if (!rows) this.#spooled!.set(key, (rows = await this.#shared.spool.open(columns)));
    await rows.append(batch);
  }

  #release(): void {
    this.#held = [];
    this.#shared.budget.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}
