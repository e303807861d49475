import { z } from "zod";
import "../schema-faults.ts";
import { nearestOf } from "../nearest.ts";

/** What is wrong with one place of a contract. */
export interface Issue {
  path: (string | number)[];
  message: string;
}

interface GivenIssue {
  path: readonly PropertyKey[];
  message: string;
  code?: string | undefined;
  keys?: readonly string[] | undefined;
}

/** The issues, with one for each unknown key at its own path, which says what key is most likely meant. */
export function plainIssues(issues: readonly GivenIssue[], schema: z.ZodType): Issue[] {
  return issues.flatMap(({ path: keys, message, code, keys: unknown = [] }): Issue[] => {
    const path = keys.map((key) => (typeof key === "number" ? key : String(key)));
    if (code !== "unrecognized_keys") return [{ path, message }];
    const known = keysAt(jsonSchemaOf(schema), path);
    return unknown.map((key) => {
      const near = nearestOf(key, known);
      const meant = near === undefined ? ` (known: ${known.join(", ")})` : `: did you mean ${near}?`;
      return { path: [...path, key], message: `unknown key '${key}'${meant}` };
    });
  });
}

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** By schema that takes anything and checks it itself: what it takes in truth. */
const STAND_INS = new WeakMap<z.core.$ZodType, () => z.ZodType>();

/** Says what a schema that checks its input itself takes, for JSON Schema and the names of its keys. */
export function standsFor<T extends z.ZodType>(schema: T, taken: () => z.ZodType): T {
  STAND_INS.set(schema, taken);
  return schema;
}

/** What may be written, as JSON Schema. What zod cannot say in it is left open. */
export const jsonSchemaOf = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    target: "draft-7",
    override: ({ zodSchema, jsonSchema }) => {
      const taken = STAND_INS.get(zodSchema);
      if (taken) Object.assign(jsonSchema, jsonSchemaOf(taken()), { $schema: undefined });
    },
  });

/** The keys of the object at this path of a schema. */
function keysAt(schema: JsonSchema, path: readonly (string | number)[]): string[] {
  const [key, ...rest] = path;
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])] as JsonSchema[];
  if (choices.length > 0) return [...new Set(choices.flatMap((choice) => keysAt(choice, path)))];
  if (key === undefined) return Object.keys(schema.properties ?? {});
  const child = typeof key === "number" ? schema.items : new Map(Object.entries(schema.properties ?? {})).get(key);
  return typeof child === "object" && !Array.isArray(child) ? keysAt(child, rest) : [];
}
