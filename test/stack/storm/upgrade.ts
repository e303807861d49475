import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../lib/clock.ts";
import { ROOT } from "../../../scripts/stack/paths.ts";
import { stopProcesses, type ProcessSpec } from "../../../scripts/stack/processes.ts";
import type { RunningStack } from "../../../scripts/stack/stack.ts";
import type { RecordSchema } from "../../../lib/messages/avro.ts";

/** A service drains for at most 10 s. */
const DRAIN_MS_MAX = 15_000;
const PROGRAM = ["lib", "services", "schemas", "package.json", "tsconfig.json"];

/**
 * Makes the program of a next version in `folder`: this one, whose messages have one more field at their end.
 * Returns the folder.
 */
export async function makeNextVersion(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const part of PROGRAM) await cp(join(ROOT, part), join(folder, part), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const file of await readdir(join(folder, "schemas"))) {
    const path = join(folder, "schemas", file);
    const schema = JSON.parse(await readFile(path, "utf8")) as RecordSchema;
    const added = { name: "addedByTheNextVersion", type: "string", default: "new" } as const;
    await writeFile(path, JSON.stringify({ ...schema, fields: [...schema.fields, added] }));
  }
  return folder;
}

/** Which processes are stopped, and why nobody else restarts them. */
export type Stopped = Map<string, Promise<void>>;

/**
 * Replaces the program of every service process, one after the other, as docs/operating.md describes. Waits
 * for a process that a fault has stopped.
 */
export async function changeVersion(stack: RunningStack, stopped: Stopped, root: string): Promise<void> {
  for (const name of Object.keys(stack.file.services)) {
    while (stopped.has(name)) await stopped.get(name);
    const change = replaceProgram(stack, name, root).finally(() => stopped.delete(name));
    stopped.set(name, change);
    await change;
  }
}

/** A third of `forMs` later upgrades all services to `root`, and after another third back to `home`. */
export async function upgradeAndRollBack(
  stack: RunningStack,
  stopped: Stopped,
  { root, home, forMs, say }: { root: string; home: string; forMs: number; say: (line: string) => void },
): Promise<void> {
  for (const [what, to] of [
    ["upgrading", root],
    ["rolling back", home],
  ] as const) {
    // prettier-ignore
    await systemClock.sleep(forMs / 3);
    say(`${what} all services to ${to}`);
    await changeVersion(stack, stopped, to);
    say(`${what} finished`);
  }
}

async function replaceProgram(stack: RunningStack, name: string, root: string): Promise<void> {
  const { record, spec } = stack.processes.find((one) => one.record.name === name)!;
  await stopProcesses([record], DRAIN_MS_MAX);
  stack.restart(name, programIn(root, spec));
}

/** The same program from another folder. */
const programIn = (root: string, spec: ProcessSpec): ProcessSpec => ({
  ...spec,
  args: spec.args.map((argument) =>
    argument.startsWith(spec.cwd) ? join(root, argument.slice(spec.cwd.length)) : argument,
  ),
  cwd: root,
});
