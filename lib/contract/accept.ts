import { z } from "zod";
import { DOUBT_ACTIONS } from "./held.ts";

/** Guards that a version must pass before its rows replace others. See docs/held-files.md. */
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
