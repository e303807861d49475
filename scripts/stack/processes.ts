import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { execFileSync } from "node:child_process";
import { systemClock } from "../../lib/clock.ts";

/** Record of a process. `born` tells whether a pid still belongs to the same process. */
export interface ProcessRecord {
  name: string;
  pid: number;
  /** Start time in the system's format; undefined if the process ended before it could be read. */
  born: string | undefined;
  log: string;
}

export interface Started {
  spec: ProcessSpec;
  record: ProcessRecord;
  /** Resolves when the process ends: "exit code 1", "signal SIGKILL" or the reason why it did not start. */
  ended: Promise<string>;
}

export interface ProcessSpec {
  name: string;
  command: string;
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Standard output and error are appended here. */
  log: string;
}

/**
 * Starts a process in its own session: neither Ctrl-C in the terminal nor the end of this process stops it.
 */
export function startProcess(spec: ProcessSpec): Started {
  mkdirSync(dirname(spec.log), { recursive: true });
  const log = openSync(spec.log, "a", 0o600);
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    env: spec.env,
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.unref();
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not start: ${error.message}`));
    child.once("exit", (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code ?? "unknown"}`));
  });
  const pid = child.pid ?? -1;
  return { spec, record: { name: spec.name, pid, born: pid > 0 ? startTimeOf(pid) : undefined, log: spec.log }, ended };
}

/**
 * Start time of the running process `pid` in the system's format; undefined if there is none or it is a
 * zombie.
 */
export function startTimeOf(pid: number): string | undefined {
  if (existsSync("/proc/self/stat")) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // The leader can be a zombie shortly before its last thread releases ports and files.
      const ended = (fields[0] === "Z" && Number(fields[17]) <= 1) || fields[0] === "X";
      return ended ? undefined : `${bootId()} ${fields[19] ?? ""}`;
    } catch {
      return undefined;
    }
  }
  try {
    const [state, ...born] = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split(/\s+/);
    return state === undefined || state.startsWith("Z") ? undefined : born.join(" ");
  } catch {
    return undefined;
  }
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();

/** True while the recorded process runs; another process with the same pid does not count. */
export function isAlive(record: ProcessRecord): boolean {
  return record.born !== undefined && startTimeOf(record.pid) === record.born;
}

/**
 * Stops processes: sends SIGTERM to each and waits for all. After `graceMs` it sends SIGKILL to the remaining
 * ones and their children. It does not signal processes that are not the recorded ones.
 */
export async function stopProcesses(records: readonly ProcessRecord[], graceMs: number): Promise<void> {
  for (const record of records) signal(record, "SIGTERM");
  const deadline = systemClock.monotonicMs() + graceMs;
  while (records.some(isAlive) && systemClock.monotonicMs() < deadline) await systemClock.sleep(50);
  for (const record of records) signal(record, "SIGKILL");
  while (records.some(isAlive)) await systemClock.sleep(20);
}

function signal(record: ProcessRecord, name: "SIGTERM" | "SIGKILL"): void {
  if (!isAlive(record)) return;
  try {
    // Each process is the leader of its own group.
    process.kill(name === "SIGKILL" ? -record.pid : record.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Waits until `probe` stops throwing.
 * @throws Error with the log's last lines if the process ends or `withinMs` pass; the reason of `signal` if
 * it aborts.
 */
export async function waitUntilReady(
  started: Started,
  probe: () => Promise<void>,
  options: { withinMs: number; signal: AbortSignal },
): Promise<void> {
  const { record } = started;
  const deadline = systemClock.monotonicMs() + options.withinMs;
  let end: string | undefined;
  void started.ended.then((how) => (end = how));
  for (;;) {
    options.signal.throwIfAborted();
    try {
      await probe();
      if (end === undefined) return;
      throw new Error("another process answers");
    } catch (error) {
      if (end !== undefined) throw await failure(record, `${record.name} ended while starting (${end})`);
      if (systemClock.monotonicMs() > deadline) {
        const seconds = Math.round(options.withinMs / 1000);
        const cause = error instanceof Error ? error.message : String(error);
        throw await failure(record, `${record.name} was not ready within ${seconds} s: ${cause}`);
      }
    }
    await systemClock.sleep(100, options.signal);
  }
}

async function failure(record: ProcessRecord, what: string): Promise<Error> {
  const lines = await lastLines(record.log, 25);
  return new Error(`${what}. Last lines of ${record.log}:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

/** The last lines of a text file, within its last 64 KiB. */
export async function lastLines(path: string, count: number): Promise<string[]> {
  if (!existsSync(path)) return [];
  const size = statSync(path).size;
  const file = await open(path);
  try {
    const start = Math.max(0, size - 65_536);
    const buffer = Buffer.alloc(size - start);
    await file.read(buffer, 0, buffer.length, start);
    return buffer.toString("utf8").trimEnd().split("\n").slice(-count);
  } finally {
    await file.close();
  }
}

/** @throws Error unless `url` responds with a status below 400. */
export async function httpAnswers(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${url} responds with status ${response.status}`);
}
