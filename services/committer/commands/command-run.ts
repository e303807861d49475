import type { Clock } from "../../../lib/clock.ts";
import { isRetryable } from "../../../lib/errors.ts";
import type { Command } from "../../../lib/messages/generated.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { retry } from "../../../lib/retry.ts";
import type { LogRow } from "../../../lib/warehouse/warehouse.ts";
import type { WriterContext } from "../commit/writer.ts";
import type { CommitterMetrics } from "../metrics.ts";

export interface CommandSettings {
  /** Time limit of all checks of one run. */
  checksTimeoutMs: number;
  /** Snapshots and orphan files younger than this are kept. A command may override it. */
  retentionMs: number;
  /** Snapshots beyond this number are expired before the retention time. */
  snapshotsMax: number;
  /** A maintenance step is cancelled once rows have waited for it this long. */
  maintenanceHoldMs: number;
  /** Concurrent commands of one committer, for any number of tables. */
  commandsAtOnceMax: number;
}

/** Context of a running command. */
export interface CommandRun {
  command: Command;
  writer: WriterContext;
  /** Aborts when the assignment ends, and when the command must yield to rows or a drain. */
  signal: AbortSignal;
  clock: Clock;
  settings: CommandSettings;
  metrics: CommitterMetrics;
  logger: Logger;
}

/** The result of a command. */
export interface CommandOutcome {
  status: string;
  resultJson: string;
}

/**
 * Appends to an internal table. Logs a failure instead of throwing it, because the command itself has run.
 */
export async function appendLog(
  run: CommandRun,
  table: "_quality_results" | "_maintenance_log",
  rows: readonly LogRow[],
): Promise<void> {
  if (rows.length === 0) return;
  try {
    await withRetries(run, () => run.writer.warehouse.appendLog(table, rows));
  } catch (thrown) {
    if (run.writer.signal.aborted) throw thrown;
    run.logger.error({ err: thrown, table, commandId: run.command.commandId }, `cannot write rows to ${table}`);
    run.metrics.throughput.dropped("unwritten_log_rows", rows.length);
  }
}

const ATTEMPTS_MAX = 4;

/**
 * Retries only a few times, because ingestion waits for the command. @throws the error of the last attempt
 */
export function withRetries<T>({ clock, writer }: CommandRun, attempt: () => Promise<T>): Promise<T> {
  const options = { attemptsMax: ATTEMPTS_MAX, backoffMsMin: 100, backoffMsMax: 2_000, signal: writer.signal };
  return retry(clock, { ...options, retryable: isRetryable }, attempt);
}
