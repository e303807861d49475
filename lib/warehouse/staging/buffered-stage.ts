import type { Reject, RowBatch } from "../../messages/generated.ts";
import { rejectBatch } from "../../rows/reject-rows.ts";
import { sourceOffsetOf } from "../../rows/row-decoder.ts";
import type { Stage } from "../warehouse.ts";
import type { PlannedFile } from "./planned-rows.ts";

/**
 * A row buffer: keeps row batches until a commit. Small ones stay in memory; larger ones spill where the
 * adapter decides.
 */
export interface RowBuffer {
  readonly count: number;
  /** Encoded bytes. */
  readonly sizeBytes: number;
  /** Adds the batch's rows: all of them, or none if it throws. */
  add(batch: RowBatch): Promise<void>;
  /** Adds the rows of a load plan: see Stage.load. */
  load(file: PlannedFile): Promise<void>;
  /** Idempotent. */
  discard(): Promise<void>;
}

/** A stage with one row buffer for rows and one for rejects. */
export class BufferedStage<Buffer extends RowBuffer> implements Stage {
  readonly rows: Buffer;
  readonly rejects: Buffer;
  /** The _source_offset of the rows; undefined until one is known. */
  rowsOffset: number | undefined;
  #discarded = false;

  constructor(rows: Buffer, rejects: Buffer) {
    this.rows = rows;
    this.rejects = rejects;
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

  async load(file: PlannedFile): Promise<void> {
    if (this.#discarded) throw new Error("stage: discarded");
    this.rowsOffset ??= file.plan.rowsOffset;
    await this.rows.load(file);
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
