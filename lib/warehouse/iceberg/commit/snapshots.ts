import type { SnapshotState } from "../gate/table-state.ts";
import type { CommitReceipt } from "../../warehouse.ts";

type Summarised = Pick<SnapshotState, "summary">;

const countIn = ({ summary }: Summarised, name: string): number => Number(summary.get(name) ?? 0);

/**
 * How many rows a transaction has changed in a table, by all its snapshots there: DuckDB makes one for
 * each statement, or two for a MERGE that both updates and inserts. It reports only how many rows a MERGE
 * has changed in all. An update is one deleted row and one added row.
 */
export function changesOf(
  chain: readonly Summarised[],
  rowsDeleted: number,
): Pick<CommitReceipt, "rowsInserted" | "rowsUpdated" | "rowsDeleted"> {
  const total = (name: string): number => chain.reduce((sum, one) => sum + countIn(one, name), 0);
  const gone = total("added-position-deletes") + total("deleted-records") - total("removed-position-deletes");
  const rowsUpdated = Math.max(0, gone - rowsDeleted);
  return { rowsInserted: total("added-records") - rowsUpdated, rowsUpdated, rowsDeleted };
}

/** The table's file counts after a snapshot, if its summary has them. */
export function filesIn({ summary }: Summarised): Pick<CommitReceipt, "files"> {
  const dataFiles = Number(summary.get("total-data-files") ?? NaN);
  const deleteFiles = Number(summary.get("total-delete-files") ?? NaN);
  return Number.isNaN(dataFiles + deleteFiles) ? {} : { files: { dataFiles, deleteFiles } };
}
