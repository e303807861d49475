import assert from "node:assert/strict";
import { test } from "node:test";
import { commitEvents } from "../../../../lib/messages/avro.ts";
import type { CommitEvent } from "../../../../lib/messages/generated.ts";
import { encodedParts } from "../../../../services/committer/commit/event-parts.ts";

const RECORD_BYTES_MAX = 1_000_000;

/** An event of files with the longest names and failures. */
function eventOf(count: number): CommitEvent {
  const files = Array.from({ length: count }, (_, index) => ({
    ...{ fileId: `f${index}`, sourceFile: "月".repeat(170), sourceOffset: index, status: "failed" as const },
    ...{ rowsRead: 0, rowsCommitted: 0, rowsRejected: 0, sizeBytes: 1, contentHash: "h".repeat(64), etag: null },
    ...{ receivedAtMs: 1, parsedAtMs: 1, parseMs: 1, delimiter: ",", encoding: "utf-8", rowsOffset: index },
    ...{ errorCode: "HEADER_COLUMN_UNEXPECTED", errorMessage: "列".repeat(1_000) },
  }));
  return {
    ...{ commitId: "c", table: "t", snapshotId: "s", committedAtMs: 1, commitMs: 1, limit: "files", strategy: "none" },
    ...{ rowsInserted: 3, rowsUpdated: 2, rowsDeleted: 1, tableFiles: { dataFiles: 1, deleteFiles: 0 }, files },
  };
}

test("an event of any number of files fits into the log's records; its counts are in one part", () => {
  for (const count of [1, 200, 500, 2_000]) {
    const event = eventOf(count);
    const values = encodedParts(event, RECORD_BYTES_MAX);
    for (const value of values) assert.ok(value.length < RECORD_BYTES_MAX, `${value.length} bytes`);
    const parts = values.map((value) => commitEvents.decode(value));
    assert.deepEqual(
      parts.flatMap(({ files }) => files.map(({ fileId }) => fileId)),
      event.files.map(({ fileId }) => fileId),
    );
    assert.equal(
      parts.reduce((sum, { rowsInserted }) => sum + rowsInserted, 0),
      3,
    );
    assert.equal(parts.filter(({ tableFiles }) => tableFiles !== null).length, 1);
    assert.ok(parts.every(({ commitId, table }) => commitId === "c" && table === "t"));
  }
});

test("a small event is one record", () => {
  assert.equal(encodedParts(eventOf(3), RECORD_BYTES_MAX).length, 1);
});
