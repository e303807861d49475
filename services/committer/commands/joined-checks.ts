import type { Command } from "../../../lib/messages/generated.ts";
import type { CommandOutcome } from "./command-run.ts";

/** Different sets of a table's checks that may wait at a time, besides the set of all its checks. */
const WAITING_SETS_MAX = 8;

/**
 * Decides what one run of checks answers. Anybody who may read can request checks, and each run occupies the
 * table's writer, so equal requests share a run and the number of different ones is limited.
 */
export interface Joined {
  /** The commands that the run answers: all that wait for the same checks at its start. */
  answered: Command[];
  /** Commands beyond the limit of different sets. Requests for all checks, as by the scheduler, never are. */
  refused: Command[];
}

export function joinChecks(command: Command, waiting: Iterable<Command>): Joined {
  const joined: Joined = { answered: [command], refused: [] };
  if (command.kind !== "checks") return joined;
  const own = setOf(command);
  const sets = new Set<string>([own]);
  for (const other of waiting) {
    if (other.kind !== "checks" || other.table !== command.table || other.commandId === command.commandId) continue;
    const set = setOf(other);
    if (set !== ALL && sets.size < WAITING_SETS_MAX) sets.add(set);
    if (set === own) joined.answered.push(other);
    else if (set !== ALL && !sets.has(set)) joined.refused.push(other);
  }
  return joined;
}

export function refusalOf(table: string): CommandOutcome {
  const message = `${WAITING_SETS_MAX} other selections of the checks of '${table}' wait already`;
  return { status: "error", resultJson: JSON.stringify({ status: "error", code: "OVERLOADED", message }) };
}

const ALL = "all";

/** The checks that a command names, in one order. Unreadable arguments, which the run reports, are a set. */
function setOf({ argumentsJson }: Command): string {
  try {
    const { checks } = JSON.parse(argumentsJson) as { checks?: string[] };
    return checks ? JSON.stringify([...new Set(checks)].sort()) : ALL;
  } catch {
    return argumentsJson;
  }
}
