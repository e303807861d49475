import { knownCode } from "../../../lib/errors.ts";
import type { CommitEvent, FileOutcome } from "../../../lib/messages/generated.ts";
import type { CommitterMetrics } from "../metrics.ts";
import type { FileStep } from "../slowest-files.ts";

/** Counts a recorded micro-batch. `settled`: files that arrived long ago, under another name of the table. */
export function countCommit(
  metrics: CommitterMetrics,
  event: CommitEvent,
  recordedAtMs: number,
  settled: ReadonlySet<string> = new Set(),
): void {
  const { table, limit, strategy, commitMs, committedAtMs, files } = event;
  metrics.commits.inc({ limit, strategy });
  metrics.commitSeconds.observe({ strategy }, commitMs / 1000);
  metrics.rows.inc({ change: "inserted" }, event.rowsInserted);
  metrics.rows.inc({ change: "updated" }, event.rowsUpdated);
  metrics.rows.inc({ change: "deleted" }, event.rowsDeleted);
  for (const file of files) {
    const status = file.errorCode === "FILE_HELD" ? "held" : file.status;
    metrics.files.inc({ status });
    metrics.fileBytes.inc({ status }, file.sizeBytes);
    metrics.rows.inc({ change: "committed" }, file.rowsCommitted);
    metrics.rows.inc({ change: "rejected" }, file.rowsRejected);
    if (status === "held") continue;
    if (file.errorCode) {
      metrics.throughput.error(knownCode(file.errorCode));
      continue;
    }
    if (settled.has(file.fileId)) continue;
    metrics.endToEndSeconds.observe(Math.max(0, committedAtMs - file.receivedAtMs) / 1000);
    const stepsMs = stepsOf(file, event, recordedAtMs);
    for (const [step, ms] of Object.entries(stepsMs)) metrics.fileStepSeconds.observe({ step }, ms / 1000);
    metrics.slowest.note({ table, fileId: file.fileId, stepsMs }, recordedAtMs);
  }
  metrics.throughput.sent("file", files.length);
}

/**
 * Milliseconds of each step. The times come from several machines: negative differences of their clocks
 * count as 0.
 */
export function stepsOf(
  { receivedAtMs, parsedAtMs, parseMs }: FileOutcome,
  { committedAtMs, commitMs }: CommitEvent,
  recordedAtMs: number,
): Record<FileStep, number> {
  return {
    wait: Math.max(0, parsedAtMs - parseMs - receivedAtMs),
    parse: parseMs,
    queue: Math.max(0, committedAtMs - commitMs - parsedAtMs),
    commit: commitMs,
    record: Math.max(0, recordedAtMs - committedAtMs),
  };
}
