import assert from "node:assert/strict";
import { test } from "node:test";
import type { VersionEvent } from "../../../lib/messages/repetition.ts";
import { selectReplays } from "../../../lib/file-versions/select.ts";

/** `repeats`: the version that the event repeats; null: a replay as the newest version. */
const event = (offset: number, sourceFile: string, repeats?: number | null): VersionEvent => ({
  offset,
  event: {
    fileId: `id-${offset}`,
    table: "t",
    sourceFile,
    kind: "put",
    origin: repeats === undefined ? "upload" : "replay",
    blobKey: "k",
    sizeBytes: 1,
    contentHash: "h",
    etag: null,
    receivedAtMs: offset * 1000,
    dialectJson: null,
    replayOf: null,
    versionOffset: repeats ?? null,
  },
});
const past = [event(1, "a"), event(2, "b"), event(3, "a"), event(5, "a", 3), event(7, "c")];
const offsets = (items: VersionEvent[]) => items.map(({ offset }) => offset);

test("a replace table replays the newest version of each file, oldest first", () => {
  assert.deepEqual(offsets(selectReplays(past, "replace", {})), [2, 3, 7]);
});

test("upsert and append tables replay every version in order, except replays", () => {
  assert.deepEqual(offsets(selectReplays(past, "upsert", {})), [1, 2, 3, 7]);
  assert.deepEqual(offsets(selectReplays(past, "append", {})), [1, 2, 3, 7]);
});

test("a version that went back is a version of its own", () => {
  const back = [event(1, "a"), event(2, "a"), event(3, "a", null), event(4, "a", 2)];
  assert.deepEqual(offsets(selectReplays(back, "replace", {})), [3]);
  assert.deepEqual(offsets(selectReplays(back, "upsert", {})), [1, 2, 3]);
});

test("bounds are inclusive", () => {
  assert.deepEqual(offsets(selectReplays(past, "upsert", { fromOffset: 2, toOffset: 3 })), [2, 3]);
  assert.deepEqual(offsets(selectReplays(past, "upsert", { fromMs: 2000, toMs: 3000 })), [2, 3]);
  assert.deepEqual(offsets(selectReplays(past, "upsert", { fromFile: "b" })), [2, 3, 7]);
  assert.deepEqual(offsets(selectReplays(past, "upsert", { onlyFile: "a" })), [1, 3]);
  assert.deepEqual(offsets(selectReplays(past, "upsert", { fromFile: "unknown" })), []);
});
