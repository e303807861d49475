import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { allOrFirstFailure, type StackContext } from "./context.ts";
import { cacheDir } from "./programs/install.ts";
import { findJava } from "./programs/java.ts";
import { startKafka } from "./programs/kafka.ts";
import { INFRA } from "./paths.ts";
import { HOST } from "./ports.ts";
import { createBuckets, createSchema, createTopics } from "./prepare.ts";
import { isAlive, startProcess, stopProcesses, type ProcessRecord, type Started } from "./processes.ts";
import { removeSockets, startSeaweedfs } from "./programs/seaweedfs.ts";
import { startServices } from "./programs/services.ts";
import { CATALOG, loadSettings, readSettings, SCHEMA, type PortName, type StackSettings } from "./settings.ts";
import { startSuperset, supersetUrl } from "./programs/superset.ts";
import { startTrino } from "./programs/trino.ts";

export interface StackOptions {
  /** Everything the stack keeps: data, logs, settings, stack.json. */
  data: string;
  /** False: only the servers. */
  services: boolean;
  /** Superset too, and with the services the one that keeps it in line with the tables. */
  superset?: boolean;
  parsers: number;
  committers: number;
  /** Trino's -Xmx, such as 2G. */
  trinoMemory: string;
  fixedPorts: Readonly<Partial<Record<PortName, number>>>;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  /** Tells a person what happens, one line at a time. */
  say: (line: string) => void;
}

/** What DIR/stack.json holds. */
export interface StackFile {
  /** Absent with --no-services. */
  gateway?: string;
  trino: string;
  s3: StackSettings["s3"];
  kafka: string;
  /** Only with --superset. */
  superset?: { url: string; user: string; password: string };
  catalog: string;
  schema: string;
  /** Each of our processes by name (parser-1 …): where it answers /healthz, /readyz and /metrics. */
  services: Record<string, string>;
  /** Where the servers answer Prometheus. */
  metrics: Record<string, string>;
  pids: number[];
}

export interface RunningStack {
  file: StackFile;
  settings: StackSettings;
  processes: readonly Started[];
  /** Starts a process that has ended once more, just as it was started; does not wait until it is ready. */
  restart(name: string): Started;
}

/** SeaweedFS's filer gives its streams 15 s to end, which they never do; 16 to 30 s in all. */
const STOP_MS_MAX = 40_000;
/** A service has drained, or given up draining, after 10 s. */
const SERVICE_STOP_MS_MAX = 15_000;
const SERVERS = ["kafka", "seaweedfs", "trino"];

/**
 * Starts everything and resolves when all of it is ready and DIR/stack.json is written.
 * @throws Error naming the culprit with the end of its log; everything that was started has been ended by then.
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const { data, say } = options;
  mkdirSync(join(data, "logs"), { recursive: true });
  const alive = readRecords(data).filter(isAlive);
  if (alive.length > 0) {
    throw new Error(
      `a stack is running in ${data} (${alive.map(({ name }) => name).join(", ")}); stop it first: npm run stack -- --stop --data ${data}`,
    );
  }
  const processes: Started[] = [];
  const context: StackContext = {
    data,
    cache: cacheDir(options.env),
    java: findJava(options.env),
    trinoMemory: options.trinoMemory,
    settings: await loadSettings(data, options.fixedPorts),
    env: serverEnvironment(options.env),
    signal: options.signal,
    say,
    log: (name) => join(data, "logs", `${name}.log`),
    started: (started) => {
      const before = processes.findIndex(({ record }) => record.name === started.record.name);
      processes.splice(before < 0 ? processes.length : before, 1, started);
      writeFileSync(
        recordsPath(data),
        JSON.stringify(
          processes.map(({ record }) => record),
          undefined,
          2,
        ),
      );
      return started;
    },
  };
  try {
    await startServers(context, options);
    const services = options.services ? await startServices(context, options) : {};
    const file = describe(context.settings, processes, services, options);
    await writeStackFile(data, file);
    const restart = (name: string): Started => {
      const before = processes.find(({ record }) => record.name === name);
      if (!before || isAlive(before.record)) throw new Error(`${name} is no process of this stack that has ended`);
      return context.started(startProcess(before.spec));
    };
    return { file, settings: context.settings, processes, restart };
  } catch (error) {
    say("starting failed; ending what was started …");
    await stopStack(data, () => undefined);
    throw error;
  }
}

async function startServers(whole: StackContext, wanted: { services: boolean; superset?: boolean }): Promise<void> {
  const { settings, say } = whole;
  // The first failure makes the others give up waiting.
  const failure = new AbortController();
  const context = { ...whole, signal: AbortSignal.any([whole.signal, failure.signal]) };
  const kafka = startKafka(context).then(async () => {
    const address = `${HOST}:${settings.ports.kafka}`;
    if (wanted.services) await createTopics(`kafka://${address}`, `${INFRA}/redpanda/topics.yml`);
    say(`kafka      ${address}`);
  });
  const seaweedfs = startSeaweedfs(context).then(async () => {
    await createBuckets(settings.s3, Object.values(settings.buckets));
    say(`s3         ${settings.s3.endpoint}`);
  });
  const trino = startTrino(context).then(() => say(`trino      ${trinoUrl(settings)}`));
  const superset = wanted.superset ? [startSuperset(context)] : [];
  await allOrFirstFailure([kafka, seaweedfs, trino, ...superset], failure);
  await createSchema(trinoUrl(settings), CATALOG, SCHEMA);
}

/**
 * Ends the stack of this folder and nothing else. Resolves when all of it is gone. With `discard` the servers are given no time to put
 * their data in order.
 */
export async function stopStack(
  data: string,
  say: (line: string) => void,
  { discard = false }: { discard?: boolean } = {},
): Promise<void> {
  const alive = readRecords(data).filter(isAlive);
  if (alive.length === 0) say(`nothing of a stack in ${data} is running`);
  else say(`stopping ${alive.map(({ name }) => name).join(", ")} …`);
  const isServer = ({ name }: ProcessRecord): boolean => SERVERS.includes(name);
  // Services drain into the servers, so these go last.
  await stopProcesses(
    alive.filter((record) => !isServer(record)),
    SERVICE_STOP_MS_MAX,
  );
  await stopProcesses(alive.filter(isServer), discard ? 0 : STOP_MS_MAX);
  const settings = await readSettings(data);
  if (settings) await removeSockets(settings);
  await rm(join(data, "stack.json"), { force: true });
  await rm(recordsPath(data), { force: true });
}

export const trinoUrl = ({ ports }: StackSettings): string => `http://${HOST}:${ports.trino}`;

function describe(
  settings: StackSettings,
  processes: readonly Started[],
  services: Record<string, string>,
  wanted: { superset?: boolean },
): StackFile {
  const { user, password } = settings.superset;
  return {
    ...(services.gateway === undefined ? {} : { gateway: services.gateway }),
    trino: trinoUrl(settings),
    s3: settings.s3,
    kafka: `${HOST}:${settings.ports.kafka}`,
    ...(wanted.superset ? { superset: { url: supersetUrl(settings), user, password } } : {}),
    catalog: CATALOG,
    schema: SCHEMA,
    services,
    metrics: {
      seaweedfs: `http://${HOST}:${settings.ports.seaweedfsMetrics}/metrics`,
      trino: `${trinoUrl(settings)}/metrics`,
    },
    pids: processes.map(({ record }) => record.pid),
  };
}

/** It holds keys, so only its owner may read it. */
async function writeStackFile(data: string, file: StackFile): Promise<void> {
  const path = join(data, "stack.json");
  await writeFile(`${path}.part`, JSON.stringify(file, undefined, 2) + "\n", { mode: 0o600 });
  await rename(`${path}.part`, path);
}

const recordsPath = (data: string): string => join(data, "processes.json");

function readRecords(data: string): ProcessRecord[] {
  const path = recordsPath(data);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as ProcessRecord[]) : [];
}

function serverEnvironment(env: StackOptions["env"]): Record<string, string | undefined> {
  const kept = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"];
  return Object.fromEntries(kept.filter((name) => env[name] !== undefined).map((name) => [name, env[name]]));
}
