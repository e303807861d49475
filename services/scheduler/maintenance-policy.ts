import type { CommandKind } from "../../lib/messages/generated.ts";
import { limitsOf, needsOf, type MaintenanceLimits } from "../../lib/maintenance/needs.ts";
import { isInternalTable } from "../../lib/warehouse/internal-tables.ts";
import { isSlotDue, slotCommandId } from "./cron.ts";
import { isKnown, isCommandPending, tableStateOf, type ScheduledTable } from "./table-health.ts";

export interface MaintenanceSettings extends MaintenanceLimits {
  /** Minimum time between two runs of one kind triggered by the table's health. */
  healthGapMs: number;
  /** A command without a result for longer than this counts as lost. */
  commandTimeoutMs: number;
}

/** A command that is due. */
export interface Due {
  commandId: string;
  kind: CommandKind;
  /** The trigger; a label of the metrics. */
  cause: "cron" | "health" | "commit" | "contract";
  reason: string;
}

export interface ScheduleWindow {
  nowMs: number;
  /** Start time of this scheduler. */
  sinceMs: number;
  /** The latest time that matches the cron pattern; undefined if there is none. */
  slotMs: number | undefined;
}

const OPERATIONS = ["optimize", "expire_snapshots", "remove_orphan_files"] as const satisfies CommandKind[];

/** Maintenance takes at most a fifth of the table writer's time, not counting runs triggered by cron. */
const REST_FACTOR = 5;

/**
 * The maintenance commands that are due: all operations at the cron time, otherwise those that the health
 * requires.
 */
export function maintenanceDue(
  table: string,
  health: ScheduledTable,
  { nowMs, sinceMs, slotMs }: ScheduleWindow,
  settings: MaintenanceSettings,
): Due[] {
  const reasons = new Map(
    needsOf(tableStateOf(health), limitsOf(isInternalTable(table), settings), nowMs).map(({ operation, reason }) => [
      operation,
      reason,
    ]),
  );
  const due = OPERATIONS.flatMap((kind): Due[] => {
    if (isCommandPending(health, kind, nowMs, settings.commandTimeoutMs)) return [];
    if (slotMs !== undefined && isSlotDue(health, kind, { slotMs, sinceMs, nowMs })) {
      const commandId = slotCommandId(kind, table, slotMs);
      if (!isKnown(health, kind, commandId)) return [{ commandId, kind, cause: "cron", reason: "scheduled" }];
    }
    const reason = reasons.get(kind);
    return reason === undefined || isResting(health, kind, nowMs, settings)
      ? []
      : [healthDue(table, kind, health, reason)];
  });
  return due.filter(({ kind, commandId }) => !isKnown(health, kind, commandId));
}

/**
 * True while the minimum gap after the last run of this kind, or REST_FACTOR times its blocking time, lasts.
 */
function isResting(
  health: ScheduledTable,
  kind: CommandKind,
  nowMs: number,
  { healthGapMs }: MaintenanceSettings,
): boolean {
  const last = health.runs.get(kind);
  if (!last || last.startedAtMs > nowMs) return false;
  const gapMs = Math.max(healthGapMs, REST_FACTOR * last.heldMs);
  return nowMs - last.startedAtMs < gapMs;
}

/** The id is derived from the previous run, so two schedulers request the same command. */
function healthDue(table: string, kind: CommandKind, health: ScheduledTable, reason: string): Due {
  const last = health.runs.get(kind);
  const commandId = `health:${kind}:${table}:${last ? new Date(last.startedAtMs).toISOString() : "first"}`;
  return { commandId, kind, cause: "health", reason };
}
