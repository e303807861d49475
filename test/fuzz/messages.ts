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
import { valuesOf } from "../support/avro-values.ts";
import { columns } from "../support/rows.ts";
import { damage, damaged } from "./files.ts";
import { target, type Target } from "./fuzz-target.ts";

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
        // A damaged number of the format makes a plan look newer.
        const named = /^Error: message|^TributaryError.* a row-message has format/;
        return assert.match(String(thrown), named, "the error names the refused message");
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
