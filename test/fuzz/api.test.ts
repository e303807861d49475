/**
 * A short run of `npm run fuzz:api`, with one seed: what other seeds find, that command is for, so that chance stops nobody's build.
 * Needs Python 3 with pip; without it, it says so and is skipped.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fuzzApi } from "../../scripts/fuzz-api.ts";

const SECONDS_MAX = 25;
const OPERATIONS_MIN = 19;
const SEED = 101;

const hasPip = spawnSync("python3", ["-m", "pip", "--version"]).status === 0;
const missing = "no Python 3 with pip: the HTTP interface is not fuzzed";
if (!hasPip && process.env["REQUIRE_STACK"] === "1") throw new Error(missing);
if (!hasPip) process.stderr.write(`SKIPPED: ${missing}\n`);

test(
  "no request, allowed or not, gets an answer that /openapi.json does not describe",
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
    assert.ok(operations >= OPERATIONS_MIN, `only ${operations} operations were to be tested:\n${report}`);
    assert.ok(tested === operations && cases >= operations, `only ${tested} operations were tested:\n${report}`);
  },
);
