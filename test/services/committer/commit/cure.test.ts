import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError, type ErrorCode } from "../../../../lib/errors.ts";
import { cureOf } from "../../../../services/committer/commit/cure.ts";

const accepts = async (): Promise<unknown> => undefined;
const refuses = async (): Promise<unknown> => new Error("no");
const of = (code: ErrorCode, attempt: number, files: number, probe = accepts, retryable?: boolean) =>
  cureOf({
    thrown: new TributaryError(code, code, retryable === undefined ? {} : { retryable }),
    attempt,
    files,
    probe,
  });

test("an outage is repeated, and divides no batch while the table refuses an empty commit", async () => {
  for (const attempt of [1, 3, 100]) assert.equal(await of("WAREHOUSE_UNAVAILABLE", attempt, 5, refuses), "repeat");
  assert.equal(await of("WAREHOUSE_UNAVAILABLE", 2, 5), "repeat");
  assert.equal(await of("WAREHOUSE_UNAVAILABLE", 3, 5), "divide");
  assert.equal(await of("WAREHOUSE_UNAVAILABLE", 1_000, 1), "repeat");
});

test("a limit divides a batch at once; a single file fails", async () => {
  assert.equal(await of("WAREHOUSE_LIMIT", 1, 2, refuses), "divide");
  assert.equal(await of("WAREHOUSE_LIMIT", 1, 1, refuses), "fail");
});

test("a limit that depends on the load is repeated first, and fails a single file after an hour only", async () => {
  for (const [code, retryable] of [["WAREHOUSE_TIMEOUT"], ["WAREHOUSE_LIMIT", true]] as const) {
    assert.equal(await of(code, 1, 2, accepts, retryable), "repeat");
    assert.equal(await of(code, 3, 2, accepts, retryable), "divide");
    assert.equal(await of(code, 19, 1, accepts, retryable), "repeat");
    assert.equal(await of(code, 20, 1, refuses, retryable), "repeat");
    assert.equal(await of(code, 20, 1, accepts, retryable), "fail");
  }
});

test("a refusal fails no file and divides no batch", async () => {
  for (const files of [1, 5]) assert.equal(await of("WAREHOUSE_REFUSED", 100, files), "repeat");
});

test("an error of unknown scope fails a single file at its second failure, if the table accepts an empty commit", async () => {
  assert.equal(await of("WAREHOUSE_FAILED", 1, 3), "divide");
  assert.equal(await of("WAREHOUSE_FAILED", 1, 1), "repeat");
  assert.equal(await of("WAREHOUSE_FAILED", 2, 1), "fail");
  assert.equal(await of("WAREHOUSE_FAILED", 2, 1, refuses), "repeat");
});
