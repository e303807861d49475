import { z } from "zod";
import { parseLimitsOf, type ParseLimits } from "../../lib/parsing/limits.ts";
import {
  parsingSettings,
  byteSize,
  count,
  duration,
  platformSettings,
  port,
  retentionSettings,
} from "../../lib/process/config.ts";
import type { CommandSettings } from "./commands/command-run.ts";
import type { TableWriterSettings } from "./lane/table-writer.ts";

const text = (value: string) => value;

/** False for a value that is itself at fault: the rule is checked beside other faults too. */
const isLonger = (gap: unknown, interval: unknown): boolean =>
  typeof gap === "number" && typeof interval === "number" && gap > interval;

/** The committer's settings in a process's environment. */
export const committerConfig = z
  .object({
    ...platformSettings,
    TRIBUTARY_COMMITTER_HOST: z
      .string()
      .default("127.0.0.1")
      .describe("address on which /healthz, /readyz and /metrics listen"),
    TRIBUTARY_COMMITTER_PORT: port.default(8083),
    TRIBUTARY_COMMIT_ROWS_MAX: count.default(1_000_000).describe("largest number of rows in a micro-batch"),
    TRIBUTARY_COMMIT_BYTES_MAX: byteSize.prefault(text("256MB")).describe("largest encoded size of a micro-batch"),
    TRIBUTARY_COMMIT_FILES_MAX: count.max(500).default(200).describe("largest number of files in a micro-batch"),
    TRIBUTARY_COMMIT_INTERVAL: duration
      .prefault(text("2s"))
      .describe("how long a complete file waits at most for others to share its commit"),
    TRIBUTARY_COMMIT_GAP: duration
      .prefault(text("0ms"))
      .describe("minimum time between two commits of a table; a higher value gives fewer snapshots"),
    TRIBUTARY_COMMITS_AT_ONCE: count
      .default(4)
      .describe("concurrent table commits of one process; more only help a warehouse with spare cores"),
    TRIBUTARY_COMMIT_ATTEMPTS: count.default(5).describe("consecutive failures after which a table counts as stuck"),
    TRIBUTARY_CHECKS_TIMEOUT: duration
      .prefault(text("1m"))
      .describe(
        "time limit of all checks of one run; checks not finished then end as error. The table's commits wait for the run",
      ),
    TRIBUTARY_COMMANDS_AT_ONCE: count
      .default(2)
      .describe("concurrent checks and maintenance commands; at most one is maintenance"),
    TRIBUTARY_MAINTENANCE_HOLD: duration
      .prefault(text("15s"))
      .describe("how long rows wait at most for a step of their table's maintenance, which is then cancelled"),
    ...parsingSettings,
    ...retentionSettings,
  })
  .refine(({ TRIBUTARY_COMMIT_GAP: gap, TRIBUTARY_COMMIT_INTERVAL: interval }) => !isLonger(gap, interval), {
    path: ["TRIBUTARY_COMMIT_GAP"],
    message: "must not be longer than TRIBUTARY_COMMIT_INTERVAL",
    when: () => true,
  });

export type CommitterConfig = z.infer<typeof committerConfig>;

export interface CommitterSettings extends TableWriterSettings, CommandSettings {
  /** Concurrent commits, for any number of tables. */
  commitsAtOnceMax: number;
  /** How rebuilds parse files. messageBytesMax is the event log's. */
  parsing: { workerHeapMib: number; limits: ParseLimits };
}

const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 30_000;

export function committerSettings(config: CommitterConfig): CommitterSettings {
  return {
    rowsMax: config.TRIBUTARY_COMMIT_ROWS_MAX,
    bytesMax: config.TRIBUTARY_COMMIT_BYTES_MAX,
    filesMax: config.TRIBUTARY_COMMIT_FILES_MAX,
    parsing: { workerHeapMib: config.TRIBUTARY_PARSER_HEAP_MIB, limits: parseLimitsOf(config) },
    commitsAtOnceMax: config.TRIBUTARY_COMMITS_AT_ONCE,
    ageMsMax: config.TRIBUTARY_COMMIT_INTERVAL,
    idleGapMs: config.TRIBUTARY_COMMIT_GAP,
    attemptsMax: config.TRIBUTARY_COMMIT_ATTEMPTS,
    backoffMsMin: BACKOFF_MS_MIN,
    backoffMsMax: BACKOFF_MS_MAX,
    checksTimeoutMs: config.TRIBUTARY_CHECKS_TIMEOUT,
    commandsAtOnceMax: config.TRIBUTARY_COMMANDS_AT_ONCE,
    maintenanceHoldMs: config.TRIBUTARY_MAINTENANCE_HOLD,
    retentionMs: config.TRIBUTARY_RETENTION,
    snapshotsMax: config.TRIBUTARY_SNAPSHOTS_MAX,
  };
}
