/** `npm run storm -- --minutes 10`: kills and freezes processes of a real stack at random under load, then compares every row. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runStorm } from "./run.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    calm: { type: "string", default: "8" },
    data: { type: "string" },
    "trino-memory": { type: "string", default: "2G" },
  },
});
const data = values.data ?? mkdtempSync(join(tmpdir(), "tributary-storm-"));
const say = (line: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
say(`seed ${values.seed}; logs in ${join(data, "logs")}`);
const report = await runStorm({
  data,
  seed: Number(values.seed),
  forMs: Number(values.minutes) * 60_000,
  calmMsMax: Number(values.calm) * 1_000,
  trinoMemory: values["trino-memory"],
  say,
});
console.log(JSON.stringify(report, undefined, 2));
process.exitCode = report.wrong.length === 0 ? 0 : 1;
