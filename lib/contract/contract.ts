import { z } from "zod";
import { AUDIT_COLUMNS, columnTypeOf, type ColumnType } from "../columns.ts";
import { parseDuration } from "../durations.ts";
import type { FormatRequest } from "../formats/format.ts";
import { checkRequest } from "../formats/registry.ts";
import { isReservedTable } from "../tables.ts";

/** How the table's files are written: `format` (default csv), `encoding` and the format's own options. */
const dialectSchema = z.unknown().transform((given, context): FormatRequest => {
  const checked = checkRequest(given);
  if (checked.success) return checked.data;
  for (const { path, message } of checked.issues) context.addIssue({ code: "custom", path, message });
  return z.NEVER;
});

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
  format: z.string().optional().describe("format of dates or timestamps, e.g. dd/MM/yyyy HH:mm"),
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

/**
 * A check of a type that this version does not know. It ends with status `error`; the other checks still run.
 */
const unknownCheckSchema = z
  .looseObject({ ...checkBase, type: z.string() })
  .transform(({ name, column, type }) => ({ name, column, type: "unknown" as const, declaredType: type }));

const knownTypes = new Set<unknown>(knownCheckSchema.options.map(({ shape }) => shape.type.value));

export const checkSchema = z.unknown().transform((given, context) => {
  const type = typeof given === "object" && given !== null && "type" in given ? given.type : undefined;
  const known = typeof type !== "string" || knownTypes.has(type);
  const parsed = known ? knownCheckSchema.safeParse(given) : unknownCheckSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: "custom", path, message });
  return z.NEVER;
});
export type Check = z.infer<typeof checkSchema>;

/** The check's type as written in the contract. */
export const checkType = (check: Check): string => (check.type === "unknown" ? check.declaredType : check.type);

/**
 * What a table's owner declares in contracts/<table>.yml. Every field has a default; tables without a file
 * use them.
 */
export const contractSchema = z
  .strictObject({
    table: z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/)
      .refine((name) => !isReservedTable(name), "is reserved for Tributary's own tables: choose another name"),
    columns: z.array(columnSchema).default([]).describe("declared columns; other columns are inferred"),
    writeMode: z.enum(["replace", "upsert", "append"]).default("replace"),
    key: z.array(z.string()).default([]),
    deleteMissing: z.boolean().default(false),
    onDelete: z.enum(["keep", "remove"]).default("keep").describe("what happens to the rows of a deleted drop"),
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
  })
  .superRefine((contract, context) => {
    const names = contract.columns.map((column) => column.name);
    const fault = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
    names.forEach((name, index) => {
      if (names.indexOf(name) !== index) fault(["columns", index, "name"], `'${name}' is declared twice`);
      if (AUDIT_COLUMNS.some((audit) => audit.name === name))
        fault(["columns", index, "name"], `'${name}' is an audit column`);
    });
    const checks = contract.checks.map(({ name }) => name);
    checks.forEach((name, index) => {
      if (checks.indexOf(name) !== index) fault(["checks", index, "name"], `'${name}' is the name of another check`);
    });
    if (contract.writeMode === "upsert" && contract.key.length === 0) fault(["key"], "writeMode upsert needs a key");
    if (contract.writeMode !== "upsert" && contract.key.length > 0) fault(["key"], "a key needs writeMode upsert");
    if (contract.writeMode !== "upsert" && contract.deleteMissing) fault(["deleteMissing"], "needs writeMode upsert");
    contract.key.forEach((name, index) => {
      if (names.length > 0 && !names.includes(name)) fault(["key", index], `'${name}' is not a declared column`);
    });
  });

export type Contract = z.infer<typeof contractSchema>;
export type ContractColumn = Contract["columns"][number];

/**
 * True if the rows of a replayed version keep that version's offset. The replay then adds missing rows and
 * never overwrites newer ones. Tables with writeMode replace do not need this, because a row's position in
 * its file identifies it. With deleteMissing, a version must be newer than the rows that it deletes.
 */
export const keepsVersions = ({ writeMode, deleteMissing }: Pick<Contract, "writeMode" | "deleteMissing">): boolean =>
  writeMode === "append" || (writeMode === "upsert" && !deleteMissing);

/** The contract of a table without a contract file, also of Tributary's own tables (`_…`). */
export const defaultContract = (table: string): Contract => ({ ...contractSchema.parse({ table: "any" }), table });

/** The contracts of all tables. */
export interface Contracts {
  of(table: string): Contract;
  /** The contracts that have a file. */
  declared(): Contract[];
}
