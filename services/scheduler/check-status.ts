import type { CommandResult } from "../../lib/messages/generated.ts";

/** The state of all tables' checks. */
export interface Quality {
  /** The last result of each check: table → check → passed, failed or error. */
  statuses: Map<string, Map<string, string>>;
  /** Table → time since which `<table>_trusted` is held back; null if it is not. */
  heldBackSinceMs: Map<string, number | null>;
}

export const emptyQuality = (): Quality => ({ statuses: new Map(), heldBackSinceMs: new Map() });

export const CHECK_STATUSES = ["passed", "failed", "error"] as const;

/**
 * Applies the result of a checks command. A command that ran some checks does not change the others or the
 * gate.
 */
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

/** Counts the contract's present checks by their last result. Checks that never ran are not counted. */
export function countChecks({ statuses }: Quality, table: string, names: readonly string[]): Map<string, number> {
  const ended = names.map((name) => statuses.get(table)?.get(name));
  return new Map(CHECK_STATUSES.map((status) => [status, ended.filter((one) => one === status).length]));
}

/** Seconds for which a gated table's trusted data has been held back; 0 if it is not. */
export function heldBackSeconds({ heldBackSinceMs }: Quality, table: string, nowMs: number): number {
  const sinceMs = heldBackSinceMs.get(table) ?? nowMs;
  return Math.max(0, nowMs - sinceMs) / 1000;
}
