import type { CommandKind } from "../../lib/messages/generated.ts";
import { needsOf, type MaintenanceLimits } from "../../lib/maintenance/needs.ts";
import { owes, slotCommandId } from "./cron.ts";
import { isKnown, isCommandPending, tableStateOf, type ScheduledTable } from "./table-health.ts";

export interface MaintenanceSettings extends MaintenanceLimits {
  /** Least time between two runs of one kind that the table's health asks for. */
  healthGapMs: number;
  /** A command without an answer for longer than this counts as lost. */
  patienceMs: number;
}

/** A command that is due. */
export interface Due {
  commandId: string;
  kind: CommandKind;
  /** cron, health or commit: for the metrics. */
  cause: "cron" | "health" | "commit";
  reason: string;
}

export interface ScheduleWindow {
  nowMs: number;
  /** When this scheduler began. */
  sinceMs: number;
  /** The latest moment of the cron; undefined if it has none. */
  slotMs: number | undefined;
}

const OPERATIONS = ["optimize", "expire_snapshots", "remove_orphan_files"] as const satisfies CommandKind[];

/** A table's maintenance takes at most a fifth of its writer's time, the cron's apart. */
const REST_FACTOR = 5;

/** What a table's maintenance needs now: everything at the cron's time, and between by its health. */
export function maintenanceDue(
  table: string,
  health: ScheduledTable,
  { nowMs, sinceMs, slotMs }: ScheduleWindow,
  settings: MaintenanceSettings,
): Due[] {
  const reasons = new Map(
    needsOf(tableStateOf(health), settings, nowMs).map(({ operation, reason }) => [operation, reason]),
  );
  const due = OPERATIONS.flatMap((kind): Due[] => {
    if (isCommandPending(health, kind, nowMs, settings.patienceMs)) return [];
    if (slotMs !== undefined && owes(health, kind, { slotMs, sinceMs, nowMs })) {
      const commandId = slotCommandId(kind, table, slotMs);
      if (!isKnown(health, kind, commandId)) return [{ commandId, kind, cause: "cron", reason: "scheduled" }];
    }
    const reason = reasons.get(kind);
    return reason === undefined || rests(health, kind, nowMs, settings) ? [] : [healthDue(table, kind, health, reason)];
  });
  return due.filter(({ kind, commandId }) => !isKnown(health, kind, commandId));
}

/** Was the last run of this kind a moment ago, or did it hold the table for so long that it has earned a rest? */
function rests(
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

/** The command's id follows from the run it comes after: two schedulers ask for the same one. */
function healthDue(table: string, kind: CommandKind, health: ScheduledTable, reason: string): Due {
  const last = health.runs.get(kind);
  const commandId = `health:${kind}:${table}:${last ? new Date(last.startedAtMs).toISOString() : "first"}`;
  return { commandId, kind, cause: "health", reason };
}
