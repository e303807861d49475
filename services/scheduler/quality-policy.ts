import type { Contract } from "../../lib/contract/contract.ts";
import { isSlotDue, slotCommandId } from "./cron.ts";
import type { Due, ScheduleWindow } from "./maintenance-policy.ts";
import { committedSinceChecks, isKnown, isCommandPending, type ScheduledTable } from "./table-health.ts";

export interface QualitySettings {
  /** Minimum time between two runs of a table's checks triggered by commits, so that commits share a run. */
  checksGapMs: number;
  /** A command without a result for longer than this counts as lost. */
  commandTimeoutMs: number;
}

/** The checks command of a table if it is due: at the cron time, or after commits since the last run. */
export function checksDue(
  contract: Contract,
  health: ScheduledTable,
  { nowMs, sinceMs, slotMs }: ScheduleWindow,
  settings: QualitySettings,
): Due[] {
  const { table, checks, gate, checkAfterCommit = gate === "block" } = contract;
  if (checks.length === 0 && gate === "none") return [];
  if (isCommandPending(health, "checks", nowMs, settings.commandTimeoutMs)) return [];
  const due = (commandId: string, cause: Due["cause"], reason: string): Due[] =>
    isKnown(health, "checks", commandId) ? [] : [{ commandId, kind: "checks", cause, reason }];
  if (checkAfterCommit && committedSinceChecks(health, nowMs)) {
    const restedMs = nowMs - (health.runs.get("checks")?.startedAtMs ?? -Infinity);
    if (restedMs >= 0 && restedMs < settings.checksGapMs) return [];
    return due(`commit:checks:${table}:${health.lastCommit?.commitId ?? ""}`, "commit", "rows were committed");
  }
  if (slotMs === undefined || !isSlotDue(health, "checks", { slotMs, sinceMs, nowMs })) return [];
  return due(slotCommandId("checks", table, slotMs), "cron", "scheduled");
}

const UNGATE = "ungate:";

/**
 * The checks command that removes `<table>_trusted` after the contract, or its `gate: block`, is gone.
 * `isGated`: the latest run of all checks reported a gate.
 */
export function ungateDue(
  table: string,
  health: ScheduledTable,
  { isGated, nowMs }: { isGated: boolean; nowMs: number },
  { commandTimeoutMs }: QualitySettings,
): Due[] {
  const last = health.runs.get("checks")?.commandId ?? "";
  if (!isGated || last.startsWith(UNGATE) || isCommandPending(health, "checks", nowMs, commandTimeoutMs)) return [];
  const commandId = `${UNGATE}${table}:${last}`;
  if (isKnown(health, "checks", commandId)) return [];
  return [{ commandId, kind: "checks", cause: "contract", reason: "the contract has no gate any more" }];
}
