import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import "../../lib/schema-faults.ts";

const schema = z.strictObject({
  sql: z.string(),
  rows: z.int().min(1).max(10),
  above: z.number().gt(0).optional(),
  mode: z.enum(["append", "upsert"]),
  key: z.array(z.string().min(1)).max(2),
  either: z.union([z.string(), z.number()]),
  url: z.url().optional(),
  code: z
    .string()
    .regex(/^[a-z]+$/)
    .optional(),
  dry: z.boolean().optional(),
});

const faultsOf = (given: unknown): string[] =>
  schema.safeParse(given).error!.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);

test("what is missing is called missing", () => {
  assert.deepEqual(faultsOf({}), [
    "sql: is missing",
    "rows: is missing",
    "mode: is missing: must be one of append, upsert",
    "key: is missing",
    "either: is missing",
  ]);
});

test("a wrong value: what it must be", () => {
  assert.deepEqual(
    faultsOf({
      ...{ sql: 1, rows: 0, above: 0, mode: "upsrt", key: ["", "b"], either: true },
      ...{ url: "no url", code: "A1", dry: "yes", limit: 3 },
    }),
    [
      "sql: must be text",
      "rows: must be at least 1",
      "above: must be more than 0",
      "mode: must be one of append, upsert",
      "key.0: must not be empty",
      "either: Invalid input",
      "url: not a valid URL",
      "code: must match /^[a-z]+$/",
      "dry: must be true or false",
      ": unknown field 'limit'",
    ],
  );
  assert.deepEqual(faultsOf("text"), [": must be an object"]);
  const long = faultsOf({ sql: "", rows: 2, mode: "append", key: ["a", "b", "c"], either: 1 });
  assert.deepEqual(long, ["key: must have at most 2 entries"]);
});
