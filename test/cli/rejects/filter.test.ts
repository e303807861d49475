import assert from "node:assert/strict";
import { test } from "node:test";
import { noRejectsText, rejectFilterOf } from "../../../cli/rejects/filter.ts";

test("known reasons and rules of contracts pass; any other is refused with the known ones", async () => {
  for (const reason of ["required", "rule:net_total"]) assert.equal((await rejectFilterOf({ reason })).reason, reason);
  await assert.rejects(rejectFilterOf({ reason: "rule:" }), /unknown --reason 'rule:'$/);
  await assert.rejects(rejectFilterOf({ reason: "requird" }), {
    message: /did you mean required\?/,
    remedy: /rule:<name>/,
  });
});

test("an empty list names every filter", () => {
  assert.equal(noRejectsText({}), "no rejected rows");
  assert.equal(noRejectsText({ dismissed: true, since: "2026-01-01" }), "no dismissed rows since 2026-01-01");
  const all = { file: "a\u001b.csv", column: "id", reason: "required", lines: "3-4", until: "2026-02-01" };
  assert.equal(
    noRejectsText(all),
    "no rejected rows of file 'a·.csv', column 'id', reason 'required', lines 3-4 until 2026-02-01",
  );
});
