/** `npm run compose:smoke`: checks a running compose from outside, as a user would reach it. */
import { Command } from "commander";
import { systemClock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import { INFRA } from "../stack/paths.ts";
import * as checks from "./checks.ts";
import { checkRuns, openPlace } from "./place.ts";

const QUIET = ["containers", "keys", "upload", "drop", "catalog", "monitoring", "superset"] as const;
const DISTURBING = ["scale", "restart"] as const;

const program = new Command("compose:smoke")
  .description("check a running compose: upload, drop, query, catalog, scaling, a restart, monitoring, Superset")
  .option("--folder <folder>", "folder with compose.yml and .env", INFRA)
  .option("--quiet", "leave out what starts and stops containers: scale and restart")
  .option("--keep", "keep the table that the checks make")
  .option("--times <count>", "run all checks this often, one after the other", Number, 1)
  .addHelpText(
    "after",
    `
It reads ports and keys from .env, needs Docker's command line, and makes a table smoke_… that it drops at the end.
TRIBUTARY_API_KEY must hold the admin key, unless .env still has the example's. Exit code 1: a check failed.

Examples:
  npm run compose:smoke
  npm run compose:smoke -- --quiet
  npm run compose:smoke -- --times 3`,
  );

interface Flags {
  folder: string;
  quiet?: true;
  keep?: true;
  times: number;
}

async function main({ folder, quiet, keep, times }: Flags): Promise<boolean> {
  const place = openPlace(folder, process.env["TRIBUTARY_API_KEY"]);
  await checkRuns(place);
  const names = quiet ? QUIET : [...QUIET.slice(0, 5), ...DISTURBING, ...QUIET.slice(5)];
  let failed = 0;
  for (let run = 1; run <= times; run++) {
    const smoke = { place, table: `smoke_${systemClock.nowMs().toString(36)}`, files: 0 };
    for (const name of names) {
      const sinceMs = systemClock.monotonicMs();
      const [word, found] = await checks[name](smoke).then(
        (text) => ["ok    ", text],
        (error: unknown) => ["FAILED", messageOf(error)],
      );
      if (word === "FAILED") failed++;
      const seconds = ((systemClock.monotonicMs() - sinceMs) / 1_000).toFixed(1);
      process.stdout.write(`${word} ${name.padEnd(11)} ${seconds.padStart(6)} s  ${found}\n`);
    }
    if (!keep) await checks.cleanUp(smoke);
  }
  process.stdout.write(failed === 0 ? "all checks passed\n" : `${failed} checks failed\n`);
  return failed === 0;
}

try {
  if (!(await main(program.parse().opts<Flags>()))) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
