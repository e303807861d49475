import assert from "node:assert/strict";
import { test } from "node:test";
import avsc from "avsc";
import { readFileSync } from "node:fs";
import { commitEvents, fileEvents, rowMessages, tableSchemas, type RecordSchema } from "../../../lib/messages/avro.ts";
import { firstLayout } from "../../../lib/messages/layouts.ts";
import type { CommitEvent, RowMessage, TableSchemaEvent } from "../../../lib/messages/generated.ts";
import { commitEvent, fileOutcome } from "../../services/gateway/gateway.ts";

const commit: CommitEvent = { ...commitEvent([fileOutcome("a"), fileOutcome("b")]), held: [] };

/** Avro's long. */
function longBytes(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

test("a truncated or foreign message is refused with the expected kind in the error", () => {
  const bytes = commitEvents.encode(commit);
  assert.deepEqual(JSON.parse(JSON.stringify(commitEvents.decode(bytes))), commit);
  const older = bytes.subarray(0, -2);
  assert.equal(commitEvents.decode(older).tableFiles, null, "written before there was that field");
  for (let length = 0; length < older.length; length++) {
    assert.throws(
      () => commitEvents.decode(bytes.subarray(0, length)),
      /^Error: message is not a valid commit-event: /,
    );
  }
  assert.throws(() => fileEvents.decode(bytes), /^Error: message is not a valid file-event/);
});

test("an array count larger than the message is refused before any allocation", () => {
  const empty = commitEvents.encode({ ...commit, files: [] });
  for (const count of [1n, 5_000_000n, 1n << 40n, -(1n << 40n)]) {
    const size = count < 0n ? [longBytes(1n)] : [];
    const promising = Buffer.concat([empty.subarray(0, -3), longBytes(count), ...size]);
    const startMs = performance.now();
    assert.throws(() => commitEvents.decode(promising), /array of \d+ items exceeds the message/);
    assert.ok(performance.now() - startMs < 1_000);
  }
  const endless = Buffer.concat([empty.subarray(0, -3), Buffer.alloc(20, 0xff)]);
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
  // Its row count is the eleventh byte from the end. After it come the empty schema and rows, and the absent
  // repetition, operation, reasons, verdict, text and dialect, "settled", and the absent plan.
  const huge = Buffer.concat([bytes.subarray(0, -11), longBytes(1n << 33n), bytes.subarray(-10)]);
  assert.throws(() => rowMessages.decode(huge), /exceeds 32 bits/);
  assert.equal(rowMessages.decode(rowMessages.encode(message(2 ** 31 - 1))).runId, "");
});

const schemaOf = (file: string): RecordSchema =>
  JSON.parse(readFileSync(new URL(`../../../schemas/${file}.avsc`, import.meta.url), "utf8")) as RecordSchema;
/** Messages as they were before layout 2. */
const before = (file: string): avsc.Type =>
  avsc.Type.forSchema(firstLayout(schemaOf(file)) as avsc.Schema, { wrapUnions: "auto" });

test("records of before layout 2 are read", () => {
  const old = before("commit-event");
  assert.deepEqual(commitEvents.decode(old.toBuffer(commit)).files.map(({ format }) => format), ["csv", "csv"]); // prettier-ignore
  const json = { ...commit.files[0]!, format: "jsonl", formatOptionsJson: '{"nulls":"-"}', delimiter: "" };
  const mixed = { ...commit, files: [json, { ...commit.files[1]!, format: "csv" }], tableFiles: null };
  assert.deepEqual(JSON.parse(JSON.stringify(commitEvents.decode(commitEvents.encode(mixed)))), mixed);
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
  const schema: TableSchemaEvent = { table: "t", sourceOffset: 1, columns: [], dialectJson: "{}" };
  const decoded = tableSchemas.decode(before("table-schema-event").toBuffer(schema));
  const expected = { ...schema, format: "csv", formatOptionsJson: null };
  assert.deepEqual(JSON.parse(JSON.stringify(decoded)), expected);
});
