import { z } from "zod";
import { duration, maintenanceSettings, platformSettings, port } from "../../lib/process/config.ts";
import { isCron } from "./cron.ts";
import type { MaintenanceSettings } from "./maintenance-policy.ts";
import type { QualitySettings } from "./quality-policy.ts";

const text = (value: string) => value;
const cron = z.string().refine(isCron, { message: "is not a valid cron pattern: use for example 0 3 * * *" });

/** The scheduler's settings in the environment. */
export const schedulerConfig = z.object({
  ...platformSettings,
  TRIBUTARY_SCHEDULER_HOST: z.string().default("127.0.0.1").describe("address of /healthz, /readyz and /metrics"),
  TRIBUTARY_SCHEDULER_PORT: port.default(8084),
  TRIBUTARY_MAINTENANCE_CRON: cron.default("0 3 * * *").describe("when maintenance of every table runs, UTC"),
  TRIBUTARY_CHECKS_CRON: cron.default("0 4 * * *").describe("when every table's checks run, UTC"),
  ...maintenanceSettings,
  TRIBUTARY_MAINTENANCE_GAP: duration
    .prefault(text("10s"))
    .describe(
      "minimum time between two runs of one operation triggered by a table's health; " +
        "also at least five times as long as the last run blocked commits",
    ),
  TRIBUTARY_CHECKS_GAP: duration
    .prefault(text("10s"))
    .describe("minimum time between two runs of a table's checks triggered by commits"),
});

export type SchedulerConfig = z.infer<typeof schedulerConfig>;

export interface SchedulerSettings extends MaintenanceSettings, QualitySettings {
  maintenanceCron: string;
  checksCron: string;
  /** Interval between two evaluations of the policies. */
  tickMs: number;
}

const TICK_MS = 1_000;
const COMMAND_TIMEOUT_MS = 24 * 60 * 60 * 1000;

export function schedulerSettings(config: SchedulerConfig): SchedulerSettings {
  return {
    maintenanceCron: config.TRIBUTARY_MAINTENANCE_CRON,
    checksCron: config.TRIBUTARY_CHECKS_CRON,
    optimizeFiles: config.TRIBUTARY_OPTIMIZE_FILES,
    optimizeDeletes: config.TRIBUTARY_OPTIMIZE_DELETES,
    snapshotsMax: config.TRIBUTARY_SNAPSHOTS_MAX,
    retentionMs: config.TRIBUTARY_RETENTION,
    healthGapMs: config.TRIBUTARY_MAINTENANCE_GAP,
    checksGapMs: config.TRIBUTARY_CHECKS_GAP,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    tickMs: TICK_MS,
  };
}
