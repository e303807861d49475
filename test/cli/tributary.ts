/** Runs the command in its own process, from another folder. */
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { typescriptOptions } from "../../scripts/tributary-process.ts";

export interface CommandResult {
  code: number | null;
  out: string;
  err: string;
}

// What bin/tributary.mjs runs. serve.test.ts, quality.test.ts and top.test.ts start bin/tributary.mjs itself.
const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

export async function tributary(
  args: readonly string[],
  { env = {}, input, cwd = tmpdir() }: { env?: Record<string, string>; input?: string; cwd?: string } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [...typescriptOptions, main, ...args], {
    cwd,
    env: { ...process.env, TRIBUTARY_URL: "", TRIBUTARY_API_KEY: "", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  child.stdin.on("error", () => undefined).end(input ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve(exitCode));
  });
  return { code, out, err };
}
