import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Runs all services in one process (services/main.ts) as a child with the same Node options, and resolves with its exit code. The child
 * keeps the data folder and the contracts where the command was called.
 */
export function serve(env: Record<string, string>): Promise<number> {
  const main = fileURLToPath(new URL("../services/main.ts", import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, "--import", import.meta.resolve("tsx"), main], {
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  // Ctrl+C reaches the child by itself where there is a terminal; a second signal would make it drop its work.
  process.on("SIGINT", () => {
    if (!process.stdin.isTTY) child.kill("SIGINT");
  });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
