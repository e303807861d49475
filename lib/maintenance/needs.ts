/**
 * The maintenance that a table's state requires. A pure function: the scheduler applies it to estimated
 * states, the gateway to measured ones.
 */

export type Operation = "optimize" | "expire_snapshots" | "remove_orphan_files";

export interface MaintenanceLimits {
  /** Optimize when merging small files would save at least this many files. */
  optimizeFiles: number;
  /** Optimize at this many delete files per data file. */
  optimizeDeletes: number;
  /** Expire snapshots above this number. */
  snapshotsMax: number;
  /** Minimum age of the orphan files that are removed. */
  retentionMs: number;
}

/** A table's state, measured or estimated. */
export interface TableState {
  dataFiles: number;
  deleteFiles: number;
  /** Number of files that merging would save. */
  mergeableFiles: number;
  snapshots: number;
  /**
   * Snapshots added since the last expiry. Prevents immediate repeats of an expiry that removed few
   * snapshots.
   */
  snapshotsSinceExpiry: number;
  /** Time of the last orphan-file removal, or of the table's first commit; null: unknown. */
  orphansSinceMs: number | null;
}

export interface Need {
  operation: Operation;
  /** One sentence for people. */
  reason: string;
}

/** Fewer delete files than this cost too little to matter, whatever their share. */
const DELETE_FILES_MIN = 5;

/**
 * Every commit of every table adds to the internal tables, whose readers look for few rows. Their history is
 * kept for an hour in any case (lib/warehouse/iceberg/maintenance/expire.ts).
 */
const INTERNAL = { files: 10, snapshots: 10 };

/** The limits of a table. */
export const limitsOf = <Limits extends MaintenanceLimits>(isInternal: boolean, limits: Limits): Limits =>
  isInternal
    ? {
        ...limits,
        optimizeFiles: INTERNAL.files * limits.optimizeFiles,
        snapshotsMax: INTERNAL.snapshots * limits.snapshotsMax,
      }
    : limits;

/** The maintenance that the table needs now, with reasons. `limits`: see `limitsOf`. */
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
    need("remove_orphan_files", `orphan files were last removed ${days} days ago`);
  }
  return needs;
}

/** No policy needs more commits than this. */
export const COMMITS_KEPT = 1_000;

const snapshotsStep = ({ snapshotsMax }: MaintenanceLimits): number => Math.min(snapshotsMax / 2, COMMITS_KEPT);
