import { nearestOf } from "../../lib/nearest.ts";
import { lineText, UsageError } from "../output.ts";

export const rejectsPath = (table: string, rest: string): string =>
  `/v1/tables/${encodeURIComponent(table)}/rejects${rest}`;

export interface RejectFilterFlags {
  file?: string;
  reason?: string;
  column?: string;
  lines?: string;
  since?: string;
  until?: string;
  all?: true;
  dismissed?: true;
}

/**
 * The filter as the gateway takes it.
 * @throws UsageError for lines that are no range, and for an unknown reason
 */
export async function rejectFilterOf(given: RejectFilterFlags) {
  const { lines, all, dismissed, file, reason, column, since, until } = given;
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(lines ?? "1") ?? [];
  if (from === undefined) throw new UsageError(`invalid --lines '${lines}': use a line (17) or a range (10-20)`);
  if (reason !== undefined) await checkReason(reason);
  const range: { lineFrom?: string; lineTo?: string } =
    lines === undefined ? {} : { lineFrom: from, lineTo: to ?? from };
  const flags = { ...(all ? { all: "true" } : {}), ...(dismissed ? { dismissed: "true" } : {}) };
  return { file, reason, column, since, until, ...range, ...flags };
}

/** A misspelt reason would find nothing, as if all were well. A rule's name is the contract's choice. */
async function checkReason(reason: string): Promise<void> {
  const { REJECT_REASONS } = await import("../../lib/parsing/rejects.ts");
  const known = Object.keys(REJECT_REASONS);
  if (known.includes(reason) || /^rule:./.test(reason)) return;
  const near = nearestOf(reason, known);
  const meant = near === undefined ? "" : `: did you mean ${near}?`;
  const remedy = `Use ${known.join(", ")} or rule:<name>.`;
  throw new UsageError(`unknown --reason '${lineText(reason)}'${meant}`, remedy);
}

/** For an empty list: what it was asked for, as a misspelt filter finds nothing too. */
export function noRejectsText({ file, reason, column, lines, since, until, dismissed }: RejectFilterFlags): string {
  const named = Object.entries({ file, column, reason }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} '${lineText(value)}'`],
  );
  const asked = [...named, ...(lines === undefined ? [] : [`lines ${lines}`])];
  return [
    dismissed ? "no dismissed rows" : "no rejected rows",
    ...(asked.length > 0 ? [`of ${asked.join(", ")}`] : []),
    ...(since === undefined ? [] : [`since ${lineText(since)}`]),
    ...(until === undefined ? [] : [`until ${lineText(until)}`]),
  ].join(" ");
}
