/**
 * Fuzz targets of the event log's messages: any bytes are either decoded correctly or refused with an error.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import avsc from "avsc";
import fc from "fast-check";
import { rowSchemaOf, SIMPLE_TYPES, type ColumnType } from "../../lib/columns.ts";
import * as codecs from "../../lib/messages/avro.ts";
import type { Schema } from "../../lib/messages/wire.ts";
import { decodeRows } from "../../lib/rows/row-decoder.ts";
import { columns } from "../support/rows.ts";
import { damage, damaged } from "./files.ts";
import { target, type Target } from "./fuzz-target.ts";

/**
 * Values of an Avro schema as the codecs expect them: in a union of records each is wrapped with its full
 * name.
 */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
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

const folder = new URL("../../schemas/", import.meta.url);
const CODECS: Record<string, codecs.Codec<unknown>> = {
  "file-event": codecs.fileEvents,
  "row-message": codecs.rowMessages,
  "table-schema-event": codecs.tableSchemas,
  "parse-event": codecs.parseEvents,
  "commit-event": codecs.commitEvents,
  command: codecs.commands,
  "command-result": codecs.commandResults,
  "dead-letter": codecs.deadLetters,
  "drop-event": codecs.dropEvents,
  "table-block": codecs.tableBlocks,
  "file-skip": codecs.fileSkips,
  "log-epoch": codecs.logEpochs,
};

const messageOfAnyKind = fc.oneof(
  ...readdirSync(folder).map((file) => {
    const name = file.replace(/\.avsc$/, "");
    const schema = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Schema;
    return valuesOf(schema).map((value) => ({ name, value }));
  }),
);

/** Lengths and counts larger than any message. */
const HUGE = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xfe, 0xff, 0xff, 0xff, 0x0f],
  [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
].map((raw) => Buffer.from(raw));
const hugeLength = fc.record({
  kind: fc.constant("insert" as const),
  at: fc.nat(200),
  bytes: fc.constantFrom<Uint8Array[]>(...HUGE),
});
const damages = fc.array(fc.oneof({ weight: 3, arbitrary: damage }, { weight: 1, arbitrary: hugeLength }), {
  maxLength: 3,
});

const TYPES: readonly ColumnType[] = [...SIMPLE_TYPES, "DECIMAL(38,4)"];
const types = fc.array(fc.constantFrom(...TYPES), { maxLength: 5 });

/** A batch of rows of these columns, optionally damaged; its row count and schema may be wrong. */
const rowBatch = types.chain((chosen) => {
  const definitions = columns(Object.fromEntries(chosen.map((type, index) => [`c${index}`, type])));
  const schema = rowSchemaOf(definitions);
  const type = avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: false });
  return fc.record({
    rows: fc.array(
      valuesOf(schema as Schema).map((row) => type.toBuffer(row)),
      { maxLength: 4 },
    ),
    damages,
    rowCount: fc.option(fc.oneof(fc.nat(5), fc.constantFrom(-1, 2 ** 31 - 1, 100_000))),
    writerSchema: fc
      .oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(damage, { maxLength: 2 }) })
      .map((all) => damaged(Buffer.from(JSON.stringify(schema)), all).toString("utf8")),
  });
});

export const MESSAGE_TARGETS: readonly Target[] = [
  target(
    "messages",
    1_500,
    fc.record({ message: messageOfAnyKind, damages }),
    ({ message: { name, value }, damages: all }) => {
      const codec = CODECS[name]!;
      const bytes = codec.encode(value);
      assert.deepEqual(codec.encode(codec.decode(bytes)), bytes, "decoding and encoding restores the bytes");
      const hurt = damaged(bytes, all);
      let decoded: unknown;
      try {
        decoded = codec.decode(hurt);
      } catch (thrown) {
        return assert.match(String(thrown), /^Error: message/, "the error names the refused message");
      }
      const written = codec.encode(decoded);
      assert.deepEqual(codec.encode(codec.decode(written)), written);
    },
  ),
  target("row batches", 2_000, rowBatch, ({ rows, damages: all, rowCount, writerSchema }) => {
    const count = rowCount ?? rows.length;
    try {
      const decoded = decodeRows({
        rowCount: count,
        writerSchema,
        rows: damaged(Buffer.concat(rows), all),
      });
      assert.equal(decoded.rowCount, count);
    } catch (thrown) {
      assert.match(String(thrown), /^Error: row batch/, "the error names the refused message");
    }
  }),
];
