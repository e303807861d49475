import { mergeParts, mergeStatement, type MergeInput } from "../../commit/merge.ts";
import { trino } from "../dialect.ts";
import { tableId } from "../names.ts";
import { guardedBySnapshot, type SnapshotId } from "./snapshot.ts";

export interface GuardedMergeInput extends Omit<MergeInput, "dialect" | "target"> {
  /** The table's snapshot as its writer last saw it. On any other snapshot the statement changes nothing. */
  baseSnapshot: SnapshotId;
}

/** The MERGE of a batch, on the condition that the table is still at its base snapshot. If nothing differs it makes no snapshot. */
export function guardedMerge({ baseSnapshot, ...input }: GuardedMergeInput): string {
  const { table } = input.layout;
  const target = tableId(table);
  const parts = mergeParts({ ...input, dialect: trino, target });
  return mergeStatement(target, { ...parts, source: guardedBySnapshot(parts.source, table, baseSnapshot) });
}
