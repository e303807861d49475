import { z } from "zod";
import { columnTypeOf } from "../columns.ts";

const text = z.string().optional().catch(undefined);
const texts = z.array(z.string()).optional().catch(undefined);

const constant = z.union([z.string(), z.number(), z.boolean()]).optional().catch(undefined);
const count = z.number().optional().catch(undefined);

const ruleSketch = z.object({
  name: text,
  min: constant,
  max: constant,
  accepted: z
    .array(z.union([z.string(), z.number(), z.boolean()]))
    .optional()
    .catch(undefined),
  pattern: text,
  length: z
    .union([z.number(), z.object({ min: count, max: count })])
    .optional()
    .catch(undefined),
});

/** What can be read of a declared column that may have other faults. */
const columnSketch = z
  .object({
    name: text,
    type: z
      .string()
      .transform((given) => columnTypeOf(given))
      .optional()
      .catch(undefined),
    header: text,
    aliases: texts,
    format: text,
    number: z.unknown().optional(),
    trueWords: texts,
    falseWords: texts,
    rule: ruleSketch.optional().catch(undefined),
  })
  .catch({} as never);

const NOTHING = {
  columns: [],
  rows: [],
  checks: [],
  key: [],
  partitioning: [],
  writeMode: "unknown" as const,
  deleteMissing: false,
  onDelete: "keep",
  unexpectedColumns: "add",
};

/** What can be read of a contract that may have other faults. An absent or unusable field says nothing. */
export const sketchSchema = z
  .object({
    columns: z.array(columnSketch).catch([]),
    rows: z
      .array(z.object({ name: text, expression: text }).catch({ name: undefined, expression: undefined }))
      .catch([]),
    checks: z.array(z.object({ name: text, column: text }).catch({ name: undefined, column: undefined })).catch([]),
    key: z.array(text).catch([]),
    partitioning: z.array(text).catch([]),
    writeMode: z.enum(["replace", "upsert", "append"]).default("replace").or(z.literal("unknown")).catch("unknown"),
    deleteMissing: z.boolean().catch(false),
    onDelete: z.string().catch("keep"),
    unexpectedColumns: z.string().default("add").catch("add"),
  })
  .catch(NOTHING);

export type Sketch = z.infer<typeof sketchSchema>;

/** Why a column that is named elsewhere cannot be right; undefined: it can, or nothing is known of it. */
export type UnknownColumn = (name: string) => string | undefined;
