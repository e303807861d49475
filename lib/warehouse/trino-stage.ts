import { once } from "node:events";
import { PassThrough } from "node:stream";
import type { BlobStore } from "../blob/blob-store.ts";
import { TributaryError } from "../errors.ts";
import type { Reject, RowBatch } from "../events/generated.ts";
import { rejectBatch } from "./reject-rows.ts";
import {
  containerBlock,
  containerHeader,
  containerKey,
  stagedColumnsOf,
  syncMarker,
  type StagedColumn,
} from "./trino-container.ts";
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
  tables: StageTables;
  /** A stage whose rows, or rejects, outgrow this moves to the blob store, even if the budget would hold them. */
  memoryBytesMax: number;
}

/** Rows that a stage table shows to Trino. */
export interface StagedTable {
  /** Quoted and qualified. */
  table: string;
  columns: readonly StagedColumn[];
}

/**
 * A parse run's rows and rejects. They stay in memory while they fit, else they are streamed into the blob store while they arrive.
 * A failed upload spoils the stage: every call from then on throws what failed (BLOB_UNAVAILABLE …); discard it and stage the run again.
 */
export class TrinoStage implements Stage {
  readonly rows: Hoard;
  readonly rejects: Hoard;
  #discarded = false;

  /** `prefix` is a key prefix that no other stage has. */
  constructor(shared: StageShared, prefix: string) {
    this.rows = new Hoard(shared, `${prefix}/rows`);
    this.rejects = new Hoard(shared, `${prefix}/rejects`);
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
    await this.rows.add(batch);
  }

  async reject(rejects: readonly Reject[]): Promise<void> {
    if (this.#discarded) throw new Error("stage: discarded");
    if (rejects.length > 0) await this.rejects.add(rejectBatch(rejects));
  }

  async discard(): Promise<void> {
    this.#discarded = true;
    await Promise.all([this.rows.discard(), this.rejects.discard()]);
  }
}

/** Row batches in memory while they fit, else in Avro containers in the blob store, one for each set of columns. */
export class Hoard {
  count = 0;
  sizeBytes = 0;
  readonly #shared: StageShared;
  readonly #prefix: string;
  #held: RowBatch[] = [];
  #heldBytes = 0;
  #containers: Map<string, StagedContainer> | undefined;

  constructor(shared: StageShared, prefix: string) {
    this.#shared = shared;
    this.#prefix = prefix;
  }

  async add(batch: RowBatch): Promise<void> {
    if (batch.rowCount === 0) return;
    this.count += batch.rowCount;
    this.sizeBytes += batch.rows.length;
    if (!this.#containers && this.#hold(batch)) return;
    await this.#spill();
    await this.#upload(batch);
  }

  /** What is still in memory: everything, or nothing once there are containers. */
  get held(): readonly RowBatch[] {
    return this.#held;
  }

  /** True once the rows lie in the blob store. */
  get spilled(): boolean {
    return this.#containers !== undefined;
  }

  /** What outgrew memory, as tables to select from; they stay until `discard`, so that a commit can be repeated. */
  async stagedTables(): Promise<StagedTable[]> {
    return Promise.all([...(this.#containers?.values() ?? [])].map((container) => container.stagedTable()));
  }

  async discard(): Promise<void> {
    const containers = [...(this.#containers?.values() ?? [])];
    this.#containers = undefined;
    this.#release();
    await Promise.all(containers.map((container) => container.discard()));
  }

  #hold(batch: RowBatch): boolean {
    const bytes = batch.rows.length;
    if (this.#heldBytes + bytes > this.#shared.memoryBytesMax || !this.#shared.budget.take(bytes)) return false;
    this.#heldBytes += bytes;
    this.#held.push(batch);
    return true;
  }

  async #spill(): Promise<void> {
    if (this.#containers) return;
    this.#containers = new Map();
    for (const batch of this.#held) await this.#upload(batch);
    this.#release();
  }

  async #upload(batch: RowBatch): Promise<void> {
    const columns = stagedColumnsOf(batch.writerSchema);
    const key = containerKey(columns);
    let container = this.#containers!.get(key);
    if (!container) {
      container = new StagedContainer(this.#shared, `${this.#prefix}/${this.#containers!.size}`, columns);
      this.#containers!.set(key, container);
    }
    await container.write(batch);
  }

  #release(): void {
    this.#held = [];
    this.#shared.budget.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}

/** An Avro container in, or on its way into, the blob store, alone in its folder, and the stage table over it. */
export class StagedContainer {
  readonly #shared: Pick<StageShared, "area" | "tables">;
  readonly #folder: string;
  readonly #columns: readonly StagedColumn[];
  readonly #sync: Buffer;
  readonly #stream = new PassThrough({ highWaterMark: 4 << 20 });
  readonly #stored: Promise<unknown>;
  #table: Promise<StagedTable> | undefined;

  constructor(shared: Pick<StageShared, "area" | "tables">, folder: string, columns: readonly StagedColumn[]) {
    this.#shared = shared;
    this.#folder = folder;
    this.#columns = columns;
    this.#sync = syncMarker(folder);
    // The store says through `stored` what went wrong.
    this.#stream.on("error", () => undefined);
    this.#stream.write(containerHeader(columns, this.#sync));
    this.#stored = shared.area.blobs.put(this.#key, this.#stream);
    this.#stored.catch(() => this.#stream.destroy());
  }

  get #key(): string {
    return `${this.#folder}/rows.avro`;
  }

  /** Resolves when the store has room for more. */
  async write(batch: RowBatch): Promise<void> {
    let room = true;
    for (const part of containerBlock(batch.rowCount, batch.rows, this.#sync)) room = this.#stream.write(part);
    if (this.#stream.destroyed) await this.#stored;
    else if (!room) await Promise.race([once(this.#stream, "drain"), this.#stored]);
  }

  /** Ends the file and makes its table; asked again after a failure, it tries the table again. */
  async stagedTable(): Promise<StagedTable> {
    this.#table ??= this.#makeTable().catch((thrown: unknown) => {
      this.#table = undefined;
      throw thrown;
    });
    return this.#table;
  }

  async discard(): Promise<void> {
    if (!this.#stream.writableEnded) this.#stream.destroy();
    await this.#stored.catch(() => undefined);
    const table = await this.#table?.catch(() => undefined);
    if (table) await this.#shared.tables.drop(table.table);
    await this.#shared.area.blobs.delete(this.#key);
  }

  async #makeTable(): Promise<StagedTable> {
    this.#stream.end();
    await this.#stored;
    const { area, tables } = this.#shared;
    // A folder without files would be a table without rows.
    if (!(await area.blobs.head(this.#key))) {
      throw new TributaryError("WAREHOUSE_FAILED", `the staged file ${area.location}/${this.#key} is gone`);
    }
    const table = await tables.create(this.#columns, `${area.location}/${this.#folder}/`);
    return { table, columns: this.#columns };
  }
}
