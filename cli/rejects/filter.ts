import { UsageError } from "../output.ts";

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

export function rejectFilterOf({ lines, all, dismissed, file, reason, column, since, until }: RejectFilterFlags) {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(lines ?? "1") ?? [];
  if (from === undefined) throw new UsageError(`invalid --lines '${lines}': use a line (17) or a range (10-20)`);
  const range: { lineFrom?: string; lineTo?: string } =
    lines === undefined ? {} : { lineFrom: from, lineTo: to ?? from };
  const flags = { ...(all ? { all: "true" } : {}), ...(dismissed ? { dismissed: "true" } : {}) };
  return { file, reason, column, since, until, ...range, ...flags };
}
