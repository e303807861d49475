import type { Clock } from "../../../lib/clock.ts";
import { isRetryable } from "../../../lib/errors.ts";
import type { Command } from "../../../lib/messages/generated.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { retry } from "../../../lib/retry.ts";
import type { LogRow } from "../../../lib/warehouse/warehouse.ts";
import type { WriterContext } from "../commit/commit.ts";
import type { CommitterMetrics } from "../metrics.ts";

export interface CommandSettings {
  /** How long all checks of one run may take together. */
  checksTimeoutMs: number;
  /** Snapshots and orphan files younger than this are kept, unless the command says otherwise. */
  retentionMs: number;
  /** More snapshots than this are expired before their time. */
  snapshotsMax: number;
  /** A step of maintenance is given up once rows have waited for it so long. */
  maintenanceHoldMs: number;
  /** Commands that one committer carries out at a time, whatever the number of its tables. */
  commandsAtOnceMax: number;
}

/** What carrying out a command needs. */
export interface CommandRun {
  command: Command;
  writer: WriterContext;
  /** Aborts when the lane ends, and when the command must make way. */
  signal: AbortSignal;
  clock: Clock;
  settings: CommandSettings;
  metrics: CommitterMetrics;
  logger: Logger;
}

/** What a command came to. */
export interface CommandOutcome {
  status: string;
  resultJson: string;
}

/** Appends to one of our own tables. A failure is logged, not thrown: the command itself has been carried out. */
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
    run.logger.error(
      { err: thrown, table, commandId: run.command.commandId },
      `rows for ${table} could not be written`,
    );
    run.metrics.throughput.dropped("unwritten_log_rows", rows.length);
  }
}

const ATTEMPTS_MAX = 4;

/** Few attempts: ingestion waits for the command. @throws what the last attempt threw */
export function withRetries<T>({ clock, writer }: CommandRun, attempt: () => Promise<T>): Promise<T> {
  const options = { attemptsMax: ATTEMPTS_MAX, backoffMsMin: 100, backoffMsMax: 2_000, signal: writer.signal };
  return retry(clock, { ...options, retryable: isRetryable }, attempt);
}
