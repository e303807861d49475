import type { CommandResult } from "../../lib/messages/generated.ts";

/** What is known of the checks of each table. */
export interface Quality {
  /** How each check last ended: table → check → passed, failed or error. */
  statuses: Map<string, Map<string, string>>;
  /** Since when `<table>_trusted` is held back: table → then, or null if it is not. */
  heldBackSinceMs: Map<string, number | null>;
}

export const emptyQuality = (): Quality => ({ statuses: new Map(), heldBackSinceMs: new Map() });

export const CHECK_STATUSES = ["passed", "failed", "error"] as const;

/** Folds the end of a checks command. One that ran only some of the checks leaves the others, and the gate, as they were. */
export function foldChecks({ statuses, heldBackSinceMs }: Quality, { table, kind, resultJson }: CommandResult): void {
  if (kind !== "checks") return;
  const { results = [], gate } = JSON.parse(resultJson) as {
    results?: { check_name: string; status: string }[];
    gate?: { heldBackSince: string | null };
  };
  const known = statuses.get(table) ?? new Map<string, string>();
  for (const { check_name: name, status } of results) known.set(name, status);
  statuses.set(table, known);
  if (gate) heldBackSinceMs.set(table, gate.heldBackSince === null ? null : Date.parse(gate.heldBackSince));
}

/** How many of the checks that a contract names now are passed, failed and errors. Those that never ran count nowhere. */
export function countChecks({ statuses }: Quality, table: string, names: readonly string[]): Map<string, number> {
  const ended = names.map((name) => statuses.get(table)?.get(name));
  return new Map(CHECK_STATUSES.map((status) => [status, ended.filter((one) => one === status).length]));
}

/** For how long a gated table's trusted data has been held back; 0: it is not. */
export function heldBackSeconds({ heldBackSinceMs }: Quality, table: string, nowMs: number): number {
  const sinceMs = heldBackSinceMs.get(table) ?? nowMs;
  return Math.max(0, nowMs - sinceMs) / 1000;
}
