import { z } from "zod";
import type { RejectFilter } from "../../../lib/warehouse/reads/port.ts";
import { plainText } from "../http/parameters.ts";

const line = z.coerce.number().int().min(1).optional();
const time = z.union([z.iso.datetime({ offset: true }), z.iso.date()]).optional();

/** Query parameters that select rejected rows. */
export const filterParameters = {
  file: plainText.optional().describe("name of the file within its table"),
  fileId: plainText.optional().describe("id of one file version"),
  reason: plainText.optional(),
  column: plainText.optional(),
  lineFrom: line.describe("first line of the file, from 1"),
  lineTo: line.describe("last line of the file"),
  since: time.describe("rejected at or after this date or time (UTC)"),
  until: time.describe("rejected at or before this date or time; a date includes the whole day"),
  dismissed: z.enum(["true", "false"]).default("false").describe("only dismissed rows, with who, when and why"),
  all: z.enum(["true", "false"]).default("false").describe("also rejects that a newer version of the file supersedes"),
} as const;

export function filterOf(
  table: string | undefined,
  query: z.infer<z.ZodObject<typeof filterParameters>>,
): RejectFilter {
  const { since, until, all, dismissed, ...rest } = query;
  const endOf = (text: string): string => (text.includes("T") ? text : `${text}T23:59:59.999Z`);
  return {
    ...rest,
    table,
    dismissed: dismissed === "true",
    // A named version is listed even if a newer one supersedes it.
    all: all === "true" || query.fileId !== undefined,
    sinceMs: since === undefined ? undefined : Date.parse(since),
    untilMs: until === undefined ? undefined : Date.parse(endOf(until)),
  };
}
