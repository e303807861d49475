import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import type { RecordSchema } from "../../lib/messages/avro.ts";
import type { Schema } from "../../lib/messages/wire.ts";

const FOLDER = new URL("../../schemas/", import.meta.url);

/** The schemas of all messages, by file name without `.avsc`. */
export const messageSchemas = (): Map<string, RecordSchema> =>
  new Map(
    readdirSync(FOLDER)
      .filter((name) => name.endsWith(".avsc"))
      .map((name) => [
        name.slice(0, -".avsc".length),
        JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as RecordSchema,
      ]),
  );

/**
 * Values of an Avro schema as the codecs expect them: in a union of records each is wrapped with its full
 * name.
 */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (Array.isArray(schema)) {
    const branches = schema as readonly Schema[];
    return fc.oneof(...branches.map(branches.filter(isRecord).length > 1 ? wrapped : valuesOf));
  }
  const {
    type,
    fields = [],
    items,
    symbols = [],
  } = typeof schema === "string" ? { type: schema } : (schema as Exclude<Schema, string | readonly Schema[]>);
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "int":
      return fc.integer();
    case "long":
      return fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
    case "double":
      return fc.double();
    case "bytes":
      return fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));
    case "string":
      return fc.string({ unit: "binary", maxLength: 12 });
    case "enum":
      return fc.constantFrom(...symbols);
    case "array":
      return fc.array(valuesOf(items!), { maxLength: 4 });
    case "record":
      return fc.record(Object.fromEntries(fields.map((field) => [field.name, valuesOf(field.type)])));
    default:
      throw new Error(`no values of ${type}`);
  }
}

const isRecord = (schema: Schema): boolean =>
  typeof schema === "object" && "type" in schema && schema.type === "record";
const wrapped = (schema: Schema): fc.Arbitrary<unknown> =>
  valuesOf(schema).map((value) => ({ [`tributary.${(schema as { name: string }).name}`]: value }));
