/** Every fuzz target for a short while; `npm run fuzz` goes on for as long as wanted. What it once found stays below. */
import { describe, test } from "node:test";
import { TARGETS } from "./targets.ts";

/** So much less than a chunk of `npm run fuzz` that all targets together take a few seconds. */
const SHARE = 0.4;
const SEED = Number(process.env["TRIBUTARY_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

describe(`fuzzing (TRIBUTARY_TEST_SEED=${SEED})`, () => {
  for (const target of TARGETS) test(target.name, () => target.run(Math.ceil(target.chunk * SHARE), SEED));
});
