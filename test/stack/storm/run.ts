import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { openBlobStore } from "../../../lib/blob/open.ts";
import { systemClock } from "../../../lib/clock.ts";
import { ROOT } from "../../../scripts/stack/paths.ts";
import { choosePorts, HOST } from "../../../scripts/stack/ports.ts";
import { duckdbExtensions } from "../../../scripts/stack/programs/duckdb-extensions.ts";
import { cacheDir } from "../../../scripts/stack/programs/install.ts";
import { startStack, stopStack, type Engine, type RunningStack } from "../../../scripts/stack/stack.ts";
import { checkHistories, type CheckedCatalog, type Histories } from "../../support/iceberg-history.ts";
import { seededRandom } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import { restartEnded, storm } from "./faults.ts";
import { lossyCatalog, type LossyCatalog } from "./lossy-catalog.ts";
import { otherEnginesFaults } from "./other-engines.ts";
import { duckdbReader, readDuringStorm, trinoReader, type Seen, type StormReader } from "./readers.ts";
import { TABLES } from "./tables.ts";
import { sendTraffic, type Sent } from "./traffic.ts";
import { makeNextVersion, upgradeAndRollBack, type Stopped } from "./upgrade.ts";
import { coverageOf, faultsFound, outstanding, readLedger, type LedgerRow } from "./verdict.ts";

export interface StormRun {
  /** Folder of the stack; its logs are kept. */
  data: string;
  seed: number;
  forMs: number;
  /** Maximum time between two faults. */
  calmMsMax: number;
  trinoMemory: string;
  /** What writes the tables. Default: trino. With `iceberg`, the catalog also loses requests and answers. */
  engine?: Engine;
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
  engine: Engine;
  /** Count of each kind of fault. */
  faults: Readonly<Record<string, number>>;
  sent: number;
  accepted: number;
  refused: number;
  files: number;
  rows: number;
  /** Transactions with files of several tables. Never with `trino`. */
  shared: number;
  /** Files that were loaded by a plan. */
  planned: number;
  reads: number;
  /** From the end of the faults until everything was recorded. */
  recoveryS: number;
  /** Snapshots of all tables, and the files in the store that they refer to. Only with `iceberg`. */
  history?: { snapshots: number; files: number };
  /** Violations; empty if everything is correct. */
  wrong: string[];
}

const RECOVERY_MS_MAX = 600_000;
const SENDERS = 4;

/**
 * Starts a stack with two parsers and two committers. Sends files, drops and replays while processes are
 * killed and frozen. Then waits until everything is recorded and compares every table with the sent rows.
 * With the engine `iceberg` it then also checks the history and the files of each table, starts the servers
 * again with Trino beside them, and reads every table back with Trino and PyIceberg.
 */
export async function runStorm(run: StormRun): Promise<StormReport> {
  const { data, seed, engine = "trino", say } = run;
  await writeContracts(data);
  const catalog = engine === "iceberg" ? await catalogWithLosses(seed) : undefined;
  const stack = await start(run, { services: true, engine }, catalog);
  try {
    const reader = await readerOf(stack);
    const { sent, counts, seen, late, recoveryS } = await stormOver(run, stack, reader, catalog?.lossy);
    const ledger = await readLedger(reader);
    const wrong = [...late, ...seen.torn.map((one) => `torn: ${one}`), ...(await faultsFound(reader, sent))];
    let history: Histories | undefined;
    if (engine === "iceberg") {
      say("checking histories and files");
      history = await checkHistories(checked(stack), reader, { expires: true });
      wrong.push(...history.wrong);
    }
    reader.close();
    if (history) wrong.push(...(await readBack(run, catalog!, history, { sent, ledger, say })));
    return {
      ...{ seed, engine, faults: Object.fromEntries([...counts, ...(catalog?.lossy.counts ?? [])]), recoveryS },
      ...{ sent: sent.sent, accepted: sent.accepted.size, refused: sent.refused },
      ...{ files: ledger.length, rows: ledger.reduce((sum, { committed }) => sum + committed, 0), reads: seen.reads },
      ...coverageOf(ledger),
      ...(history ? { history: { snapshots: snapshotsIn(history), files: history.files } } : {}),
      wrong,
    };
  } finally {
    await catalog?.lossy.close();
    await stopStack(data, say);
  }
}

async function writeContracts(data: string): Promise<void> {
  await mkdir(join(data, "contracts"), { recursive: true });
  for (const { name, contract } of TABLES) {
    if (contract) await writeFile(join(data, "contracts", `${name}.yml`), stringify({ table: name, ...contract }));
  }
}

interface CatalogWithLosses {
  /** Of the catalog itself. */
  port: number;
  lossy: LossyCatalog;
}

async function catalogWithLosses(seed: number): Promise<CatalogWithLosses> {
  const { restCatalog: port } = await choosePorts(["restCatalog"], {});
  return { port, lossy: await lossyCatalog(`http://${HOST}:${port}`, seededRandom(seed + 2)) };
}

function start(
  { data, trinoMemory, say }: StormRun,
  wanted: { services: boolean; engine: Engine },
  catalog: CatalogWithLosses | undefined,
): Promise<RunningStack> {
  return startStack({
    ...{ data, trinoMemory, say, ...wanted },
    ...{ parsers: 2, committers: 2, superset: false },
    fixedPorts: catalog ? { restCatalog: catalog.port } : {},
    ...(catalog ? { restCatalogAt: catalog.lossy.url } : {}),
    env: { ...process.env, TRIBUTARY_CONTRACTS_DIR: join(data, "contracts") },
    signal: new AbortController().signal,
  });
}

async function readerOf(stack: RunningStack): Promise<StormReader> {
  const { engine, trino, catalog, schema } = stack.file;
  if (engine === "trino") return trinoReader(trino!, { catalog, schema });
  return duckdbReader(stack, await duckdbExtensions(cacheDir(process.env), () => undefined));
}

interface Weathered {
  sent: Sent;
  counts: ReadonlyMap<string, number>;
  seen: Seen;
  /** What is not recorded after the time for recovery. */
  late: string[];
  recoveryS: number;
}

/** Sends and reads during the faults, then waits until everything is recorded. */
async function stormOver(
  { data, seed, forMs, calmMsMax, other, say }: StormRun,
  stack: RunningStack,
  reader: StormReader,
  lossy: LossyCatalog | undefined,
): Promise<Weathered> {
  const drops = await openBlobStore(`s3://${stack.settings.buckets.drops}`, { s3: stack.file.s3 });
  const otherRoot = other === "next" ? await makeNextVersion(join(data, "next-version")) : other;
  const stop = AbortSignal.timeout(forMs);
  lossy?.begin();
  const stopped: Stopped = new Map();
  const done = new AbortController();
  const reading = readDuringStorm(reader, done.signal);
  const [sent, counts] = await Promise.all([
    sendTraffic({
      ...{ gateway: stack.file.gateway!, drops },
      ...{ random: seededRandom(seed), senders: SENDERS, signal: stop },
    }),
    storm({ stack, stopped, random: seededRandom(seed + 1), calmMsMax, signal: stop, say }),
    ...(otherRoot === undefined
      ? []
      : [upgradeAndRollBack(stack, stopped, { root: otherRoot, home: ROOT, forMs, say })]),
  ]);
  lossy?.heal();
  say("faults finished; waiting until everything is recorded");
  const overMs = systemClock.monotonicMs();
  const late = await untilRecorded(stack, reader, sent);
  const recoveryS = Math.round((systemClock.monotonicMs() - overMs) / 1000);
  done.abort();
  const seen = await reading;
  await drops.close();
  return { sent, counts, seen, late, recoveryS };
}

async function untilRecorded(stack: RunningStack, reader: StormReader, sent: Sent): Promise<string[]> {
  let left: string[] = [];
  const settled = async (): Promise<boolean> => {
    left = await readLedger(reader).then((ledger) => outstanding(sent, ledger), (thrown: unknown) => [String(thrown)]); // prettier-ignore
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
  return late;
}

/** Starts the servers again, with Trino and without the services, and reads every table back. */
async function readBack(
  run: StormRun,
  catalog: CatalogWithLosses,
  history: Histories,
  about: { sent: Sent; ledger: readonly LedgerRow[]; say: (line: string) => void },
): Promise<string[]> {
  await stopStack(run.data, run.say);
  run.say("reading every table back with Trino and PyIceberg");
  const servers = await start(run, { services: false, engine: "trino" }, catalog);
  return otherEnginesFaults(servers, history, about);
}

function checked({ file: { s3, restCatalog, schema } }: RunningStack): CheckedCatalog {
  const { uri, warehouse, credential, oauth2ServerUri: serverUri } = restCatalog;
  return { catalog: { uri, warehouse, login: { kind: "oauth2", credential, serverUri } }, s3, schema };
}

const snapshotsIn = ({ tables }: Histories): number =>
  [...tables.values()].reduce((sum, { snapshots }) => sum + snapshots.length, 0);
