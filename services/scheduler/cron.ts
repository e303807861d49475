import { Cron } from "croner";
import type { CommandKind } from "../../lib/messages/generated.ts";
import type { ScheduledTable } from "./table-health.ts";

/** The latest time at or before now that matches the pattern, in UTC; undefined if there is none. */
export function latestSlot(pattern: string, nowMs: number): number | undefined {
  // previousRuns searches strictly before its reference time, in whole seconds.
  const [slot] = new Cron(pattern, { timezone: "UTC", paused: true }).previousRuns(1, new Date(nowMs + 1_000));
  return slot?.getTime();
}

/** True if the text is a valid cron pattern. */
export function isCron(pattern: string): boolean {
  try {
    new Cron(pattern, { timezone: "UTC", paused: true });
    return true;
  } catch {
    return false;
  }
}

/**
 * True if this kind of command still has to run for the slot. A run missed while no scheduler was running is
 * made up for once; a table created after the slot missed nothing. `sinceMs`: start time of this scheduler.
 */
export function isSlotDue(
  table: ScheduledTable,
  kind: CommandKind,
  { slotMs, sinceMs, nowMs }: { slotMs: number; sinceMs: number; nowMs: number },
): boolean {
  const last = table.runs.get(kind);
  // A start time in the future means that the clock was set back. Such a run must not suppress the slots
  // until then.
  if (last && last.startedAtMs <= nowMs) return last.startedAtMs < slotMs;
  return slotMs >= sinceMs || (table.firstCommitAtMs !== undefined && table.firstCommitAtMs <= slotMs);
}

/** The same id for every scheduler, so that a slot's command runs once. */
export const slotCommandId = (kind: CommandKind, table: string, slotMs: number): string =>
  `cron:${kind}:${table}:${new Date(slotMs).toISOString()}`;
