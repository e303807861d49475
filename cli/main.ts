import { Command, CommanderError } from "commander";
import * as commands from "./commands.ts";
import { addContract } from "./contract/commands.ts";
import { addCancel } from "./files/cancel.ts";
import { addHeld } from "./files/held.ts";
import { addDoctor } from "./catalog/doctor.ts";
import { addRegister } from "./catalog/register.ts";
import { addHelp } from "./requests/help.ts";
import { addKeys } from "./keys.ts";
import { addReplay } from "./replay.ts";
import * as operations from "./operations.ts";
import { version } from "../lib/process/version.ts";
import { EXIT } from "./output.ts";
import { addRejects } from "./rejects/rejects.ts";
import { addRebuild } from "./tables/rebuild.ts";
import { addRename } from "./tables/rename.ts";
import { addTableOperations, addUndo } from "./tables/take-back.ts";
import { addTop } from "./top.ts";
import { addWorkers } from "./tables/workers.ts";
import { addUploads } from "./files/uploads.ts";

const localUrl = `http://127.0.0.1:${process.env["TRIBUTARY_PORT"] || 8080}`;

const program: Command = new Command("tributary")
  .description("Streams CSV files into tables.")
  .version(version, "--version", "print the version")
  .option(
    "--url <url>",
    "URL of the gateway (TRIBUTARY_URL; default: this machine, port TRIBUTARY_PORT)",
    process.env["TRIBUTARY_URL"] || localUrl,
  )
  .option("--api-key <key>", "API key or token (TRIBUTARY_API_KEY is safer)")
  .option("--ca-file <file>", "PEM file of additional trusted CA certificates (TRIBUTARY_CA_FILE)")
  .option("--json", "print the gateway's response as JSON, for scripts", false)
  .configureHelp({
    showGlobalOptions: true,
    // Commands repeat the options that they share with their parent.
    visibleGlobalOptions: (command) => (command.parent ? program.options.filter(({ hidden }) => !hidden) : []),
  })
  .showHelpAfterError("(use --help for usage)")
  .exitOverride()
  .addHelpText(
    "after",
    `
Exit codes:
  0  success
  1  failure: a file failed or was rejected, or the gateway refused the request
  2  usage error
  3  the gateway is unreachable or unavailable
  4  timeout of --wait
  5  the files were committed, but without some rejected rows
  6  a file is held: it waits for \`tributary files accept\` or \`refuse\`

Examples:
  tributary serve
  tributary generate-sales --rows 200 --out sales.csv
  tributary upload sales sales.csv --wait
  tributary query "SELECT country, sum(amount) FROM sales GROUP BY country"`,
  );

commands.addServe(program);
commands.addUpload(program);
commands.addPreview(program);
commands.addStatus(program);
commands.addTables(program);
addTop(program);
addWorkers(program);
addUploads(program);
commands.addQuery(program);
addRejects(program);
addReplay(program);
addContract(program);
operations.addChecks(program);
operations.addDrops(program);
operations.addMaintain(program);
operations.addHealth(program);
const files = operations.addFiles(program);
addCancel(files);
addHeld(files);
commands.addFileShow(files);
addUndo(program);
addTableOperations(program);
addRebuild(program);
addRename(program);
operations.addLog(program);
addKeys(program);
addDoctor(program);
addRegister(program);
commands.addGenerateSales(program);
addHelp(program);

// Exit quietly when the reader closes the pipe: `tributary query … | head`.
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
