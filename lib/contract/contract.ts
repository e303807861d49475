import { z } from "zod";
import type { FormatRequest } from "../formats/format.ts";
import { checkRequest, FORMATS, formatNamed, DEFAULT_FORMAT } from "../formats/registry.ts";
import { isReservedTable } from "../tables.ts";
import { acceptSchema } from "./accept.ts";
import { checkSchema } from "./checks.ts";
import { columnSchema, rowRuleSchema } from "./columns.ts";
import { DOUBT_ACTIONS } from "./held.ts";
import { plainIssues, standsFor } from "./issues.ts";
import { relationFaults } from "./relations.ts";

/** How the table's files are written: `format` (default csv), `encoding` and the format's own options. */
const dialectSchema = standsFor(
  z.unknown().transform((given, context): FormatRequest => {
    const checked = checkRequest(given);
    if (checked.success) return checked.data;
    for (const { path, message } of plainIssues(checked.issues, optionsOf(given))) {
      context.addIssue({ code: "custom", path, message });
    }
    return z.NEVER;
  }),
  () => z.strictObject({ format: formatName, ...shapeOf(optionsOf({})) }),
);

const formatName = z
  .enum(FORMATS.map(({ name }) => name))
  .optional()
  .describe("the files' format");

/** The options of the format that a dialect names; those of the default one if it names none. */
function optionsOf(given: unknown): z.ZodType {
  const named = typeof given === "object" && given !== null && "format" in given ? given.format : undefined;
  const format = FORMATS.find(({ name }) => name === named) ?? formatNamed(DEFAULT_FORMAT);
  return format.optionsSchema;
}

const shapeOf = (schema: z.ZodType): z.ZodRawShape => (schema instanceof z.ZodObject ? schema.shape : {});

export const declaredSchema = z.strictObject({
  table: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/, "use lower-case letters, digits and _; start with a letter")
    .refine((name) => !isReservedTable(name), "is reserved for Tributary's own tables: choose another name")
    .describe("the table's name"),
  columns: z.array(columnSchema).default([]).describe("declared columns; other columns are inferred"),
  writeMode: z
    .enum(["replace", "upsert", "append"])
    .default("replace")
    .describe("a new version of a file replaces its rows, updates and inserts rows by `key`, or only adds"),
  key: z
    .array(z.string())
    .default([])
    .describe("columns that identify a row, for writeMode upsert; none of them is ever empty"),
  deleteMissing: z
    .boolean()
    .default(false)
    .describe("with upsert: rows that a new version of their file lacks are deleted"),
  onDelete: z
    .enum(["keep", "remove"])
    .default("keep")
    .describe("the rows of a deleted drop; remove: only with writeMode replace, or upsert with deleteMissing"),
  partitioning: z
    .array(z.string())
    .default([])
    .describe("Iceberg partitioning, e.g. month(ordered_at) or bucket(id, 16)"),
  dialect: dialectSchema.default({}).describe("how the files are written; what is not given is detected"),
  nullMarkers: z.array(z.string()).default([]).describe("texts read as NULL, besides the empty field"),
  unexpectedColumns: z
    .enum(["add", "ignore", "fail"])
    .default("add")
    .describe("for columns of a file that are not declared: add them to the table, leave them out, or fail the file"),
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
    .default({})
    .describe("how many rejected rows, or which share of a file's rows, fail the file"),
  onDoubt: z
    .enum(DOUBT_ACTIONS)
    .default("hold")
    .describe("for a file whose structure or encoding is doubtful: hold it for a decision, load it, or fail it"),
  accept: acceptSchema.prefault({}).describe("guards that a version must pass before its rows are committed"),
  inferenceSampleRows: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe("number of rows used to infer types; default: all rows"),
  rows: z.array(rowRuleSchema).max(100).default([]).describe("rules over several columns of a row"),
  checks: z.array(checkSchema).default([]).describe("checks of the table, run on schedule or after commits"),
  gate: z
    .enum(["none", "block"])
    .default("none")
    .describe("block: <table>_trusted shows only data whose checks passed"),
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
  const issues = [...plainIssues(error?.issues ?? [], declaredSchema), ...relationFaults(given)];
  if (success && issues.length === 0) return data;
  for (const { path, message } of issues) context.addIssue({ code: "custom", path, message });
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
