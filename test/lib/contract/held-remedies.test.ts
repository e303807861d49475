import assert from "node:assert/strict";
import { test } from "node:test";
import { HELD_REASONS } from "../../../lib/contract/held.ts";
import { heldRemedy } from "../../../lib/contract/held-remedies.ts";

test("each reason to hold a file has a remedy of its own, before the commands that decide", () => {
  const remedies = HELD_REASONS.map((reason) => heldRemedy([{ reason, evidence: "" }]));
  assert.equal(new Set(remedies).size, HELD_REASONS.length);
  for (const remedy of remedies) assert.match(remedy, /^[A-Z].*files preview <file_id>.*files refuse <file_id>/);
  const both = heldRemedy([
    { reason: "several_tables", evidence: "" },
    { reason: "new_columns", evidence: "" },
    { reason: "several_tables", evidence: "again" },
  ]);
  assert.match(both, /--footer <rows below it>.*`unexpectedColumns: ignore`/);
  assert.equal(both.split("--footer").length, 2, "each once");
});
