/**
 * `npm run storm -- --minutes 10`: kills and freezes processes of a stack under load, then compares every
 * row.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { numberFrom, wholeFrom } from "../../../scripts/arguments.ts";
import { ENGINES, type Engine } from "../../../scripts/stack/stack.ts";
import { runStorm } from "./run.ts";

interface Flags {
  minutes: number;
  seed: number;
  calm: number;
  data?: string;
  trinoMemory: string;
  engine: Engine;
  upgrade?: string | true;
}

const flags = new Command("npm run storm --")
  .description("Starts a stack, kills and freezes its processes at random under load, then compares every row.")
  .option("--minutes <count>", "duration of the faults", numberFrom(0), 10)
  .option("--seed <seed>", "seed of the faults, files and pauses", wholeFrom(0), Date.now() % 1_000_000)
  .option("--calm <seconds>", "maximum pause between two faults", numberFrom(0), 8)
  .option("--data <folder>", "folder for the stack's data and logs (default: a temporary folder)")
  .option("--trino-memory <size>", "Trino's heap", "2G")
  .addOption(
    new Option("--engine <name>", "what writes the tables; with iceberg the catalog also loses requests and answers")
      .choices(ENGINES)
      .default("trino"),
  )
  .option(
    "--upgrade [folder]",
    "upgrade all services to the checkout in this folder (default: to this version with one more field in each " +
      "message) and roll them back, in the middle of the faults",
  )
  .parse()
  .opts<Flags>();
const data = flags.data ?? mkdtempSync(join(tmpdir(), "tributary-storm-"));
const say = (line: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
say(`seed ${flags.seed}; logs in ${join(data, "logs")}`);
const report = await runStorm({
  data,
  seed: flags.seed,
  forMs: flags.minutes * 60_000,
  calmMsMax: flags.calm * 1_000,
  trinoMemory: flags.trinoMemory,
  engine: flags.engine,
  ...(flags.upgrade === undefined ? {} : { other: flags.upgrade === true ? "next" : resolve(flags.upgrade) }),
  say,
});
console.log(JSON.stringify(report, undefined, 2));
process.exitCode = report.wrong.length === 0 ? 0 : 1;
