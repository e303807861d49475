import { parseArgs } from "node:util";
import { runSchedule } from "./schedule.ts";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "1000" },
    seed: { type: "string" },
    from: { type: "string" },
    bail: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
  },
});

const first = Number(values.seed ?? values.from ?? Math.floor(Math.random() * 2 ** 31));
const count = values.seed === undefined ? Number(values.schedules) : 1;
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
