import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Stage } from "../../../../lib/warehouse/warehouse.ts";
import {
  batchLength,
  dueLimit,
  hasRoom,
  type BatchLimits,
  type BatchState,
  type Waiting,
} from "../../../../services/committer/lane/micro-batch.ts";

const LIMITS: BatchLimits = { rowsMax: 100, bytesMax: 1_000, filesMax: 5, ageMsMax: 200, idleGapMs: 50 };

const waiting = (rowCount = 1, sizeBytes = 1, readyAtMs = 0): Waiting => ({
  stage: { rowCount, sizeBytes } as Stage,
  readyAtMs,
});

const moment = (over: Partial<BatchState> = {}): BatchState => ({
  nowMs: 0,
  lastCommitAtMs: undefined,
  moreComing: false,
  ...over,
});

test("a single file is committed at once; without files nothing is due", () => {
  assert.deepEqual(dueLimit([waiting()], LIMITS, moment()), { limit: "idle" });
  assert.deepEqual(dueLimit([], LIMITS, moment()), { inMs: undefined });
});

test("each limit is reported when it triggers", () => {
  const busy = moment({ moreComing: true });
  assert.deepEqual(dueLimit([waiting(100)], LIMITS, busy), { limit: "rows" });
  assert.deepEqual(dueLimit([waiting(1, 1_000)], LIMITS, busy), { limit: "bytes" });
  assert.deepEqual(dueLimit(Array.from({ length: 5 }, () => waiting()), LIMITS, busy), { limit: "files" }); // prettier-ignore
  assert.deepEqual(dueLimit([waiting()], LIMITS, { ...busy, nowMs: 200 }), { limit: "age" });
});

test("while more is coming a file waits up to its age limit; idle commits keep their gap", () => {
  assert.deepEqual(dueLimit([waiting()], LIMITS, moment({ moreComing: true, nowMs: 60 })), { inMs: 140 });
  assert.deepEqual(dueLimit([waiting()], LIMITS, moment({ lastCommitAtMs: -20 })), { inMs: 30 });
  assert.deepEqual(dueLimit([waiting()], LIMITS, moment({ lastCommitAtMs: -50 })), { limit: "idle" });
});

test("a micro-batch is within its limits, or a single file", () => {
  const sizes = fc.array(fc.tuple(fc.nat(150), fc.nat(1_500)), { minLength: 1, maxLength: 20 });
  const property = fc.property(sizes, (all) => {
    const files = all.map(([rows, bytes]) => waiting(rows, bytes));
    const length = batchLength(files, LIMITS);
    const taken = all.slice(0, length);
    assert.ok(length >= 1 && length <= LIMITS.filesMax);
    const [rows, bytes] = taken.reduce(([r, b], [rows, bytes]) => [r + rows, b + bytes], [0, 0]);
    assert.ok(length === 1 || (rows <= LIMITS.rowsMax && bytes <= LIMITS.bytesMax));
    if (!hasRoom(files, LIMITS)) assert.ok("limit" in dueLimit(files, LIMITS, moment({ moreComing: true })));
  });
  fc.assert(property);
});
