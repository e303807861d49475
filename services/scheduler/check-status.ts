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
export function foldChecks({ statuses, heldBackSinceMs }: Quality, result: CommandResult): void {
  const { table, kind, resultJson, finishedAtMs } = result;
  if (kind !== "checks") return;
  const {
    results = [],
    gate,
    gateFailed = false,
  } = JSON.parse(resultJson) as {
    results?: { check_name: string; status: string }[];
    /** null: the contract has no gate, and no view is left. */
    gate?: { heldBackSince: string | null } | null;
    /** The view could not be updated. Its data ages as if checks held it back. */
    gateFailed?: boolean;
  };
  const known = statuses.get(table) ?? new Map<string, string>();
  for (const { check_name: name, status } of results) known.set(name, status);
  statuses.set(table, known);
  if (gateFailed) heldBackSinceMs.set(table, heldBackSinceMs.get(table) ?? finishedAtMs);
  if (gate === null) heldBackSinceMs.delete(table);
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
