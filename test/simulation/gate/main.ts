import { Command } from "commander";
import { wholeFrom } from "../../../scripts/arguments.ts";
import { runSchedule } from "./schedule.ts";

const values = new Command("node --import tsx test/simulation/gate/main.ts")
  .description("Runs the commit gate with seeded schedules of faults until it has made so many commits.")
  .option("--commits <count>", "how many", wholeFrom(1), 10_000)
  .option("--from <seed>", "seed of the first schedule (default: random)", wholeFrom(0))
  .option("--seed <seed>", "run only the schedule of this seed, with every step", wholeFrom(0))
  .option("--bail", "stop at the first violation")
  .parse()
  .opts<{ commits: number; from?: number; seed?: number; bail?: boolean }>();

const first = values.seed ?? values.from ?? Math.floor(Math.random() * 2 ** 31);
const total = { schedules: 0, commits: 0, kills: 0, rivals: 0, files: 0, deleted: 0, needed: 0 };
const outcomes: Record<string, number> = {};
const faults: Record<string, number> = {};
const failed: number[] = [];
const startedMs = performance.now();
for (let seed = first; total.commits < values.commits; seed++) {
  const result = await runSchedule(seed);
  total.schedules++;
  for (const name of ["commits", "kills", "rivals", "files"] as const) total[name] += result[name];
  total.deleted += result.deleted.all;
  total.needed += result.deleted.needed;
  for (const [kind, count] of result.outcomes) outcomes[kind] = (outcomes[kind] ?? 0) + count;
  for (const [kind, count] of result.faults) faults[kind] = (faults[kind] ?? 0) + count;
  if (values.seed !== undefined) console.log(result.trace.join("\n"));
  if (result.violations.length > 0) {
    failed.push(seed);
    console.log(`seed ${seed}:\n${result.violations.join("\n")}`);
    process.exitCode = 1;
    if (values.bail) break;
  }
  if (values.seed !== undefined) break;
  if (total.schedules % 500 === 0) console.log(`${total.schedules} schedules, ${total.commits} commits`);
}
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
const json = (counts: Record<string, number>): string => JSON.stringify(counts);
console.log(`${total.schedules} schedules from seed ${first}, in ${seconds} s
commits: ${total.commits}; commits of rivals: ${total.rivals}; kills and stops: ${total.kills}
outcomes of transactions: ${json(outcomes)}
faults of requests: ${json(faults)}
files of snapshots: ${total.files}; files that writers deleted: ${total.deleted}, and a snapshot refers to ${total.needed} of them
${failed.length === 0 ? "no violation" : `violations in seeds ${failed.join(", ")}`}`);
