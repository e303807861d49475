/**
 * `npm run bench [-- --rows N --rounds N --files N]`: the embedded default.
 * `npm run bench -- --stack DIR [--only NAME] [--rows N]`: the local stack that runs in DIR. One JSON line per benchmark.
 */
import { parseArgs } from "node:util";
import * as embedded from "./embedded.ts";
import { hugeFile, upsertScaling } from "./stack-large.ts";
import * as checks from "./checks.ts";
import * as stacked from "./stack.ts";
import { maintainedLatency, upkeep } from "./upkeep.ts";

const { values } = parseArgs({
  options: {
    stack: { type: "string" },
    only: { type: "string" },
    rows: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "3" },
    files: { type: "string", default: "1000" },
    seconds: { type: "string", default: "120" },
    bytes: { type: "string", default: "2000000000" },
    batches: { type: "string", default: "1000" },
  },
});
const [rows, rounds, files] = [Number(values.rows), Number(values.rounds), Number(values.files)];

function ofEmbedded(): Record<string, () => Promise<object>> {
  return {
    upsert: () => embedded.bigFile({ rows, rounds, table: "sales" }),
    inferred: () => embedded.bigFile({ rows, rounds, table: "orders" }),
    latency: () => embedded.smallFileLatency({ files: 40 }),
    checks: () => checks.ofDuckDb(rows, rounds),
    many: () => embedded.manyFiles({ files, tables: 20, rowsPerFile: 20 }),
  };
}

function ofStack(folder: string): Record<string, () => Promise<object>> {
  const stack = stacked.readStack(folder);
  return {
    big: () => stacked.bigFile(stack, rows),
    latency: () => stacked.smallFileLatency(stack, 30),
    steady: () => stacked.steadyLoad(stack, { tables: 20, filesPerS: 10, forS: Number(values.seconds) }),
    literals: () => stacked.literalMerges(stack, 1_000),
    scaling: () => upsertScaling(stack, { small: 100_000, large: 5 * rows, changed: 10_000 }),
    huge: () => hugeFile(stack, folder, Number(values.bytes)),
    checks: () => checks.ofTrino(stack, rows, rounds),
    upkeep: () => upkeep(stack, Number(values.batches)),
    maintain: () => maintainedLatency(stack, { rows, forS: Number(values.seconds) }),
  };
}

const benchmarks = values.stack === undefined ? ofEmbedded() : ofStack(values.stack);
for (const [name, run] of Object.entries(benchmarks)) {
  if (values.only !== undefined && values.only !== name) continue;
  console.log(JSON.stringify({ bench: name, ...(await run()) }));
}
