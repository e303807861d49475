import { Cron } from "croner";
import type { CommandKind } from "../../lib/messages/generated.ts";
import type { ScheduledTable } from "./table-health.ts";

/** The latest moment at or before now that the pattern names, in UTC; undefined if there is none. */
export function latestSlot(pattern: string, nowMs: number): number | undefined {
  // previousRuns looks strictly before its reference, in whole seconds.
  const [slot] = new Cron(pattern, { timezone: "UTC", paused: true }).previousRuns(1, new Date(nowMs + 1_000));
  return slot?.getTime();
}

/** True if the text is a cron pattern. */
export function isCron(pattern: string): boolean {
  try {
    new Cron(pattern, { timezone: "UTC", paused: true });
    return true;
  } catch {
    return false;
  }
}

/**
 * Has this kind of command still to run for the slot? A run that was missed while nobody was scheduling is made up for once; a table
 * that was not there at the slot missed nothing. `sinceMs`: when this scheduler began.
 */
export function owes(
  table: ScheduledTable,
  kind: CommandKind,
  { slotMs, sinceMs, nowMs }: { slotMs: number; sinceMs: number; nowMs: number },
): boolean {
  const last = table.runs.get(kind);
  // A run that began in the future was told by a clock that has been put back since: it must not stand for all slots until then.
  if (last && last.startedAtMs <= nowMs) return last.startedAtMs < slotMs;
  return slotMs >= sinceMs || (table.firstCommitAtMs !== undefined && table.firstCommitAtMs <= slotMs);
}

/** The same for every scheduler, so that a slot's command is carried out once. */
export const slotCommandId = (kind: CommandKind, table: string, slotMs: number): string =>
  `cron:${kind}:${table}:${new Date(slotMs).toISOString()}`;
