import type { Clock } from "../../../clock.ts";
import { SourceFiles } from "../../commit/source-files.ts";
import type { Snapshot, TableMetadata } from "../catalog/schemas.ts";
import { checkWritable } from "../tables/guards.ts";
import type { IcebergTables } from "../tables/tables.ts";

/** The summary's property: no row of the snapshot has a higher source offset. */
export const WATERMARK_PROPERTY = "tributary.watermark";
/** The summary's property: no two rows of the snapshot have the same key, which its value names. */
export const UNIQUE_KEY_PROPERTY = "tributary.unique-key";

/** A table's state when its writer last read it. */
export interface BaseState {
  uuid: string;
  /** undefined: the table has no snapshot. */
  snapshotId: bigint | undefined;
  /** No row has a higher source offset; -1: there are no rows. undefined: unknown. */
  watermark: number | undefined;
  /** No two rows have the same key of this name (UNIQUE_KEY_PROPERTY); "any": there are no rows. */
  uniqueKey: string | undefined;
  /** Rows, also deleted ones that files still have. undefined: unknown. */
  rows?: number | undefined;
}

/**
 * How long a writer trusts what it remembers without asking whether it still owns the table. A successor
 * whose commits change no row leaves no snapshot that would tell.
 */
const TRUST_MS = 10_000;

/**
 * Each table's base snapshot: the fence of a commit, which the gate refuses on any other one. A writer may
 * lose its table without knowing it (it slept, or lost its connection): the first commit of its successor
 * fences it off. If nobody else writes in between, the writer needs no ownership check.
 *
 * As long as the base stands, the writer also remembers how far the table and the ledger go. A version beyond
 * cannot be in the table, so a commit need not look. It is not on record either, unless a former writer of
 * the table has recorded it late: the ledger has a base of its own, for all tables.
 */
export class Bases {
  readonly #clock: Clock;
  readonly #known = new Map<string, BaseState>();
  readonly #confirmedAtMs = new Map<string, number>();
  /** The highest source offset on record as it was read, and `Heads.lastReading` before. */
  readonly #recorded = new Map<string, { offset: number; reading: number }>();
  /** The highest source offset that this process has tried to record. A failed write may still be applied. */
  readonly #tried = new Map<string, number>();
  readonly #workMs = new Map<string, number>();
  /** At each table's base. */
  readonly files = new SourceFiles();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(table: string): BaseState | undefined {
    return this.#known.get(table);
  }

  set(table: string, state: BaseState): void {
    this.#known.set(table, state);
  }

  /** After a failure, or if others may have written: the next commit reads the table again. */
  forget(table: string): void {
    this.#known.delete(table);
    this.files.forget(table);
    this.#recorded.delete(table);
  }

  /** No file with a higher source offset is on record. undefined: unknown. */
  recorded(table: string): number | undefined {
    const read = this.#known.has(table) ? this.#recorded.get(table) : undefined;
    return read === undefined ? undefined : Math.max(read.offset, this.#tried.get(table) ?? -1);
  }

  /** The ledger was looked at after this reading. A former writer of the table may add records later. */
  recordedAfter(table: string): number {
    return this.#recorded.get(table)?.reading ?? -1;
  }

  /** After a look at the ledger that began after the refresh, and after this reading. */
  setRecorded(table: string, offset: number, reading: number): void {
    this.#recorded.set(table, { offset, reading });
  }

  /** How long the table's last commit worked before it was sent; 0: unknown. */
  workMs(table: string): number {
    return this.#workMs.get(table) ?? 0;
  }

  worked(table: string, ms: number): void {
    this.#workMs.set(table, ms);
  }

  /** Before a write to the ledger. */
  tries(table: string, offsets: readonly number[]): void {
    this.#tried.set(table, Math.max(this.#tried.get(table) ?? -1, ...offsets));
  }

  /** The state as it is remembered, else as it is read. In both cases this writer owns the table. */
  async current(
    tables: IcebergTables,
    table: string,
    confirmOwner: () => Promise<void>,
  ): Promise<BaseState | undefined> {
    const known = this.#known.get(table);
    if (!known) return this.refresh(tables, table, confirmOwner);
    const confirmedAtMs = this.#confirmedAtMs.get(table) ?? -Infinity;
    if (this.#clock.monotonicMs() - confirmedAtMs > TRUST_MS) await this.#confirm(table, confirmOwner);
    return known;
  }

  /**
   * Reads the table's state. The writer that owns the table *after* the read was the last to write that
   * snapshot, so ownership is confirmed after it. undefined: the table does not exist.
   */
  async refresh(
    tables: IcebergTables,
    table: string,
    confirmOwner: () => Promise<void>,
  ): Promise<BaseState | undefined> {
    const metadata = await tables.load(table);
    await this.#confirm(table, confirmOwner);
    this.forget(table);
    if (!metadata) return undefined;
    checkWritable(table, metadata);
    const state = stateOf(metadata);
    this.#known.set(table, state);
    return state;
  }

  async #confirm(table: string, confirmOwner: () => Promise<void>): Promise<void> {
    await confirmOwner();
    this.#confirmedAtMs.set(table, this.#clock.monotonicMs());
  }
}

/**
 * What the newest snapshot that changed rows says of them. A compaction changes none, and repeats it if it is
 * ours.
 */
export function stateOf({
  uuid,
  currentSnapshotId,
  snapshots,
}: Pick<TableMetadata, "uuid" | "currentSnapshotId" | "snapshots">): BaseState {
  if (currentSnapshotId === undefined) {
    return { uuid, snapshotId: undefined, watermark: -1, uniqueKey: "any", rows: 0 };
  }
  const byId = new Map(snapshots.map((one) => [one.id, one]));
  let at = byId.get(currentSnapshotId);
  for (let steps = 0; at && isSilent(at) && steps < snapshots.length; steps++)
    at = at.parentId === undefined ? undefined : byId.get(at.parentId);
  const watermark = at?.summary.get(WATERMARK_PROPERTY);
  return {
    uuid,
    snapshotId: currentSnapshotId,
    watermark: watermark === undefined ? undefined : Number(watermark),
    uniqueKey: at?.summary.get(UNIQUE_KEY_PROPERTY),
    rows: recordsIn(byId.get(currentSnapshotId)),
  };
}

const isSilent = ({ summary }: Pick<Snapshot, "summary">): boolean =>
  summary.get("operation") === "replace" && !summary.has(WATERMARK_PROPERTY) && !summary.has(UNIQUE_KEY_PROPERTY);

/** The rows of a snapshot, as its summary counts them. */
export function recordsIn(snapshot: { summary: ReadonlyMap<string, string> } | undefined): number | undefined {
  const count = snapshot?.summary.get("total-records");
  return count === undefined ? undefined : Number(count);
}
