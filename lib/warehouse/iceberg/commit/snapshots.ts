import type { Snapshot, TableMetadata } from "../catalog/schemas.ts";
import { TRANSACTION_PROPERTY } from "../gate/transactions.ts";
import type { CommitReceipt } from "../../warehouse.ts";

/** The highest source offset of a commit, in the summary of its snapshot. */
export const WATERMARK_PROPERTY = "tributary.watermark";

/**
 * The snapshots of a transaction, oldest first: DuckDB makes one for each statement, or two for a MERGE that
 * both updates and inserts. Empty if the table does not have the transaction.
 */
export function snapshotsOf({ snapshots }: TableMetadata, transactionId: string, base: bigint | undefined): Snapshot[] {
  const byId = new Map(snapshots.map((one) => [one.id, one]));
  const last = snapshots.find(({ summary }) => summary.get(TRANSACTION_PROPERTY) === transactionId);
  const chain: Snapshot[] = [];
  for (let at = last; at && at.id !== base && chain.length <= snapshots.length;) {
    chain.push(at);
    at = at.parentId === undefined ? undefined : byId.get(at.parentId);
  }
  return chain.toReversed();
}

const countIn = ({ summary }: Snapshot, name: string): number => Number(summary.get(name) ?? 0);

/**
 * How many rows a transaction has changed. DuckDB reports only how many a MERGE has changed in all. An
 * update is one deleted row and one added row.
 */
export function changesOf(
  chain: readonly Snapshot[],
  rowsDeleted: number,
): Pick<CommitReceipt, "rowsInserted" | "rowsUpdated" | "rowsDeleted"> {
  const total = (name: string): number => chain.reduce((sum, one) => sum + countIn(one, name), 0);
  const gone = total("added-position-deletes") + total("deleted-records") - total("removed-position-deletes");
  const rowsUpdated = Math.max(0, gone - rowsDeleted);
  return { rowsInserted: total("added-records") - rowsUpdated, rowsUpdated, rowsDeleted };
}

/** The table's file counts after a snapshot, if its summary has them. */
export function filesIn({ summary }: Snapshot): Pick<CommitReceipt, "files"> {
  const dataFiles = Number(summary.get("total-data-files") ?? NaN);
  const deleteFiles = Number(summary.get("total-delete-files") ?? NaN);
  return Number.isNaN(dataFiles + deleteFiles) ? {} : { files: { dataFiles, deleteFiles } };
}
