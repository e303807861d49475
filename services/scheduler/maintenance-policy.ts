import type { CommandKind } from "../../lib/events/generated.ts";
import { owes, slotCommandId } from "./cron.ts";
import { commitsSince, isKnown, isPending, type TableHealth } from "./table-health.ts";

export interface MaintenanceSettings {
  /** After so many commits a table is optimised without waiting for the cron. At most COMMITS_KEPT. */
  optimizeCommits: number;
  /** After so many commits its snapshots are expired without waiting for the cron. At most COMMITS_KEPT. */
  expireCommits: number;
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

export interface Moment {
  nowMs: number;
  /** When this scheduler began. */
  sinceMs: number;
  /** The latest moment of the cron; undefined if it has none. */
  slotMs: number | undefined;
}

const OPERATIONS = ["optimize", "expire_snapshots", "remove_orphan_files"] as const satisfies CommandKind[];

/** What a table's maintenance needs now: everything at the cron's time, and between by its health. */
export function maintenanceDue(
  table: string,
  health: TableHealth,
  { nowMs, sinceMs, slotMs }: Moment,
  settings: MaintenanceSettings,
): Due[] {
  const due: Due[] = [];
  for (const kind of OPERATIONS) {
    if (isPending(health, kind, nowMs, settings.patienceMs)) continue;
    if (slotMs !== undefined && owes(health, kind, slotMs, sinceMs)) {
      due.push({ commandId: slotCommandId(kind, table, slotMs), kind, cause: "cron", reason: "scheduled" });
    } else {
      due.push(...healthDue(table, kind, health, nowMs, settings));
    }
  }
  return due.filter(({ kind, commandId }) => !isKnown(health, kind, commandId));
}

/** The command's id follows from the run it comes after: two schedulers ask for the same one. */
function healthDue(
  table: string,
  kind: (typeof OPERATIONS)[number],
  health: TableHealth,
  nowMs: number,
  settings: MaintenanceSettings,
): Due[] {
  const limits = { optimize: settings.optimizeCommits, expire_snapshots: settings.expireCommits };
  if (kind === "remove_orphan_files") return [];
  const last = health.runs.get(kind);
  const commits = commitsSince(health, kind);
  if (commits < limits[kind] || (last && nowMs - last.startedAtMs < settings.healthGapMs)) return [];
  const commandId = `health:${kind}:${table}:${last ? new Date(last.startedAtMs).toISOString() : "first"}`;
  return [{ commandId, kind, cause: "health", reason: `${commits} commits since the last ${kind}` }];
}
