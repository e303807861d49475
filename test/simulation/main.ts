import { Command } from "commander";
import { wholeFrom } from "../../scripts/arguments.ts";
import { runSchedule } from "./schedule.ts";

interface Flags {
  schedules: number;
  seed?: number;
  from?: number;
  bail?: boolean;
  trace?: boolean;
}

const values = new Command("npm run simulate --")
  .description("Runs the pipeline with seeded schedules of faults and compares each result with a model.")
  .option("--schedules <count>", "how many", wholeFrom(1), 1_000)
  .option("--from <seed>", "seed of the first schedule (default: random)", wholeFrom(0))
  .option("--seed <seed>", "run only the schedule of this seed", wholeFrom(0))
  .option("--bail", "stop at the first violation")
  .option("--trace", "print the steps of schedules with a violation")
  .parse()
  .opts<Flags>();

const first = values.seed ?? values.from ?? Math.floor(Math.random() * 2 ** 31);
const count = values.seed === undefined ? values.schedules : 1;
const total = { steps: 0, files: 0, faults: 0, failed: [] as number[] };
const startedMs = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const { violations, steps, files, faults, trace } = await runSchedule(seed);
  total.steps += steps;
  total.files += files;
  total.faults += faults;
  if ((seed - first + 1) % 500 === 0) console.log(`${seed - first + 1} schedules`);
  if (violations.length > 0) {
    total.failed.push(seed);
    if (values.trace) console.log(trace.join("\n"));
    console.log(`seed ${seed}:\n${violations.join("\n")}`);
    process.exitCode = 1;
    if (values.bail) break;
  }
}
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
console.log(
  `${count} schedules from seed ${first}: ${total.files} files, ${total.steps} steps, ${total.faults} faults in ${seconds} s; ` +
    (total.failed.length === 0 ? "no violation" : `violations in seeds ${total.failed.join(", ")}`),
);
