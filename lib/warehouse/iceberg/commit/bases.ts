import type { TableMetadata } from "../catalog/schemas.ts";
import { checkWritable } from "../tables/guards.ts";
import type { IcebergTables } from "../tables/tables.ts";

/** A table's state when its writer last read it. */
export interface BaseState {
  uuid: string;
  /** undefined: the table has no snapshot. */
  snapshotId: bigint | undefined;
}

/**
 * Each table's base snapshot: the fence of a commit, which the gate refuses on any other one. A writer may
 * lose its table without knowing it (it slept, or lost its connection): the first commit of its successor
 * fences it off. If nobody else writes in between, the writer needs no ownership check.
 */
export class Bases {
  readonly #known = new Map<string, BaseState>();

  get(table: string): BaseState | undefined {
    return this.#known.get(table);
  }

  set(table: string, state: BaseState): void {
    this.#known.set(table, state);
  }

  /** After a failure, or if others may have written: the next commit reads the table again. */
  forget(table: string): void {
    this.#known.delete(table);
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
    await confirmOwner();
    this.forget(table);
    if (!metadata) return undefined;
    checkWritable(table, metadata);
    const state = stateOf(metadata);
    this.#known.set(table, state);
    return state;
  }
}

export const stateOf = ({ uuid, currentSnapshotId }: TableMetadata): BaseState => ({
  uuid,
  snapshotId: currentSnapshotId,
});
