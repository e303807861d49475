/** A shell that runs one command after the other: folder, aliases and jobs stay from command to command. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface Shell {
  /** Runs one command. Its output is that of stdout and stderr together. */
  run(command: string): Promise<{ output: string; code: number }>;
  /** Stops the jobs in the background with SIGTERM and waits for their end. */
  close(): Promise<void>;
}

const MARK = "--end-of-command--";

export function openShell(cwd: string, env: Readonly<Record<string, string>>): Shell {
  const shell = spawn("bash", ["--noprofile", "--norc"], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
  shell.stdin.write("shopt -s expand_aliases; exec 2>&1\n");
  return {
    async run(command) {
      // A command that ends without a line break leaves the mark in its last line.
      shell.stdin.write(`${command}\nprintf '\\n${MARK} %s\\n' $?\n`);
      const output: string[] = [];
      for (;;) {
        const next: IteratorResult<string, unknown> = await lines.next();
        if (next.done === true) throw new Error(`the shell ended within: ${command}\n${output.join("\n")}`);
        const line = next.value;
        if (line.startsWith(MARK)) return { output: output.join("\n"), code: Number(line.slice(MARK.length)) };
        output.push(line);
      }
    },
    async close() {
      const ended = once(shell, "close");
      shell.stdin.end("kill $(jobs -p) 2>/dev/null; wait\n");
      await ended;
    },
  };
}
