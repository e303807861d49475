import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { openBlobStore } from "../../../lib/blob/open.ts";
import { systemClock } from "../../../lib/clock.ts";
import { ROOT } from "../../../scripts/stack/paths.ts";
import { startStack, stopStack, type RunningStack } from "../../../scripts/stack/stack.ts";
import { seededRandom } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import { restartEnded, storm } from "./faults.ts";
import { readDuringStorm } from "./readers.ts";
import { TABLES } from "./tables.ts";
import { sendTraffic } from "./traffic.ts";
import { changeVersion, makeNextVersion, type Stopped } from "./upgrade.ts";
import { faultsFound, outstanding, readLedger } from "./verdict.ts";

export interface StormRun {
  /** Folder of the stack; its logs are kept. */
  data: string;
  seed: number;
  forMs: number;
  /** Maximum time between two faults. */
  calmMsMax: number;
  trinoMemory: string;
  /**
   * Folder of another version's checkout, or "next": this version with one more field in each message. A
   * third of the faults' time later its programs replace those of all services; after another third these come
   * back. Default: one version only.
   */
  other?: string;
  say: (line: string) => void;
}

export interface StormReport {
  seed: number;
  /** Count of each kind of fault. */
  faults: Readonly<Record<string, number>>;
  sent: number;
  accepted: number;
  refused: number;
  files: number;
  rows: number;
  reads: number;
  /** From the end of the faults until everything was recorded. */
  recoveryS: number;
  /** Violations; empty if everything is correct. */
  wrong: string[];
}

interface VersionChange {
  stack: RunningStack;
  stopped: Stopped;
  /** Folder of the other version. */
  root: string;
  forMs: number;
  say: (line: string) => void;
}

async function upgradeAndRollBack({ stack, stopped, root, forMs, say }: VersionChange): Promise<void> {
  for (const [what, to] of [
    ["upgrading", root],
    ["rolling back", ROOT],
  ] as const) {
    // prettier-ignore
    await systemClock.sleep(forMs / 3);
    say(`${what} all services to ${to}`);
    await changeVersion(stack, stopped, to);
    say(`${what} finished`);
  }
}

const RECOVERY_MS_MAX = 600_000;
const SENDERS = 4;

/**
 * Starts a stack with two parsers and two committers. Sends files, drops and replays while processes are
 * killed and frozen. Then waits until everything is recorded and compares every table with the sent rows.
 */
export async function runStorm({
  data,
  seed,
  forMs,
  calmMsMax,
  trinoMemory,
  other,
  say,
}: StormRun): Promise<StormReport> {
  await mkdir(join(data, "contracts"), { recursive: true });
  for (const { name, contract } of TABLES) {
    if (contract) await writeFile(join(data, "contracts", `${name}.yml`), stringify({ table: name, ...contract }));
  }
  const interrupted = new AbortController();
  const stack = await startStack({
    data,
    services: true,
    parsers: 2,
    committers: 2,
    superset: false,
    trinoMemory,
    fixedPorts: {},
    env: { ...process.env, TRIBUTARY_CONTRACTS_DIR: join(data, "contracts") },
    signal: interrupted.signal,
    say,
  });
  try {
    const { gateway, trino, s3, catalog, schema } = stack.file;
    const session = { catalog, schema };
    const drops = await openBlobStore(`s3://${stack.settings.buckets.drops}`, { s3 });
    const otherRoot = other === "next" ? await makeNextVersion(join(data, "next-version")) : other;
    const stop = AbortSignal.timeout(forMs);
    const stopped: Stopped = new Map();
    const done = new AbortController();
    const reading = readDuringStorm(trino!, session, done.signal);
    const [sent, counts] = await Promise.all([
      sendTraffic({ gateway: gateway!, drops, random: seededRandom(seed), senders: SENDERS, signal: stop }),
      storm({ stack, stopped, random: seededRandom(seed + 1), calmMsMax, signal: stop, say }),
      ...(otherRoot === undefined ? [] : [upgradeAndRollBack({ stack, stopped, root: otherRoot, forMs, say })]),
    ]);
    say("faults finished; waiting until everything is recorded");
    const overMs = systemClock.monotonicMs();
    let left: string[] = [];
    const settled = async (): Promise<boolean> => {
      left = await readLedger(trino!, session).then((ledger) => outstanding(sent, ledger), (thrown: unknown) => [String(thrown)]); // prettier-ignore
      await systemClock.sleep(500);
      return left.length === 0;
    };
    const recovered = new AbortController();
    const watching = restartEnded(stack, () => false, recovered.signal);
    const late = await until("everything is recorded", settled, RECOVERY_MS_MAX).then(
      () => [],
      () => [`not recorded after ${RECOVERY_MS_MAX / 1000} s: ${left.slice(0, 10).join(", ")} (${left.length} in all)`],
    );
    recovered.abort();
    await watching;
    const recoveryS = Math.round((systemClock.monotonicMs() - overMs) / 1000);
    done.abort();
    const seen = await reading;
    const ledger = await readLedger(trino!, session);
    const wrong = [...late, ...seen.torn.map((one) => `torn: ${one}`), ...(await faultsFound(trino!, session, sent))];
    await drops.close();
    return {
      ...{ seed, faults: Object.fromEntries(counts), recoveryS, wrong },
      ...{ sent: sent.sent, accepted: sent.accepted.size, refused: sent.refused },
      ...{ files: ledger.length, rows: ledger.reduce((sum, { committed }) => sum + committed, 0), reads: seen.reads },
    };
  } finally {
    await stopStack(data, say);
  }
}
