import type { Clock } from "../clock.ts";
import type { EventLog } from "../event-log/event-log.ts";
import { parseEvents } from "../messages/avro.ts";
import { progressJsonOf, type Progress } from "../messages/progress.ts";
import { TOPICS } from "../messages/topics.ts";
import { keyOf, tableId } from "../tables.ts";

export interface ProgressDeps {
  log: Pick<EventLog, "publish">;
  clock: Clock;
}

/** A file version of a table. */
export interface ReportedFile {
  table: string;
  fileId: string;
  sourceOffset: number;
}

/** Least time between two reports of one step. */
export const REPORT_MS = 1_000;

/** Publishes how far a file is, for the gateway and its users. @throws LOG_UNAVAILABLE */
export async function publishProgress(
  { log, clock }: ProgressDeps,
  { table, fileId, sourceOffset }: ReportedFile,
  progress: Progress,
): Promise<void> {
  const value = parseEvents.encode({
    ...{ fileId, table, sourceOffset, phase: "started", atMs: clock.nowMs() },
    ...{ rowsRead: 0, rowsRejected: 0, dialectJson: null, columnsJson: null },
    ...{ errorCode: null, errorMessage: null, warningsJson: null, progressJson: progressJsonOf(progress) },
  });
  await log.publish(TOPICS.parseEvents.name, [{ key: keyOf(tableId(table)), value }]);
}

/**
 * Returns a function that publishes a file's progress at most once a second, not in the first. Best effort: a
 * report that the log does not take is left out, and the next one says more.
 */
export function progressReports(deps: ProgressDeps, file: ReportedFile): (progress: Progress) => void {
  const { clock } = deps;
  let reportedAtMs = clock.monotonicMs();
  let isReporting = false;
  return (progress) => {
    if (isReporting || clock.monotonicMs() - reportedAtMs < REPORT_MS) return;
    [isReporting, reportedAtMs] = [true, clock.monotonicMs()];
    void publishProgress(deps, file, progress)
      .catch(() => undefined)
      .then(() => (isReporting = false));
  };
}
