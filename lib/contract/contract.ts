import { z } from "zod";
import { columnTypeOf, type ColumnType } from "../columns.ts";
import { parseDuration } from "../durations.ts";
import type { FormatRequest } from "../formats/format.ts";
import { checkRequest } from "../formats/registry.ts";
import { messageOf } from "../errors.ts";
import { nearestOf } from "../nearest.ts";
import { isReservedTable } from "../tables.ts";
import { momentFormat } from "../typing/date-formats.ts";
import { relationFaults } from "./relations.ts";

/** How the table's files are written: `format` (default csv), `encoding` and the format's own options. */
const dialectSchema = z.unknown().transform((given, context): FormatRequest => {
  const checked = checkRequest(given);
  if (checked.success) return checked.data;
  for (const { path, message } of checked.issues) context.addIssue({ code: "custom", path, message });
  return z.NEVER;
});

function formatFault(text: string): string | undefined {
  try {
    momentFormat(text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const columnSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]*$/, "use lower-case letters, digits and _; start with a letter"),
  type: z.string().transform((text, context): ColumnType => {
    const type = columnTypeOf(text);
    if (type) return type;
    context.addIssue(
      `'${text}' is not a column type: use BOOLEAN, INTEGER, BIGINT, DOUBLE, DECIMAL(p,s), DATE, ` +
        "TIMESTAMP, TIMESTAMP WITH TIME ZONE or VARCHAR",
    );
    return z.NEVER;
  }),
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
});

/** A duration with a unit. YAML reads 24 as a number: the message is the same as for "24". */
const age = z.union([z.string(), z.number()]).transform((given, context): string => {
  const parsed = parseDuration(String(given), undefined);
  if ("ms" in parsed) return String(given);
  context.addIssue(parsed.fault);
  return z.NEVER;
});

const checkBase = { name: z.string().min(1), column: z.string().optional() };
const knownCheckSchema = z.discriminatedUnion("type", [
  z.strictObject({ ...checkBase, type: z.literal("uniqueness"), column: z.string() }),
  z.strictObject({ ...checkBase, type: z.literal("not_null"), column: z.string() }),
  z.strictObject({
    ...checkBase,
    type: z.literal("accepted_values"),
    column: z.string(),
    accepted: z.array(z.union([z.string(), z.number(), z.boolean()])).min(1),
  }),
  z.strictObject({ ...checkBase, type: z.literal("positive"), column: z.string() }),
  z.strictObject({
    ...checkBase,
    type: z.literal("range"),
    column: z.string(),
    min_value: z.union([z.number(), z.string()]).optional(),
    max_value: z.union([z.number(), z.string()]).optional(),
  }),
  z.strictObject({
    ...checkBase,
    type: z.literal("row_count_range"),
    min_count: z.number().int().optional(),
    max_count: z.number().int().optional(),
  }),
  z.strictObject({ ...checkBase, type: z.literal("no_future_dates"), column: z.string() }),
  z.strictObject({ ...checkBase, type: z.literal("custom_sql"), sql: z.string().min(1) }),
  z.strictObject({ ...checkBase, type: z.literal("regex"), column: z.string(), pattern: z.string().min(1) }),
  z.strictObject({
    ...checkBase,
    type: z.literal("freshness"),
    column: z.string().optional(),
    max_age: age.describe("e.g. 24h, 7d"),
  }),
  z.strictObject({
    ...checkBase,
    type: z.literal("referential"),
    column: z.string(),
    references: z.strictObject({ table: z.string(), column: z.string() }),
  }),
]);

const CHECK_TYPES = knownCheckSchema.options.map(({ shape }) => shape.type.value);

export const checkSchema = z.unknown().transform((given, context) => {
  const type = typeof given === "object" && given !== null && "type" in given ? given.type : undefined;
  const unknown = typeof type === "string" && !(CHECK_TYPES as string[]).includes(type);
  const { success, data, error } = knownCheckSchema.safeParse(given);
  if (success) return data;
  if (unknown) {
    const nearest = nearestOf(type, CHECK_TYPES);
    const meant = nearest === undefined ? "" : `: did you mean ${nearest}?`;
    context.addIssue({
      code: "custom",
      path: ["type"],
      message: `'${type}' is not a check type${meant} (known: ${CHECK_TYPES.join(", ")})`,
    });
  } else {
    for (const { path, message } of error.issues) context.addIssue({ code: "custom", path, message });
  }
  return z.NEVER;
});
export type Check = z.infer<typeof checkSchema>;

const declaredSchema = z.strictObject({
  table: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/)
    .refine((name) => !isReservedTable(name), "is reserved for Tributary's own tables: choose another name"),
  columns: z.array(columnSchema).default([]).describe("declared columns; other columns are inferred"),
  writeMode: z.enum(["replace", "upsert", "append"]).default("replace"),
  key: z.array(z.string()).default([]),
  deleteMissing: z.boolean().default(false),
  onDelete: z
    .enum(["keep", "remove"])
    .default("keep")
    .describe("the rows of a deleted drop; remove: only with writeMode replace, or upsert with deleteMissing"),
  partitioning: z.array(z.string()).default([]),
  dialect: dialectSchema.default({}),
  nullMarkers: z.array(z.string()).default([]).describe("texts read as NULL, besides the empty field"),
  unexpectedColumns: z.enum(["add", "ignore", "fail"]).default("add"),
  onMismatch: z
    .enum(["reject", "rescue", "fail"])
    .default("reject")
    .describe("for an invalid value: reject the row, keep the value as JSON in _rescued, or fail the file"),
  raggedRows: z
    .enum(["reject", "pad"])
    .default("reject")
    .describe("for rows with too few fields; rows with too many are always rejected"),
  rejects: z
    .strictObject({ countMax: z.number().int().min(0).optional(), shareMax: z.number().min(0).max(1).optional() })
    .default({}),
  inferenceSampleRows: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe("number of rows used to infer types; default: all rows"),
  checks: z.array(checkSchema).default([]),
  gate: z.enum(["none", "block"]).default("none"),
  checkAfterCommit: z
    .boolean()
    .optional()
    .describe("default: true with gate: block (otherwise published data would lag up to a day)"),
});

/**
 * What a table's owner declares in contracts/<table>.yml. Every field has a default; tables without a file
 * use them. The issues are all faults of the contract: those of single fields, and those between fields.
 */
export const contractSchema = z.unknown().transform((given, context) => {
  const { success, data, error } = declaredSchema.safeParse(given);
  const issues = [...(error?.issues ?? []), ...relationFaults(given)];
  if (success && issues.length === 0) return data;
  for (const { path, message } of issues) context.addIssue({ code: "custom", path: [...path], message });
  return z.NEVER;
});

export type Contract = z.infer<typeof contractSchema>;
export type ContractColumn = Contract["columns"][number];

/** The contract of a table without a contract file, also of Tributary's own tables (`_…`). */
export const defaultContract = (table: string): Contract => ({ ...contractSchema.parse({ table: "any" }), table });

/** A contract whose file cannot be used as it is now. */
export interface ContractFault {
  table: string;
  path: string;
  /** Everything that is wrong with the file, each with its path. */
  faults: readonly string[];
  /**
   * True: what counted before stays in force, an earlier version of the contract or the default one. False:
   * the file was faulty at the start of the process, and the table accepts no files.
   */
  inForce: boolean;
}

/** The contracts of all tables, as they are now: ask again for each piece of work. */
export interface Contracts {
  /**
   * The contract in force. A table without a file has the default one.
   * @throws CONTRACT_INVALID if the table's file is faulty and no earlier version of it is in force
   */
  of(table: string): Contract;
  /** The contracts in force that have a file. */
  declared(): Contract[];
  faults(): readonly ContractFault[];
}
