import type { CommandResult } from "../../lib/events/generated.ts";

/** How each check of each table last ended: table → check → passed, failed or error. */
export type CheckStatuses = Map<string, Map<string, string>>;

export const CHECK_STATUSES = ["passed", "failed", "error"] as const;

/** Folds the end of a checks command. One that ran only some of the checks leaves the others as they were. */
export function foldChecks(statuses: CheckStatuses, { table, kind, resultJson }: CommandResult): void {
  if (kind !== "checks") return;
  const { results = [] } = JSON.parse(resultJson) as { results?: { check_name: string; status: string }[] };
  const known = statuses.get(table) ?? new Map<string, string>();
  for (const { check_name: name, status } of results) known.set(name, status);
  statuses.set(table, known);
}

/** How many of the checks that a contract names now are passed, failed and errors. Those that never ran count nowhere. */
export function countChecks(statuses: CheckStatuses, table: string, names: readonly string[]): Map<string, number> {
  const ended = names.map((name) => statuses.get(table)?.get(name));
  return new Map(CHECK_STATUSES.map((status) => [status, ended.filter((one) => one === status).length]));
}
