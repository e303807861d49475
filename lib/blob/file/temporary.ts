import { randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

/** Where files are while they are written: hidden, under the store's root, hence on the same volume. */
export const TEMPORARY_FOLDER = ".tributary-unfinished";

/** Whoever wrote nothing to a file for so long is dead, wherever it ran. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Tells this process from an earlier one with the same id (in a container every process may be number 1). */
const LIFE = randomBytes(8).toString("hex");
const HOST = hostname();

/** A name nobody else takes, and that says whose it is. */
export const temporaryName = (): string => [process.pid, LIFE, randomBytes(8).toString("hex"), HOST].join("~");

/** Removes what dead writers left; living ones on this or another machine keep theirs. */
export async function removeLeftovers(root: string, nowMs: number): Promise<void> {
  const folder = join(root, TEMPORARY_FOLDER);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    if (isOfTheDead(name) || (await isAbandoned(path, nowMs))) await rm(path, { force: true, recursive: true });
  }
}

function isOfTheDead(name: string): boolean {
  const [pid, life, , ...host] = name.split("~");
  if (host.join("~") !== HOST) return false;
  if (Number(pid) === process.pid) return life !== LIFE;
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
