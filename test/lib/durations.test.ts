import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../lib/contract/contract.ts";
import { parseDuration } from "../../lib/durations.ts";
import { duration } from "../../lib/process/config.ts";
import { durationMs } from "../../cli/session.ts";

test("a duration is a number and a unit", () => {
  for (const [text, ms] of [
    ["250ms", 250],
    ["1.5s", 1_500],
    [" 5 m ", 300_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
    ["100000d", 8_640_000_000_000],
  ] as const) {
    assert.deepEqual(parseDuration(text, undefined), { ms }, text);
  }
  for (const text of ["", "soon", "-1s", "1w", "1e3s", "s", "1s2s", "1".repeat(13)]) {
    assert.match((parseDuration(text, "s") as { fault: string }).fault, /is not a duration: write/, text);
  }
  assert.deepEqual(parseDuration("100001d", undefined), { fault: "'100001d' is too long: write at most 100000d" });
});

test("a number without a unit means what its caller says, or is refused", () => {
  assert.deepEqual(parseDuration("24", "ms"), { ms: 24 });
  assert.deepEqual(parseDuration("24", "s"), { ms: 24_000 });
  assert.match((parseDuration("24", undefined) as { fault: string }).fault, /'24' has no unit: write 24h/);
  assert.equal(duration.parse("24"), 24, "settings and HTTP: milliseconds");
  assert.equal(durationMs("24"), 24_000, "the CLI: seconds");
  assert.throws(() => durationMs("soon"), /'soon' is not a duration/);
});

test("a contract's max_age names its unit", () => {
  const contractWith = (max_age: unknown) =>
    contractSchema.safeParse({ table: "t", checks: [{ name: "fresh", type: "freshness", max_age }] });
  assert.ok(contractWith("24h").success);
  for (const bare of [24, "24"]) {
    const { error } = contractWith(bare);
    assert.deepEqual(error?.issues[0]?.path, ["checks", 0, "max_age"]);
    assert.match(error?.issues[0]?.message ?? "", /'24' has no unit: write 24h/);
  }
  assert.match(contractWith("soon").error?.issues[0]?.message ?? "", /'soon' is not a duration/);
});
