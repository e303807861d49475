import { randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

/** The folder of files being written: hidden, and under the root so that it is on the same volume. */
export const TEMPORARY_FOLDER = ".tributary-unfinished";

/** A file not written to for this long has no live writer on any machine. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Distinguishes this process from an earlier one with the same pid (in a container the pid is often 1). */
const PROCESS_TOKEN = randomBytes(8).toString("hex");
const HOST = hostname();

/** A unique name that identifies its process. */
export const temporaryName = (): string => [process.pid, PROCESS_TOKEN, randomBytes(8).toString("hex"), HOST].join("~");

/** Removes the files of dead writers and keeps those of live ones on any machine. */
export async function removeLeftovers(root: string, nowMs: number): Promise<void> {
  const folder = join(root, TEMPORARY_FOLDER);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    if (hasDeadWriter(name) || (await isAbandoned(path, nowMs))) await rm(path, { force: true, recursive: true });
  }
}

/** False also for the files of other hosts: their pids mean nothing here. */
function hasDeadWriter(name: string): boolean {
  const [pid, token, , ...host] = name.split("~");
  if (host.join("~") !== HOST) return false;
  if (Number(pid) === process.pid) return token !== PROCESS_TOKEN;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

async function isAbandoned(path: string, nowMs: number): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && nowMs - stats.mtimeMs > ABANDONED_AFTER_MS;
}
