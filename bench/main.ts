/**
 * `npm run bench`: runs benchmarks of the embedded default or of a local stack; one JSON line per benchmark.
 */
import { execFileSync } from "node:child_process";
import { Command } from "commander";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { wholeFrom } from "../scripts/arguments.ts";
import { batchScans } from "./batch-scans.ts";
import * as checks from "./checks.ts";
import * as embedded from "./embedded.ts";
import { isolation, type IsolationOptions } from "./large-files/isolation.ts";
import { oneBadRow } from "./large-files/one-bad-row.ts";
import { filesOfOneTable } from "./large-files/one-table.ts";
import { manyTables, manyTablesOfStack } from "./many-tables.ts";
import { manyTopics } from "./many-topics.ts";
import { besidePyIceberg } from "./pyiceberg.ts";
import { pollock } from "./pollock.ts";
import { commitCostsOfStack } from "./small-commits.ts";
import { hugeFile, mergeOfATenth, upsertScaling } from "./stack-large.ts";
import * as stacked from "./stack.ts";
import { upsertCostsOfStack } from "./upsert-scaling.ts";
import { maintainedLatency, upkeep } from "./upkeep.ts";

interface Flags {
  stack?: string;
  only?: string;
  rows: number;
  rounds: number;
  files: number;
  seconds: number;
  bytes: number;
  batches: number;
  tables: number;
  baseline: number;
  pollock?: string;
  kind: string;
}

const tableCounts = (max: number): number[] => [30, 100, 300, 1_000, 3_000, 10_000].filter((count) => count <= max);

const isolationOf = ({ rows, seconds }: Flags): IsolationOptions => ({
  rows: 10 * rows,
  smallFilesPerS: 5,
  aloneS: Math.ceil(seconds / 6),
});

const OF_EMBEDDED: Record<string, (flags: Flags) => Promise<object>> = {
  upsert: ({ rows, rounds }) => embedded.bigFile({ rows, rounds, table: "sales" }),
  inferred: ({ rows, rounds }) => embedded.bigFile({ rows, rounds, table: "orders" }),
  latency: () => embedded.smallFileLatency({ files: 40 }),
  checks: ({ rows, rounds }) => checks.ofDuckDb(rows, rounds),
  tables: ({ tables }) => manyTables(tableCounts(tables)),
  bad: ({ rows, rounds }) => oneBadRow({ rows, rounds }),
  isolation: (flags) => embedded.withTributary(({ url }) => isolation({ gateway: url }, isolationOf(flags))),
  many: ({ files }) => embedded.manyFiles({ files, tables: 20, rowsPerFile: 20 }),
};

const OF_STACK: Record<string, (stack: stacked.Stack, flags: Flags) => Promise<object>> = {
  big: (stack, { rows }) => stacked.bigFile(stack, rows),
  latency: (stack) => stacked.smallFileLatency(stack, 30),
  steady: (stack, { seconds }) => stacked.steadyLoad(stack, { tables: 20, filesPerS: 10, forS: seconds }),
  commits: (_stack, { stack: folder, files, rows }) => commitCostsOfStack(folder!, { files, rowsBefore: rows }),
  literals: (stack) => stacked.literalMerges(stack, 1_000),
  scaling: (stack, { stack: folder, rows }) =>
    upsertScaling(stack, folder!, { small: rows / 10, large: 5 * rows, changed: Math.ceil(rows / 100) }),
  merge: (stack, { rows }) => mergeOfATenth(stack, rows),
  isolation: (stack, flags) => isolation(stack, isolationOf(flags)),
  files: (stack, { files, rows }) => filesOfOneTable(stack, { files, rowsPerFile: Math.ceil((rows * 3) / 25) }),
  keys: (_stack, { stack: folder, rows }) =>
    upsertCostsOfStack(folder!, { sizes: [rows, 10 * rows, 40 * rows], changed: 100, commits: 9 }),
  peer: (stack, { rows, rounds }) => besidePyIceberg(stack, { rows, rounds }),
  huge: (stack, flags) => hugeFile(stack, flags.stack!, flags.bytes),
  tables: (stack, { stack: folder, tables }) => manyTablesOfStack(stack, folder!, tableCounts(tables)),
  topics: (stack, { tables }) => manyTopics(`kafka://${stack.kafka}`, tableCounts(tables)),
  checks: (stack, { rows, rounds }) => checks.ofTrino(stack, rows, rounds),
  upkeep: (stack, { batches, baseline }) => upkeep(stack, { batches, baselineBatches: baseline }),
  scans: (stack, { rows, batches }) => batchScans(stack, { rows, batches }),
  maintain: (stack, { rows, seconds }) => maintainedLatency(stack, { rows, forS: seconds }),
};

const namesOf = (benchmarks: object): string => Object.keys(benchmarks).join(", ");

const command = new Command("npm run bench --")
  .description("Benchmarks the embedded default, or a running local stack. One JSON line per benchmark.")
  .option("--stack <folder>", "the stack of `npm run stack -- --data <folder>` (default: embedded)")
  .option("--pollock <folder>", "score the files of a checkout of HPI-Information-Systems/Pollock, and nothing else")
  .option("--kind <beginning>", "of the names of files (pollock)", "")
  .option("--only <name>", "one of the benchmarks below")
  .option("--rows <count>", "rows of a large file", wholeFrom(1), 1_000_000)
  .option("--rounds <count>", "rounds of a comparison", wholeFrom(1), 3)
  .option("--files <count>", "number of files (many, commits, files)", wholeFrom(1), 1_000)
  .option(
    "--seconds <count>",
    "duration of the load (steady, maintain; isolation: six times that of small files alone)",
    wholeFrom(1),
    120,
  )
  .option("--bytes <count>", "size of the file (huge)", wholeFrom(1), 2_000_000_000)
  .option("--batches <count>", "number of micro-batches (upkeep, scans)", wholeFrom(1), 1_000)
  .option("--tables <count>", "the largest number of tables (tables, topics)", wholeFrom(10), 1_000)
  .option(
    "--baseline <count>",
    "number of micro-batches that the unmaintained baseline also receives (upkeep)",
    wholeFrom(1),
    150,
  )
  .addHelpText("after", `\nEmbedded: ${namesOf(OF_EMBEDDED)}\nStack:    ${namesOf(OF_STACK)}`)
  .parse();

const flags = command.opts<Flags>();
if (flags.stack !== undefined && !existsSync(join(flags.stack, "stack.json"))) {
  command.error(`error: no stack in ${flags.stack}; start one: npm run stack -- --detach --data ${flags.stack}`);
}
if (flags.pollock !== undefined) {
  console.log(JSON.stringify({ bench: "pollock", ...(await pollock(flags.pollock, flags.kind)) }, null, 2));
  process.exit();
}
const stack = flags.stack === undefined ? undefined : stacked.readStack(flags.stack);
if (stack === undefined)
  execFileSync(process.execPath, [fileURLToPath(new URL("../scripts/build.mjs", import.meta.url))]);
const all = stack === undefined ? OF_EMBEDDED : OF_STACK;
if (flags.only !== undefined && !Object.hasOwn(all, flags.only))
  command.error(`error: unknown benchmark '${flags.only}'; use one of ${namesOf(all)}`);
for (const name of flags.only === undefined ? Object.keys(all) : [flags.only]) {
  const measured = stack === undefined ? OF_EMBEDDED[name]!(flags) : OF_STACK[name]!(stack, flags);
  console.log(JSON.stringify({ bench: name, ...(await measured) }));
}
