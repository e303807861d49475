/** Runs every fuzz target briefly; `npm run fuzz` runs longer. Keeps regressions of earlier findings. */
import { describe, test } from "node:test";
import { TARGETS } from "./targets.ts";

/** Share of a chunk of `npm run fuzz`, so that all targets together take a few seconds. */
const SHARE = 0.4;
const SEED = Number(process.env["TRIBUTARY_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

describe(`fuzzing (TRIBUTARY_TEST_SEED=${SEED})`, () => {
  for (const target of TARGETS) test(target.name, () => target.run(Math.ceil(target.chunk * SHARE), SEED));
});
