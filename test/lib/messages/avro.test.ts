import assert from "node:assert/strict";
import { test } from "node:test";
import avsc from "avsc";
import { readFileSync } from "node:fs";
import { commitEvents, fileEvents, rowMessages, tableSchemas } from "../../../lib/messages/avro.ts";
import { firstLayout, layoutCheck } from "../../../lib/messages/layouts.ts";
import type { Schema } from "../../../lib/messages/wire.ts";
import type { CommitEvent, RowMessage, TableSchemaEvent } from "../../../lib/messages/generated.ts";
import { commitEvent, fileOutcome } from "../../services/gateway/gateway.ts";

const commit: CommitEvent = commitEvent([fileOutcome("a"), fileOutcome("b")]);

/** Avro's long. */
function longBytes(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

test("a truncated, extended or foreign message is refused with the expected kind in the error", () => {
  const bytes = commitEvents.encode(commit);
  assert.deepEqual(JSON.parse(JSON.stringify(commitEvents.decode(bytes))), commit);
  const older = bytes.subarray(0, -1);
  assert.equal(commitEvents.decode(older).tableFiles, null, "written before there was that field");
  for (let length = 0; length < older.length; length++) {
    assert.throws(
      () => commitEvents.decode(bytes.subarray(0, length)),
      /^Error: message is not a valid commit-event: /,
    );
  }
  assert.throws(() => commitEvents.decode(Buffer.concat([bytes, Buffer.from([0])])), /1 bytes follow the value/);
  assert.throws(() => fileEvents.decode(bytes), /^Error: message is not a valid file-event/);
});

test("an array count larger than the message is refused before any allocation", () => {
  const empty = commitEvents.encode({ ...commit, files: [] });
  for (const count of [1n, 5_000_000n, 1n << 40n, -(1n << 40n)]) {
    const size = count < 0n ? [longBytes(1n)] : [];
    const promising = Buffer.concat([empty.subarray(0, -2), longBytes(count), ...size]);
    const startMs = performance.now();
    assert.throws(() => commitEvents.decode(promising), /array of \d+ items exceeds the message/);
    assert.ok(performance.now() - startMs < 1_000);
  }
  const endless = Buffer.concat([empty.subarray(0, -2), Buffer.alloc(20, 0xff)]);
  assert.throws(() => commitEvents.decode(endless), /varint before byte \d+ is longer than 10 bytes/);
});

test("a row count of more than 32 bits is refused", () => {
  const message = (rowCount: number): RowMessage => ({
    fileId: "",
    sourceFile: "",
    sourceOffset: 0,
    runId: "",
    body: { "tributary.RowBatch": { firstRow: 0, rowCount, writerSchema: "", rows: Buffer.alloc(0) } },
  });
  const bytes = rowMessages.encode(message(1));
  // Its row count is the third byte from the end, before the empty schema and rows.
  const huge = Buffer.concat([bytes.subarray(0, -3), longBytes(1n << 33n), bytes.subarray(-2)]);
  assert.throws(() => rowMessages.decode(huge), /exceeds 32 bits/);
  assert.equal(rowMessages.decode(rowMessages.encode(message(2 ** 31 - 1))).runId, "");
});

const schemaOf = (file: string): Schema =>
  JSON.parse(readFileSync(new URL(`../../../schemas/${file}.avsc`, import.meta.url), "utf8")) as Schema;
/** Messages as they were before layout 2. */
const before = (file: string): avsc.Type =>
  avsc.Type.forSchema(firstLayout(schemaOf(file)) as avsc.Schema, { wrapUnions: "auto" });

test("a value that needs no layout-2 field is written as older versions read it, and theirs is read", () => {
  const old = before("commit-event");
  const bytes = commitEvents.encode(commit);
  assert.deepEqual(bytes, old.toBuffer(commit));
  assert.deepEqual(commitEvents.decode(bytes).files.map(({ format }) => format), ["csv", "csv"]); // prettier-ignore
  const json = { ...commit.files[0]!, format: "jsonl", formatOptionsJson: '{"nulls":"-"}', delimiter: "" };
  const mixed = { ...commit, files: [json, commit.files[1]!], tableFiles: { dataFiles: 0, deleteFiles: 0 } };
  const decoded = commitEvents.decode(commitEvents.encode(mixed));
  assert.deepEqual(JSON.parse(JSON.stringify(decoded)), mixed);
  assert.throws(() => old.fromBuffer(commitEvents.encode(mixed)));
  for (const [dataFiles, deleteFiles] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [64, 3],
    [8_192, 70_000],
  ] as const) {
    // prettier-ignore
    const event = { ...commit, tableFiles: { dataFiles, deleteFiles } };
    assert.deepEqual(
      JSON.parse(JSON.stringify(commitEvents.decode(old.toBuffer(event)))),
      event,
      "no other reading fits",
    );
  }
});

test("fields at the end of a message and in nested records have the same two layouts", () => {
  const schema: TableSchemaEvent = { table: "t", sourceOffset: 1, columns: [], dialectJson: "{}" };
  assert.deepEqual(tableSchemas.encode(schema), before("table-schema-event").toBuffer(schema));
  const json = { ...schema, format: "jsonl", formatOptionsJson: "{}" };
  assert.equal(tableSchemas.decode(tableSchemas.encode(json)).format, "jsonl");
  assert.equal(layoutCheck(schemaOf("command")), undefined, "a schema without such fields is not checked");
  const check = layoutCheck(schemaOf("row-message"))!;
  assert.ok(check({ body: { "tributary.EndOfFile": { format: "csv", formatOptionsJson: null } } }));
  assert.ok(check({ body: { "tributary.EndOfFile": {} } }));
  assert.ok(!check({ body: { "tributary.EndOfFile": { format: "jsonl" } } }));
  assert.ok(check({ body: { "tributary.RejectBatch": { rejects: [] } } }));
});
