import { Command, CommanderError } from "commander";
import * as commands from "./commands.ts";
import { addKeys } from "./keys.ts";
import { addReplay } from "./replay.ts";
import * as operations from "./operations.ts";
import { EXIT } from "./output.ts";
import { addRejects } from "./rejects.ts";
import { addTop } from "./top.ts";

const program = new Command("tributary")
  .description("CSV files into tables, as a stream.")
  .option(
    "--url <url>",
    "where the gateway is (TRIBUTARY_URL)",
    process.env["TRIBUTARY_URL"] || "http://127.0.0.1:8080",
  )
  .option("--api-key <key>", "one of the gateway's keys, or a token (better: TRIBUTARY_API_KEY)")
  .option("--ca-file <file>", "PEM certificates trusted besides Node's own (TRIBUTARY_CA_FILE)")
  .option("--json", "print the gateway's answer as it is, for scripts", false)
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError("(--help says more)")
  .exitOverride()
  .addHelpText(
    "after",
    `
Exit codes:
  0  done
  1  the answer is no: a file failed or was rejected, a request was refused
  2  wrong usage
  3  the gateway cannot be reached, or cannot serve now
  4  not finished in time (--wait)

Examples:
  tributary serve
  tributary upload sales data/sales_sample.csv --wait
  tributary query "SELECT country, sum(amount) FROM sales GROUP BY country"`,
  );

commands.addServe(program);
commands.addUpload(program);
commands.addPreview(program);
commands.addStatus(program);
commands.addTables(program);
addTop(program);
commands.addQuery(program);
addRejects(program);
addReplay(program);
operations.addChecks(program);
operations.addMaintain(program);
operations.addHealth(program);
operations.addLog(program);
addKeys(program);
commands.addGenerateSales(program);

// `tributary query … | head`: whoever reads has enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
