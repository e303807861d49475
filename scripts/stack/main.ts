import { Command, InvalidArgumentError, Option } from "commander";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { messageOf, TributaryError } from "../../lib/errors.ts";
import { wholeFrom } from "../arguments.ts";
import { duckdbExtensions } from "./programs/duckdb-extensions.ts";
import { cacheDir } from "./programs/install.ts";
import { testEnvironment } from "./programs/services.ts";
import { PORT_NAMES, type PortName } from "./settings.ts";
import { ENGINES, startStack, stopStack, type Engine, type RunningStack, type StackOptions } from "./stack.ts";

interface Flags {
  data?: string;
  detach?: boolean;
  stop?: boolean;
  run?: string;
  services: boolean;
  superset?: boolean;
  engine: Engine;
  parsers: number;
  committers: number;
  trinoMemory: string;
  port: Partial<Record<PortName, number>>;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

function fixedPort(text: string, before: Flags["port"]): Flags["port"] {
  const [name = "", port = ""] = text.split("=");
  if (!(PORT_NAMES as readonly string[]).includes(name)) {
    throw new InvalidArgumentError(`use name=port with one of these names: ${PORT_NAMES.join(", ")}`);
  }
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
    throw new InvalidArgumentError("use a port from 1 to 65535");
  return { ...before, [name]: Number(port) };
}

const command = new Command("npm run stack --")
  .description("Runs Kafka, SeaweedFS, Trino and Tributary's services on this machine, without Docker.")
  .option("--data <folder>", "folder for data, logs and stack.json (default: .tributary/stack)")
  .option("--detach", "return when everything is ready and leave it running")
  .option("--stop", "stop the stack of --data")
  .option(
    "--run <command>",
    "start the servers in a temporary folder, run the command with TRIBUTARY_TEST_… set, stop the servers",
  )
  .option("--no-services", "start only the servers")
  .option("--superset", "also start Superset, with a dataset for every table and the sales dashboard")
  .addOption(
    new Option(
      "--engine <name>",
      "what writes tables: trino; iceberg: DuckDB, in a REST catalog; auto: DuckDB with Trino",
    )
      .choices(ENGINES)
      .default("trino"),
  )
  .option("--parsers <count>", "number of parsers", wholeFrom(1, 64), 1)
  .option("--committers <count>", "number of committers", wholeFrom(1, 64), 1)
  .addOption(new Option("--trino-memory <size>", "Trino's heap size").env("TRIBUTARY_STACK_TRINO_MEMORY").default("2G"))
  .option("--port <name=port>", `a fixed port instead of a free one; names: ${PORT_NAMES.join(", ")}`, fixedPort, {});

/** Ctrl-C during the start stops what has been started; later it stops the stack. */
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
}

async function main(flags: Flags): Promise<number> {
  if (flags.run !== undefined) return runWithStack(flags, flags.run);
  const data = resolve(flags.data ?? ".tributary/stack");
  if (flags.stop) {
    await stopStack(data, say);
    return 0;
  }
  const about = {
    duckdbExtensions: await duckdbExtensions(cacheDir(process.env), say),
    hasTrino: flags.engine !== "iceberg",
  };
  const stack = await startStack(stackOptions(flags, data));
  await writeFile(join(data, "test.env"), exportsOf(testEnvironment(stack.settings, about)), { mode: 0o600 });
  say(`ready; keys and addresses are in ${join(data, "stack.json")}, logs in ${join(data, "logs")}`);
  if (flags.detach) return 0;
  say("press Ctrl-C to stop");
  const ended = await firstEnd(stack);
  if (ended !== undefined) say(`${ended}; stopping the others`);
  await stopStack(data, say);
  return ended === undefined ? 0 : 1;
}

/** Waits for a signal (undefined) or for the first process that ends unexpectedly. */
function firstEnd(stack: RunningStack): Promise<string | undefined> {
  return new Promise((settle) => {
    // Keeps this process alive: its detached children do not.
    const hold = setInterval(() => undefined, 60_000);
    const end = (what: string | undefined): void => {
      clearInterval(hold);
      settle(what);
    };
    if (interrupted.signal.aborted) return end(undefined);
    interrupted.signal.addEventListener("abort", () => end(undefined), { once: true });
    for (const { record, ended } of stack.processes) {
      void ended.then((how) => end(`${record.name} ended unexpectedly (${how}); see its log: ${record.log}`));
    }
  });
}

/** Returns the command's exit code. Keeps the folder if the command failed, for its logs. */
async function runWithStack(flags: Flags, line: string): Promise<number> {
  const data = flags.data === undefined ? await mkdtemp(join(tmpdir(), "tributary-stack-")) : resolve(flags.data);
  const about = {
    duckdbExtensions: await duckdbExtensions(cacheDir(process.env), say),
    hasTrino: flags.engine !== "iceberg",
  };
  const stack = await startStack(stackOptions({ ...flags, services: false }, data));
  let code = 1;
  try {
    code = await runShell(line, { ...process.env, ...testEnvironment(stack.settings, about), REQUIRE_STACK: "1" });
    return code;
  } finally {
    await stopStack(data, say, { discard: flags.data === undefined });
    if (flags.data === undefined && code === 0) await rm(data, { recursive: true, force: true });
    else say(`logs: ${join(data, "logs")}`);
  }
}

function runShell(line: string, env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((settle, reject) => {
    const child = spawn(line, { shell: true, stdio: "inherit", env });
    interrupted.signal.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
    child.once("error", reject);
    child.once("exit", (code, signal) => settle(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

const stackOptions = (flags: Flags, data: string): StackOptions => ({
  data,
  services: flags.services,
  superset: flags.superset ?? false,
  engine: flags.engine,
  parsers: flags.parsers,
  committers: flags.committers,
  trinoMemory: flags.trinoMemory,
  fixedPorts: flags.port,
  env: process.env,
  signal: interrupted.signal,
  say,
});

const exportsOf = (env: Record<string, string>): string =>
  Object.entries(env)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join("");

try {
  process.exitCode = await main(command.parse().opts<Flags>());
} catch (error) {
  say(`\n${messageOf(error)}`);
  if (error instanceof TributaryError) say(`→ ${error.remedy}`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
