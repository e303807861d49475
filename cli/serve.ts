import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The compiled program is a .js file like this one. As .ts it needs tsx. */
function program(): string[] {
  if (!import.meta.url.endsWith(".ts")) return [fileURLToPath(new URL("../services/main.js", import.meta.url))];
  return ["--import", import.meta.resolve("tsx"), fileURLToPath(new URL("../services/main.ts", import.meta.url))];
}

/**
 * Runs all services in one child process (services/main.ts) with the same Node options, and resolves with its
 * exit code. The child runs in the current folder, so relative paths of data and contracts start there.
 */
export function serve(env: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...program()], {
    // The child stops when the channel closes, also if this process is killed.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, ...env },
  });
  // On a terminal Ctrl+C also reaches the child; a second signal would stop it without a clean shutdown.
  process.on("SIGINT", () => {
    if (!process.stdin.isTTY) child.kill("SIGINT");
  });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
