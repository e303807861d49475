import type { Warehouse } from "../warehouse/warehouse.ts";

export interface RejectedRows {
  read: number;
  rejected: number;
}

/** Files whose rejects are the usual ones. */
export const USUAL_FILES = 20;

/** Rows read and rejected of the table's last committed files, newest first. */
export async function usualRejects(
  { files }: Warehouse["reads"],
  table: string,
  timeoutMs: number,
): Promise<RejectedRows[]> {
  const recorded = await files.list({ table, status: "committed", limit: USUAL_FILES }, { timeoutMs });
  return recorded
    .filter(({ contentHash }) => contentHash !== "")
    .map(({ rowsRead, rowsRejected }) => ({ read: rowsRead ?? 0, rejected: rowsRejected ?? 0 }));
}

export const sumOf = (files: readonly RejectedRows[]): RejectedRows =>
  files.reduce((sum, { read, rejected }) => ({ read: sum.read + read, rejected: sum.rejected + rejected }), {
    read: 0,
    rejected: 0,
  });
