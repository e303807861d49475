/** When a table's state asks for maintenance. Pure: the scheduler acts on what it estimates, the gateway tells what it measured. */

export type Operation = "optimize" | "expire_snapshots" | "remove_orphan_files";

export interface MaintenanceLimits {
  /** From so many files on that merging would save. */
  optimizeFiles: number;
  /** From so many delete files a data file on. */
  optimizeDeletes: number;
  /** How many snapshots may stay. */
  snapshotsMax: number;
  /** Younger orphan files would be left anyway. */
  retentionMs: number;
}

/** What is known of a table. */
export interface TableState {
  dataFiles: number;
  deleteFiles: number;
  /** Files that merging would save. */
  mergeableFiles: number;
  snapshots: number;
  /** Snapshots that came since they were last expired; where that helped little, it is not tried again at once. */
  snapshotsSinceExpiry: number;
  /** When orphan files were last looked for, or the table began; null: not known. */
  orphansSinceMs: number | null;
}

export interface Need {
  operation: Operation;
  /** For people. */
  reason: string;
}

/** A few delete files cost nothing, whatever their share. */
const DELETE_FILES_MIN = 5;

/** What the table needs now, and why. */
export function needsOf(state: TableState, limits: MaintenanceLimits, nowMs: number): Need[] {
  const needs: Need[] = [];
  const need = (operation: Operation, reason: string): unknown => needs.push({ operation, reason });
  const { dataFiles, deleteFiles, mergeableFiles, snapshots, snapshotsSinceExpiry, orphansSinceMs } = state;
  if (mergeableFiles >= limits.optimizeFiles) {
    need("optimize", `merging saves ${mergeableFiles} files (limit ${limits.optimizeFiles})`);
  } else if (deleteFiles >= Math.max(DELETE_FILES_MIN, limits.optimizeDeletes * dataFiles)) {
    need("optimize", `${deleteFiles} delete files for ${dataFiles} data files (limit ${limits.optimizeDeletes} each)`);
  }
  if (snapshots > limits.snapshotsMax && snapshotsSinceExpiry >= snapshotsStep(limits)) {
    need("expire_snapshots", `${snapshots} snapshots (limit ${limits.snapshotsMax})`);
  }
  if (orphansSinceMs !== null && nowMs - orphansSinceMs > limits.retentionMs) {
    const days = ((nowMs - orphansSinceMs) / 86_400_000).toFixed(1);
    need("remove_orphan_files", `orphan files were last looked for ${days} days ago`);
  }
  return needs;
}

/** No policy asks about more commits than this. */
export const COMMITS_KEPT = 1_000;

const snapshotsStep = ({ snapshotsMax }: MaintenanceLimits): number => Math.min(snapshotsMax / 2, COMMITS_KEPT);
