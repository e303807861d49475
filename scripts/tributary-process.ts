/**
 * Starts Tributary as a child process on a data folder, like `npm start`, for the demo, benchmarks and
 * tests.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { once } from "node:events";

const root = fileURLToPath(new URL("..", import.meta.url));
const READY_MS_MAX = 60_000;
const CACHED_TYPESCRIPT = new URL("./typescript/register.mjs", import.meta.url).href;

/**
 * Node options for a child process that runs TypeScript. The child loads it in the same way as this process:
 * from the tests' cache or with tsx.
 */
export const typescriptOptions: readonly string[] = [
  "--import",
  process.execArgv.some((option) => option.endsWith("scripts/typescript/register.mjs"))
    ? CACHED_TYPESCRIPT
    : import.meta.resolve("tsx"),
];

export interface TributaryProcess {
  url: string;
  process: ChildProcess;
  /** Sends the signal and resolves with the exit code once the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** The output on standard error so far. */
  log(): string;
}

/** A TCP port of the loopback address that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Arguments of Node that run Tributary. */
const FROM_SOURCES: readonly string[] = [...typescriptOptions, "services/main.ts"];
/** As an installation does, after `npm run build`. */
export const COMPILED: readonly string[] = ["dist/services/main.js"];

/** Resolves when /readyz succeeds. @throws Error with the output of the process if it ends before */
export async function startTributary(
  dataDir: string,
  env: Record<string, string> = {},
  nodeOptions: string[] = [],
  program = FROM_SOURCES,
): Promise<TributaryProcess> {
  const port = Number(env.TRIBUTARY_PORT ?? (await freePort()));
  const child = spawn(process.execPath, [...nodeOptions, ...program], {
    cwd: root,
    env: {
      ...process.env,
      TRIBUTARY_LOG_LEVEL: "warn",
      ...env,
      TRIBUTARY_DATA_DIR: dataDir,
      TRIBUTARY_PORT: String(port),
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-100_000)));
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + READY_MS_MAX;
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then(
      async (response) => (await response.arrayBuffer(), response.ok),
      () => false,
    );
    if (ready) break;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Tributary ended before it was ready:\n${output}`);
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`Tributary was not ready within ${READY_MS_MAX / 1000} s:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    url,
    process: child,
    log: () => output,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return exited;
    },
  };
}
