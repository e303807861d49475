/**
 * A short chaos test (`npm run storm` is longer): kills and freezes processes under load, then compares every
 * row.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runStorm } from "./storm/run.ts";

const wanted = process.env.REQUIRE_STACK === "1";
const skip = wanted ? false : "set REQUIRE_STACK=1: the test starts a stack and takes minutes";
if (skip) process.stderr.write(`SKIPPED: ${skip}\n`);

test(
  "a minute of kills, freezes, an upgrade and a rollback causes no lost, duplicate or partial data",
  { skip, timeout: 1_200_000 },
  async (t) => {
    const data = await mkdtemp(join(tmpdir(), "tributary-storm-test-"));
    const seed = Number(process.env.TRIBUTARY_TEST_SEED ?? Date.now() % 1_000_000);
    const report = await runStorm({
      ...{ data, seed, forMs: 60_000, calmMsMax: 6_000, trinoMemory: "2G", other: "next" },
      say: (line) => t.diagnostic(line),
    });
    t.diagnostic(JSON.stringify(report));
    assert.deepEqual(report.wrong, [], `seed ${seed}; logs in ${join(data, "logs")}`);
    assert.ok(report.rows > 0 && report.reads > 0 && Object.keys(report.faults).length > 2);
    await rm(data, { recursive: true });
  },
);
