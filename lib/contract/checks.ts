import { z } from "zod";
import { parseDuration } from "../durations.ts";
import { nearestOf } from "../nearest.ts";
import { plainIssues, standsFor } from "./issues.ts";

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

const optionOf = (type: unknown): z.ZodType =>
  knownCheckSchema.options.find(({ shape }) => shape.type.value === type) ?? knownCheckSchema;

export const checkSchema = standsFor(
  z.unknown().transform((given, context) => {
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
      for (const { path, message } of plainIssues(error.issues, optionOf(type))) {
        context.addIssue({ code: "custom", path, message });
      }
    }
    return z.NEVER;
  }),
  () => knownCheckSchema,
);
export type Check = z.infer<typeof checkSchema>;
