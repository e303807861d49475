import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ROOT } from "../../scripts/stack/paths.ts";

/** A script that runs in a process of its own. `ended`: "SIGKILL", or null if it has come to its end. */
export interface RunningScript {
  child: ChildProcess;
  ended: Promise<string | null>;
}

/**
 * Runs a TypeScript file with its argument as JSON. `ended` rejects with what it wrote to stderr if it fails
 * without being killed.
 */
export function startScript(script: URL, argument: object): RunningScript {
  const args = ["--import", "./scripts/typescript/register.mjs", fileURLToPath(script), JSON.stringify(argument)];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString("utf8")).slice(-2_000)));
  const closed = new Promise<[number | null, string | null]>((resolve) =>
    child.once("close", (...how) => resolve(how)),
  );
  const ended = closed.then(([code, signal]) => {
    assert.ok(signal === "SIGKILL" || code === 0, `exit code ${code}: ${said}`);
    return signal;
  });
  return { child, ended };
}
