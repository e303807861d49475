import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { versionDoubts } from "../../../lib/contract/guards.ts";
import type { RejectedRows } from "../../../lib/file-versions/usual-rejects.ts";

const doubtsOf = (rows: number, rowsRejected: number, more: object, usual?: RejectedRows) =>
  versionDoubts({ rows, rowsRejected, isEmpty: false }, contractSchema.parse({ table: "t", ...more }), {
    rows: undefined,
    sameContent: undefined,
    usual,
  });

test("more rejects than usual stop a file", () => {
  const accept = { accept: { rejectsAboveUsualMax: 0.05 } };
  assert.deepEqual(doubtsOf(95, 5, accept), []);
  assert.deepEqual(doubtsOf(94, 6, accept), [
    {
      reason: "many_rejects",
      evidence: "6 of 100 rows rejected (6 %); usual are 0 %, and rejectsAboveUsualMax is 0.05",
      action: "hold",
    },
  ]);
  const usual = { read: 1_000, rejected: 300 };
  assert.deepEqual(doubtsOf(65, 35, accept, usual), [], "35 % where 30 % are usual");
  assert.equal(doubtsOf(60, 40, accept, usual)[0]?.reason, "many_rejects");
  assert.equal(doubtsOf(94, 6, { ...accept, onDoubt: "fail" })[0]?.action, "fail");
  assert.equal(doubtsOf(94, 6, { ...accept, onDoubt: "load" })[0]?.action, "hold");
  assert.deepEqual(doubtsOf(0, 6, accept), [], "a file of which no row loads is rejected");
  assert.deepEqual(doubtsOf(94, 6, {}), [], "not set");
});
