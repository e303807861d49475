import { z } from "zod";
import { groupFault, PATTERN_CHARS_MAX } from "../rules/pattern.ts";
import { DOUBT_ACTIONS } from "./held.ts";
import { standsFor } from "./issues.ts";

const controlTotal = z.strictObject({
  pattern: z
    .string()
    .max(PATTERN_CHARS_MAX)
    .superRefine((text, context) => {
      const fault = groupFault(text);
      if (fault !== undefined) context.addIssue(fault);
    })
    .describe(
      "a regular expression (RE2) that is found in a line which is no row (title, comment, footer); its first group is the number",
    ),
  column: z.string().optional().describe("the total is the sum of this column; default: the number of rows"),
});

/** One, or a list. A union would not say which of both has what fault. */
const controlTotals = standsFor(
  z.preprocess((given): unknown => (Array.isArray(given) ? given : [given]), z.array(controlTotal).max(20)),
  () => z.union([controlTotal, z.array(controlTotal).max(20)]),
);

/** Guards that a version must pass before its rows replace others. See docs/files/held-files.md. */
export const acceptSchema = z.strictObject({
  empty: z
    .enum(DOUBT_ACTIONS)
    .optional()
    .describe(
      "a version without a row that loads, of a file that had rows. Default where it would remove them: hold, or fail with onDoubt: fail",
    ),
  shrinkMax: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("share of its rows that a new version of a file may lose, 0 to 1"),
  growMax: z
    .number()
    .min(0)
    .optional()
    .describe("share by which a new version of a file may grow: 1 is twice the rows"),
  rowsMin: z.number().int().min(0).optional().describe("rows that a file must have at least"),
  rowsMax: z.number().int().min(0).optional().describe("rows that a file may have at most"),
  rejectsAboveUsualMax: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      "share of its rows that may be rejected beyond the usual share of the table's last 20 files, 0 to 1: with 0.05 and usually 0.02, 0.07",
    ),
  controlTotal: controlTotals.default([]).describe("totals that the file states itself, compared with its rows"),
  confidenceMin: z.number().min(0).max(1).optional().describe("confidence that the detected dialect must have, 0 to 1"),
  duplicateContent: z
    .enum(DOUBT_ACTIONS)
    .default("load")
    .describe("a file with the content of another file of the table"),
  newColumns: z
    .enum(DOUBT_ACTIONS)
    .optional()
    .describe(
      "a file that would add columns to the table. Default: load, but hold a file whose new columns may be missing ones under other names",
    ),
});
