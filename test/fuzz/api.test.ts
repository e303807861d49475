/**
 * A short run of `npm run fuzz:api` with a fixed seed, so that the build is deterministic; use the command
 * for other seeds. Needs Python 3 with pip; skipped with a message without it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fuzzApi } from "../../scripts/fuzz-api.ts";

const SECONDS_MAX = 25;
const OPERATIONS_MIN = 19;
const SEED = 101;

const hasPip = spawnSync("python3", ["-m", "pip", "--version"]).status === 0;
const missing = "no Python 3 with pip: the HTTP API is not fuzzed";
if (!hasPip && process.env["REQUIRE_STACK"] === "1") throw new Error(missing);
if (!hasPip) process.stderr.write(`SKIPPED: ${missing}\n`);

test(
  "every response to valid and invalid requests conforms to /openapi.json",
  { skip: hasPip ? false : missing },
  async (t) => {
    const say = (line: string): void => t.diagnostic(line);
    const { passed, operations, tested, cases, report } = await fuzzApi({
      secondsMax: SECONDS_MAX,
      examplesMax: 50,
      seed: SEED,
      say,
    });
    t.diagnostic(`${operations} operations, ${cases} cases, seed ${SEED}`);
    assert.ok(passed, report);
    assert.ok(operations >= OPERATIONS_MIN, `only ${operations} operations were selected:\n${report}`);
    // A loaded machine does not reach all of them in that time.
    assert.ok(tested >= OPERATIONS_MIN && cases >= tested, `only ${tested} operations were tested:\n${report}`);
  },
);
