import { systemClock } from "../../../lib/clock.ts";
import { isAlive, type Started } from "../../../scripts/stack/processes.ts";
import type { RunningStack } from "../../../scripts/stack/stack.ts";
import type { Stopped } from "./upgrade.ts";

/** A fault, and how long the process is stopped. */
interface Fault {
  what: "kill" | "freeze";
  /** Prefix of the processes' names. */
  whom: string;
  weight: number;
  /** Maximum, in milliseconds. */
  awayMsMax: number;
}

/** A freeze beyond the session timeout makes a zombie: another member owns its partitions when it resumes. */
const FAULTS: readonly Fault[] = [
  { what: "kill", whom: "gateway", weight: 2, awayMsMax: 3_000 },
  { what: "kill", whom: "parser", weight: 4, awayMsMax: 5_000 },
  { what: "kill", whom: "committer", weight: 5, awayMsMax: 5_000 },
  { what: "kill", whom: "scheduler", weight: 1, awayMsMax: 5_000 },
  { what: "kill", whom: "kafka", weight: 2, awayMsMax: 8_000 },
  { what: "kill", whom: "seaweedfs", weight: 2, awayMsMax: 8_000 },
  { what: "kill", whom: "trino", weight: 2, awayMsMax: 8_000 },
  { what: "freeze", whom: "committer", weight: 3, awayMsMax: 25_000 },
  { what: "freeze", whom: "parser", weight: 1, awayMsMax: 25_000 },
  { what: "freeze", whom: "gateway", weight: 1, awayMsMax: 10_000 },
  { what: "freeze", whom: "scheduler", weight: 1, awayMsMax: 10_000 },
  { what: "freeze", whom: "kafka", weight: 1, awayMsMax: 8_000 },
  { what: "freeze", whom: "seaweedfs", weight: 1, awayMsMax: 8_000 },
];

export interface StormOptions {
  stack: RunningStack;
  /** The processes that are stopped; others add those that they stop. */
  stopped: Stopped;
  random: () => number;
  /** Maximum time between two faults. */
  calmMsMax: number;
  signal: AbortSignal;
  say: (line: string) => void;
}

/**
 * Kills and freezes processes until stopped; then all processes run again. Returns the count of each fault.
 */
export async function storm({
  stack,
  stopped,
  random,
  calmMsMax,
  signal,
  say,
}: StormOptions): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const over = new AbortController();
  const watching = restartEnded(stack, (name) => stopped.has(name), over.signal);
  while (!signal.aborted) {
    await systemClock.sleep(random() * calmMsMax, signal);
    const fault = pick(random);
    const victims = stack.processes.filter(({ record }) => record.name.startsWith(fault.whom));
    const victim = victims[Math.floor(random() * victims.length)];
    if (signal.aborted || !victim || stopped.has(victim.record.name) || !isAlive(victim.record)) continue;
    const { name } = victim.record;
    const awayMs = fault.awayMsMax * (0.2 + 0.8 * random());
    say(`${fault.what} ${name} for ${(awayMs / 1000).toFixed(1)} s`);
    counts.set(`${fault.what} ${fault.whom}`, (counts.get(`${fault.what} ${fault.whom}`) ?? 0) + 1);
    const back = fault.what === "kill" ? killed(stack, victim, awayMs) : frozen(victim, awayMs);
    stopped.set(
      name,
      back.finally(() => stopped.delete(name)),
    );
  }
  await Promise.all(stopped.values());
  over.abort();
  await watching;
  return counts;
}

function pick(random: () => number): Fault {
  let left = random() * FAULTS.reduce((sum, { weight }) => sum + weight, 0);
  return FAULTS.find(({ weight }) => (left -= weight) < 0) ?? FAULTS[0]!;
}

async function killed(stack: RunningStack, { record, ended }: Started, awayMs: number): Promise<void> {
  process.kill(-record.pid, "SIGKILL");
  await ended;
  await systemClock.sleep(awayMs);
  stack.restart(record.name);
}

async function frozen({ record }: Started, awayMs: number): Promise<void> {
  process.kill(-record.pid, "SIGSTOP");
  await systemClock.sleep(awayMs);
  process.kill(-record.pid, "SIGCONT");
}

const RESTART_MS = 1_000;

/**
 * Restarts processes that end unexpectedly, for instance a service that starts while its log is unavailable.
 * In compose `restart: unless-stopped` does this.
 */
export async function restartEnded(
  stack: RunningStack,
  isAway: (name: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await systemClock.sleep(RESTART_MS, signal);
    for (const { record } of stack.processes) {
      if (!isAway(record.name) && !isAlive(record)) stack.restart(record.name);
    }
  }
}
