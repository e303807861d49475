import type { Stage } from "../../../lib/warehouse/warehouse.ts";

/** Size limits of one table commit, and how long a complete file may wait for it. */
export interface BatchLimits {
  rowsMax: number;
  bytesMax: number;
  filesMax: number;
  /** How long a complete file waits at most for others to share its commit. */
  ageMsMax: number;
  /** Minimum time between the starts of two `idle` commits. 0: commit as soon as the table is free. */
  idleGapMs: number;
}

/** A complete file that waits for its commit. */
export interface Waiting {
  /** It shares its commit with no other file. */
  readonly alone?: boolean;
  readonly stage: Stage;
  readonly readyAtMs: number;
}

/** Which limit triggers a commit. */
export type Limit = "rows" | "bytes" | "files" | "age" | "idle" | "drain";

export interface BatchState {
  /** Monotonic milliseconds. */
  nowMs: number;
  /** When the last commit of this table began; undefined before the first. */
  lastCommitAtMs: number | undefined;
  /** Whether more is about to arrive: records are being fed, or a file is incomplete. */
  moreComing: boolean;
}

/**
 * The limit that triggers a commit of the waiting files; otherwise the milliseconds until the next call
 * (undefined: wait for an event). A single small file is committed at once (`idle`); files that arrive
 * during a commit share the next.
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

/**
 * The number of waiting files, from the first, in the next micro-batch: as many as the limits allow, at
 * least one.
 */
export function batchLength(waiting: readonly Waiting[], limits: BatchLimits): number {
  let rows = 0;
  let bytes = 0;
  let length = 0;
  for (const { stage, alone = false } of waiting) {
    if (alone) return Math.max(1, length);
    rows += stage.rowCount;
    bytes += stage.sizeBytes;
    if (length > 0 && (rows > limits.rowsMax || bytes > limits.bytesMax)) break;
    length++;
    if (length >= limits.filesMax) break;
  }
  return length;
}

/** Whether a writer may queue more complete files: at most about two micro-batches. */
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
