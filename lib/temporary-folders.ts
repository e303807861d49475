import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "./clock.ts";

/** Of this machine or container: several containers may share a folder, each with process ids of its own. */
const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
const NAME = new RegExp(`^tributary-[a-z]+-${HOST}-([0-9]+)-[0-9a-f]{8}([.][a-z]+)?$`);

let cleaning: Promise<void> | undefined;

/**
 * The path of a new folder of this process in the system's temporary folder, which the caller makes and
 * removes. The first call in a process also removes the folders that killed processes have left.
 */
export function temporaryPath(kind: string): string {
  cleaning ??= removeLeftovers(tmpdir()).catch(() => undefined);
  return join(tmpdir(), `tributary-${kind}-${HOST}-${process.pid}-${randomUUID().slice(0, 8)}`);
}

/** Makes such a folder. */
export async function makeTemporaryFolder(kind: string): Promise<string> {
  const path = temporaryPath(kind);
  await mkdir(path, { mode: 0o700 });
  return path;
}

/** Removes the folders of processes of this machine that are gone, also of one that had this process's id. */
export async function removeLeftovers(folder: string): Promise<void> {
  const startedAtMs = systemClock.nowMs() - process.uptime() * 1000;
  for (const name of await readdir(folder)) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (Number.isNaN(pid)) continue;
    const path = join(folder, name);
    const isLeft = pid === process.pid ? (await changedAtMs(path)) < startedAtMs : !isAlive(pid);
    if (isLeft) await rm(path, { recursive: true, force: true });
  }
}

const changedAtMs = async (path: string): Promise<number> => (await stat(path)).mtimeMs;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
