import assert from "node:assert/strict";
import { test } from "node:test";
import { loadPlans, waysTaken } from "./target.ts";

const RUNS = 500;
const SEED = Number(process.env["TRIBUTARY_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`a file loads by a plan as it does row by row (TRIBUTARY_TEST_SEED=${SEED})`, async () => {
  await loadPlans.run(RUNS, SEED);
  const { planned, irregular, refused } = waysTaken();
  assert.ok(planned > RUNS / 4, `${planned} of ${RUNS} files load by a plan`);
  assert.ok(irregular > RUNS / 20, `${irregular} turn out irregular`);
  assert.ok(refused < RUNS / 50, `DuckDB refuses ${refused} plans`);
});
