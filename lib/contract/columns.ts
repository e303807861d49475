import { z } from "zod";
import { columnTypeOf, type ColumnType } from "../columns.ts";
import { messageOf } from "../errors.ts";
import { EXPRESSION_CHARS_MAX } from "../rules/expression.ts";
import { PATTERN_CHARS_MAX } from "../rules/pattern.ts";
import { momentFormat } from "../typing/date-formats.ts";
import { GROUP_CHARACTERS } from "../typing/number-formats.ts";

export const COLUMN_TYPES =
  "BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL(p,s), DATE, TIMESTAMP, TIMESTAMP WITH TIME ZONE or VARCHAR";

/** As YAML reads it: an unquoted number or date is as good as a quoted one. */
const constant = z.union([z.string(), z.number(), z.boolean()]);

const identifier = z.string().regex(/^[a-z][a-z0-9_]*$/, "use lower-case letters, digits and _; start with a letter");

export const ruleAction = z
  .enum(["reject", "warn", "fail"])
  .default("reject")
  .describe("reject the row, load it and count a warning, or fail the file");

/** What is left out of a number is no part of one. */
const stripped = z
  .string()
  .min(1)
  .refine(
    (text) => text.trim() !== "" && !/\d/.test(text),
    "use a text with a character that is no blank and no digit",
  );

export const numberSchema = z
  .strictObject({
    decimal: z.enum([".", ","]).default(".").describe("the decimal mark"),
    group: z
      .enum(GROUP_CHARACTERS)
      .optional()
      .describe("the character between groups of three digits; a blank or an apostrophe stands for all of its kind"),
    strip: z
      .union([stripped.transform((text) => [text]), z.array(stripped).max(50)])
      .optional()
      .describe("texts before or after the number that are left out, e.g. ['$', EUR, kg]"),
    percent: z
      .boolean()
      .default(false)
      .describe("values end with % and are divided by 100 (‰: by 1000); a value without the sign does not fit"),
    parentheses: z.boolean().default(false).describe("(12.50) is -12.50"),
  })
  .refine(({ decimal, group }) => decimal !== group, { path: ["group"], message: "is the decimal mark too" });

export const columnRuleSchema = z
  .strictObject({
    min: constant.optional().describe("least value of a number, date or time"),
    max: constant.optional().describe("greatest value"),
    accepted: z.array(constant).min(1).max(10_000).optional().describe("the only values"),
    pattern: z
      .string()
      .max(PATTERN_CHARS_MAX)
      .optional()
      .describe("a regular expression (RE2) that is found in every text; anchor it with ^ and $ to match all of it"),
    length: z
      .union([
        z.number().int().min(0),
        z.strictObject({ min: z.number().int().min(0).optional(), max: z.number().int().min(0).optional() }),
      ])
      .optional()
      .describe("characters of a text: a number, or {min, max}"),
    action: ruleAction,
    name: identifier.optional().describe("in the reason rule:<name>; default: the column's name"),
  })
  .refine((rule) => [rule.min, rule.max, rule.accepted, rule.pattern, rule.length].some((one) => one !== undefined), {
    message: "is empty: give min, max, accepted, pattern or length",
  });

export const rowRuleSchema = z.strictObject({
  name: identifier.describe("in the reason rule:<name>"),
  expression: z
    .string()
    .min(1)
    .max(EXPRESSION_CHARS_MAX)
    .describe("a condition over the row's columns, e.g. net + tax == gross"),
  action: ruleAction,
});

function formatFault(text: string): string | undefined {
  try {
    momentFormat(text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const words = z.array(z.string().min(1)).min(1).max(50).optional();

export const columnSchema = z.strictObject({
  name: identifier,
  type: z
    .string()
    .transform((text, context): ColumnType => {
      const type = columnTypeOf(text);
      if (type) return type;
      context.addIssue(`'${text}' is not a column type: use ${COLUMN_TYPES}`);
      return z.NEVER;
    })
    .describe(COLUMN_TYPES),
  required: z.boolean().default(false).describe("the header must contain it, and no row may leave it empty"),
  format: z
    .string()
    .superRefine((text, context) => {
      const fault = formatFault(text);
      if (fault !== undefined) context.addIssue(fault);
    })
    .optional()
    .describe("format of dates or timestamps, e.g. dd/MM/yyyy HH:mm"),
  header: z.string().optional().describe("the header in the files, if it differs from the name"),
  aliases: z.array(z.string().min(1)).max(100).optional().describe("other headers of the column in the files"),
  number: numberSchema.optional().describe("how the files write its numbers, if not as 1234.5"),
  nullMarkers: z
    .array(z.string())
    .max(100)
    .optional()
    .describe("texts read as NULL in this column, besides the table's"),
  trueWords: words.describe("words of a BOOLEAN that mean true, in any case; instead of true, yes, y, t, on and 1"),
  falseWords: words.describe("words that mean false; instead of false, no, n, f, off and 0"),
  rule: columnRuleSchema.optional().describe("what its values must be; empty fields are not asked (see required)"),
});
