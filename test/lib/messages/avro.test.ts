import assert from "node:assert/strict";
import { test } from "node:test";
import { commitEvents, fileEvents, rowMessages } from "../../../lib/messages/avro.ts";
import type { CommitEvent, RowMessage } from "../../../lib/messages/generated.ts";
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
