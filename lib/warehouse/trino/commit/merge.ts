import { mergeParts, mergeStatement, type MergeInput } from "../../commit/merge.ts";
import { guardedBySnapshot, type SnapshotId } from "./snapshot.ts";

export interface GuardedMergeInput extends MergeInput {
  /**
   * The table's snapshot when its writer last read it. On any other snapshot the statement changes nothing.
   */
  baseSnapshot: SnapshotId;
}

/**
 * Returns the guarded MERGE of a batch. It changes the table only at its base snapshot. If no row differs,
 * it makes no snapshot.
 */
export function guardedMerge({ baseSnapshot, ...input }: GuardedMergeInput): string {
  const parts = mergeParts(input);
  const source = guardedBySnapshot(parts.source, input.layout.table, baseSnapshot);
  return mergeStatement(input.target, { ...parts, source });
}
