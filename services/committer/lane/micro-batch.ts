import type { Stage } from "../../../lib/warehouse/warehouse.ts";

/** What one table commit may hold, and how long a complete file may wait for it. */
export interface BatchLimits {
  rowsMax: number;
  bytesMax: number;
  filesMax: number;
  /** A complete file waits at most so long for others to go with it. */
  ageMsMax: number;
  /** Least time between the beginnings of two commits that no other limit asks for. 0: commit as soon as the table is free. */
  idleGapMs: number;
}

/** A complete file, waiting. */
export interface Waiting {
  readonly stage: Stage;
  readonly readyAtMs: number;
}

/** Which limit asks for a commit. */
export type Limit = "rows" | "bytes" | "files" | "age" | "idle" | "drain";

export interface BatchState {
  /** Monotonic milliseconds. */
  nowMs: number;
  /** When the last commit of this table began; undefined before the first. */
  lastCommitAtMs: number | undefined;
  /** Is more on its way that is worth waiting for: records in hand, or a file half read? */
  moreComing: boolean;
}

/**
 * Should the waiting files be committed, and which limit says so? Otherwise: in how many milliseconds to ask again (undefined: when
 * something happens). A lone small file goes at once (`idle`); while a commit runs, files gather for the next.
 */
export function dueLimit(
  waiting: readonly Waiting[],
  limits: BatchLimits,
  { nowMs, lastCommitAtMs, moreComing }: BatchState,
): { limit: Limit } | { inMs: number | undefined } {
  const oldest = waiting[0];
  if (!oldest) return { inMs: undefined };
  const { rows, bytes } = sizeOf(waiting);
  if (rows >= limits.rowsMax) return { limit: "rows" };
  if (bytes >= limits.bytesMax) return { limit: "bytes" };
  if (waiting.length >= limits.filesMax) return { limit: "files" };
  const ageLeftMs = oldest.readyAtMs + limits.ageMsMax - nowMs;
  if (ageLeftMs <= 0) return { limit: "age" };
  if (moreComing) return { inMs: ageLeftMs };
  const gapLeftMs = (lastCommitAtMs ?? -Infinity) + limits.idleGapMs - nowMs;
  if (gapLeftMs <= 0) return { limit: "idle" };
  return { inMs: Math.min(ageLeftMs, gapLeftMs) };
}

/** How many of the waiting files, from the first on, make up one micro-batch: as many as the limits allow, at least one. */
export function batchLength(waiting: readonly Waiting[], limits: BatchLimits): number {
  let rows = 0;
  let bytes = 0;
  let length = 0;
  for (const { stage } of waiting) {
    rows += stage.rowCount;
    bytes += stage.sizeBytes;
    if (length > 0 && (rows > limits.rowsMax || bytes > limits.bytesMax)) break;
    length++;
    if (length >= limits.filesMax) break;
  }
  return length;
}

/** Has a lane room for more complete files? It queues at most about two micro-batches. */
export function hasRoom(waiting: readonly Waiting[], limits: BatchLimits): boolean {
  const { rows, bytes } = sizeOf(waiting);
  return waiting.length < 2 * limits.filesMax && bytes < 2 * limits.bytesMax && rows < 2 * limits.rowsMax;
}

function sizeOf(waiting: readonly Waiting[]): { rows: number; bytes: number } {
  return waiting.reduce((sum, { stage }) => ({ rows: sum.rows + stage.rowCount, bytes: sum.bytes + stage.sizeBytes }), {
    rows: 0,
    bytes: 0,
  });
}
