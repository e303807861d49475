import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, platform } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { systemClock } from "../../../lib/clock.ts";
import { startTimeOf } from "../processes.ts";

/** A program that is installed once per machine and version, outside the checkout. */
export interface Program {
  name: string;
  version: string;
  /** Installs into the empty folder `into`. Its errors name the remedy. */
  build(into: string): Promise<void>;
}

/** TRIBUTARY_CACHE_DIR, or `tributary` in the user's cache folder. */
export function cacheDir(env: Readonly<Record<string, string | undefined>>): string {
  if (env.TRIBUTARY_CACHE_DIR) return env.TRIBUTARY_CACHE_DIR;
  const userCache = platform() === "darwin" ? join(homedir(), "Library", "Caches") : join(homedir(), ".cache");
  return join(env.XDG_CACHE_HOME || userCache, "tributary");
}

/**
 * The folder of the program; installs it if it is missing. The installation is atomic. If several processes
 * need it at the same time, one installs it and the others wait.
 */
export async function install(cache: string, program: Program, say: (line: string) => void): Promise<string> {
  const folder = join(cache, `${program.name}-${program.version}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const unlock = await lock(`${folder}.lock`);
  try {
    if (existsSync(folder)) return folder;
    say(`installing ${program.name} ${program.version} (once) …`);
    const unfinished = `${folder}.${randomUUID()}.part`;
    try {
      await mkdir(unfinished);
      await program.build(unfinished);
      await rename(unfinished, folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    return folder;
  } finally {
    await unlock();
  }
}

/**
 * Waits for the lock file; takes it over from a process that died. Returns a function that releases it. The
 * lock only avoids duplicate work: if two processes take it over at the same moment, both install and one
 * result is discarded.
 */
async function lock(path: string): Promise<() => Promise<void>> {
  const mine = JSON.stringify({ pid: process.pid, born: startTimeOf(process.pid) });
  for (;;) {
    try {
      await writeFile(path, mine, { flag: "wx" });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await readFile(path, "utf8").catch(() => "");
    if (holder !== "" && !holderLives(holder)) {
      await rm(path, { force: true });
      continue;
    }
    await systemClock.sleep(200);
  }
}

function holderLives(holder: string): boolean {
  try {
    const { pid, born } = JSON.parse(holder) as { pid: number; born?: string };
    return born !== undefined && startTimeOf(pid) === born;
  } catch {
    return false;
  }
}

/**
 * Runs a tool.
 * @throws Error with the last lines of its output, or with `missing` if the tool does not exist.
 */
export function runTool(
  command: string,
  args: readonly string[],
  options: { missing: string; cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    const keep = (chunk: Buffer): void => {
      printed = (printed + chunk.toString("utf8")).slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ENOENT" ? new Error(options.missing) : error);
    });
    child.once("close", (code) => {
      if (code === 0) return resolve(printed);
      const end = printed.trimEnd().split("\n").slice(-15).join("\n  ");
      reject(
        new Error(`${command} ${args.slice(0, 3).join(" ")} … failed with exit code ${code ?? "none"}:\n  ${end}`),
      );
    });
  });
}

/** @throws Error if the file does not have the pinned hash. */
export async function verifySha256(path: string, pinned: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const found = hash.digest("hex");
  if (found !== pinned) {
    throw new Error(`${path} has sha256 ${found}, expected the pinned ${pinned}. Nothing was installed.`);
  }
}

/** Copies one artifact of Maven Central into a folder; Maven resumes and verifies the transfer. */
export async function mavenCopy(artifact: string, into: string): Promise<void> {
  await runTool(
    "mvn",
    ["--batch-mode", "-q", `${DEPENDENCY_PLUGIN}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${into}`],
    { missing: MAVEN_MISSING, cwd: into },
  );
}

export const DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";
export const MAVEN_MISSING =
  "Maven is required to download Kafka and Trino, but `mvn` is not on the PATH. " +
  "Install it: `apt-get install maven` or `brew install maven`.";
export const PYTHON_MISSING =
  "Python 3 with pip is required to download SeaweedFS, but `python3` is not on the PATH. " +
  "Install it: `apt-get install python3-pip` or `brew install python`.";
