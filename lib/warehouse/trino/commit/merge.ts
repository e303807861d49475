import { mergeParts, mergeStatement, type MergeInput } from "../../commit/merge.ts";
import { trino } from "../dialect.ts";
import { tableSql } from "../names.ts";
import { guardedBySnapshot, type SnapshotId } from "./snapshot.ts";

export interface GuardedMergeInput extends Omit<MergeInput, "dialect" | "target"> {
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
  const { table } = input.layout;
  const target = tableSql(table);
  const parts = mergeParts({ ...input, dialect: trino, target });
  return mergeStatement(target, { ...parts, source: guardedBySnapshot(parts.source, table, baseSnapshot) });
}
