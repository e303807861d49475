/** Messages of the version before and after this one, generated for every schema. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { codecOf, INCOMPATIBLE, type RecordSchema } from "../../../lib/messages/avro.ts";
import { firstLayout } from "../../../lib/messages/layouts.ts";
import { hasCode } from "../../../lib/errors.ts";
import { messageSchemas, valuesOf } from "../../support/avro-values.ts";

const SCHEMAS = messageSchemas();

/** Fields that a next version may append. */
const ADDITIONS = [
  { type: ["null", "string"], default: null },
  { type: ["null", "long"], default: null },
  { type: "string", default: "" },
  { type: "boolean", default: false },
  { type: "double", default: 0 },
  { type: { type: "enum", name: "AddedKind", symbols: ["one", "two"] }, default: "one" },
  { type: { type: "array", items: "string" }, default: [] },
  { type: { type: "record", name: "Added", fields: [{ name: "n", type: "long" }] }, default: { n: 0 } },
];

const additions = fc.array(fc.constantFrom(...ADDITIONS), { minLength: 1, maxLength: 3 });

const withFields = (schema: RecordSchema, fields: readonly object[]): RecordSchema =>
  ({ ...schema, fields: [...schema.fields, ...named(fields)] }) as RecordSchema;

/** Avro takes each type name once. */
const named = (fields: readonly object[]): object[] =>
  fields.map((field, index) => JSON.parse(JSON.stringify({ ...field, name: `added${index}` }).replaceAll(/Added(Kind)?/g, `$&${index}`)) as object); // prettier-ignore

const plain = (value: unknown): Record<string, unknown> => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

for (const [name, schema] of SCHEMAS) {
  describe(`messages of ${name}`, () => {
    const present = codecOf<unknown>(name, schema);

    test("a newer record is read without its new fields", () => {
      const property = fc.property(
        additions.chain((fields) => {
          const newer = withFields(schema, fields);
          return fc.tuple(fc.constant(newer), valuesOf(newer));
        }),
        ([newer, value]) => {
          const decoded = plain(present.decode(codecOf<unknown>(name, newer).encode(value)));
          const known = Object.fromEntries(schema.fields.map((field) => [field.name, plain(value)[field.name]]));
          assert.deepEqual(decoded, known);
        },
      );
      fc.assert(property, { numRuns: 100 });
    });

    test("an older record gets the defaults of the fields that it lacks", () => {
      const property = fc.property(
        additions.chain((fields) => fc.tuple(fc.constant(withFields(schema, fields)), valuesOf(schema))),
        ([newer, value]) => {
          const decoded = plain(codecOf<unknown>(name, newer).decode(present.encode(value)));
          const added = newer.fields.slice(schema.fields.length).map((field) => [field.name, field.default] as const);
          assert.deepEqual(decoded, { ...plain(value), ...Object.fromEntries(added) });
        },
      );
      fc.assert(property, { numRuns: 100 });
    });

    test("without any of its last fields with a default, a record is read", () => {
      const required = schema.fields.findLastIndex((field) => !("default" in field)) + 1;
      for (let count = required; count < schema.fields.length; count++) {
        // Commit events without their last fields were written before layout 2.
        const written = name === "commit-event" ? (firstLayout(schema) as RecordSchema) : schema;
        const older = { ...written, fields: written.fields.slice(0, count) } as RecordSchema;
        const property = fc.property(valuesOf(older), (value) => {
          const decoded = plain(present.decode(codecOf<unknown>(name, older).encode(value)));
          for (const field of schema.fields.slice(count)) assert.deepEqual(decoded[field.name], field.default);
        });
        fc.assert(property, { numRuns: 30 });
      }
    });

    test("a record of an incompatible format is refused as such, not as a damaged one", () => {
      const bytes = Buffer.concat([INCOMPATIBLE, Buffer.from([3]), present.encode(fc.sample(valuesOf(schema), 1)[0])]);
      assert.throws(() => present.decode(bytes), (thrown) => hasCode(thrown, "MESSAGE_TOO_NEW")); // prettier-ignore
      const first = Buffer.concat([INCOMPATIBLE, Buffer.from([1]), bytes.subarray(INCOMPATIBLE.length + 1)]);
      assert.throws(() => present.decode(first), (thrown) => hasCode(thrown, "MESSAGE_TOO_NEW")); // prettier-ignore
    });

    test("its fields only grow at the end of the message, with defaults", () => {
      const recorded = RECORDED[name];
      assert.ok(recorded, `add ${name} to test/lib/messages/schemas-recorded.json`);
      const shape = schema.fields.map(shapeOf);
      assert.deepEqual(shape.slice(0, recorded.length), recorded, "a change that needs INCOMPATIBLE, see avro.ts");
      for (const field of schema.fields.slice(recorded.length)) assert.ok("default" in field, field.name);
    });
  });
}

/** Names and types of the fields as older versions know them. */
const RECORDED = JSON.parse(readFileSync(new URL("schemas-recorded.json", import.meta.url), "utf8")) as Record<
  string,
  unknown[] | undefined
>;

/** What decides about a field's bytes. */
function shapeOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shapeOf);
  if (typeof schema !== "object" || schema === null) return schema;
  const { name, type, items, symbols, fields } = schema as Record<string, unknown>;
  return JSON.parse(
    JSON.stringify({ name, type: shapeOf(type), items: shapeOf(items), symbols, fields: shapeOf(fields) }),
  ) as unknown;
}
