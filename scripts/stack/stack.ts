import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { allOrFirstFailure, type StackContext } from "./context.ts";
import { duckdbExtensions } from "./programs/duckdb-extensions.ts";
import { cacheDir } from "./programs/install.ts";
import { findJava } from "./programs/java.ts";
import { startKafka } from "./programs/kafka.ts";
import { INFRA } from "./paths.ts";
import { HOST } from "./ports.ts";
import { createBuckets, createSchema, createTableBucket, createTopics, topicsIn } from "./prepare.ts";
import {
  isAlive,
  startProcess,
  stopProcesses,
  type ProcessRecord,
  type ProcessSpec,
  type Started,
} from "./processes.ts";
import { removeSockets, startSeaweedfs } from "./programs/seaweedfs.ts";
import { icebergEnvironment, startServices, type WantedServices } from "./programs/services.ts";
import {
  CATALOG,
  loadSettings,
  readSettings,
  REST_CATALOG,
  restCatalogOf,
  SCHEMA,
  TABLE_BUCKET,
  type PortName,
  type RestCatalogSettings,
  type StackSettings,
} from "./settings.ts";
import { startSuperset, supersetUrl } from "./programs/superset.ts";
import { startTrino } from "./programs/trino.ts";

export interface StackOptions {
  /** Folder for data, logs, settings and stack.json. */
  data: string;
  /** False: start only the servers. */
  services: boolean;
  /** Also start Superset, and the registrar if `services` is set. */
  superset?: boolean;
  /** What the services write tables with. Default: trino. */
  engine?: Engine;
  /** Where the services reach the REST catalog, if not at its own address: a proxy of a test. */
  restCatalogAt?: string;
  parsers: number;
  committers: number;
  /** Trino's -Xmx, such as 2G. */
  trinoMemory: string;
  fixedPorts: Readonly<Partial<Record<PortName, number>>>;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  /** Prints one line of progress. */
  say: (line: string) => void;
}

/**
 * `trino`: Trino writes the tables of its JDBC catalog. `auto`: DuckDB writes those of SeaweedFS's REST
 * catalog, and Trino what DuckDB cannot. `iceberg`: DuckDB alone; Trino is not started.
 */
export const ENGINES = ["trino", "auto", "iceberg"] as const;
export type Engine = (typeof ENGINES)[number];

/** What DIR/stack.json holds. */
export interface StackFile {
  /** Absent with --no-services. */
  gateway?: string;
  engine: Engine;
  /** Absent with `--engine iceberg`. */
  trino?: string;
  s3: StackSettings["s3"];
  restCatalog: RestCatalogSettings;
  kafka: string;
  /** Only with --superset. */
  superset?: { url: string; user: string; password: string };
  catalog: string;
  schema: string;
  /** URL of each service process by name (parser-1 …); it serves /healthz, /readyz and /metrics. */
  services: Record<string, string>;
  /** URLs of the servers' Prometheus metrics. */
  metrics: Record<string, string>;
  pids: number[];
}

export interface RunningStack {
  file: StackFile;
  settings: StackSettings;
  processes: readonly Started[];
  /**
   * Restarts a process that has ended, as before or as `spec` says; does not wait until it is ready.
   */
  restart(name: string, spec?: ProcessSpec): Started;
}

/** SeaweedFS takes 16 to 30 s: its filer waits 15 s for streams that never end. */
const STOP_MS_MAX = 40_000;
/** A service drains for at most 10 s. */
const SERVICE_STOP_MS_MAX = 15_000;
const SERVERS = ["kafka", "seaweedfs", "trino"];

/**
 * Starts everything and resolves when all processes are ready and DIR/stack.json is written.
 * @throws Error that names the failed process, with the last lines of its log. Everything has been stopped by
 * then.
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const { data, say } = options;
  if (options.superset && options.engine === "iceberg") throw new Error("--superset needs --engine trino or auto");
  mkdirSync(join(data, "logs"), { recursive: true });
  const alive = readRecords(data).filter(isAlive);
  if (alive.length > 0) {
    throw new Error(
      `a stack is running in ${data} (${alive.map(({ name }) => name).join(", ")}); ` +
        `stop it first: npm run stack -- --stop --data ${data}`,
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
    const services = options.services ? await startAllServices(context, options, processes) : {};
    const file = describe(context.settings, processes, services, options);
    await writeStackFile(data, file);
    const restart = (name: string, spec?: ProcessSpec): Started => {
      const before = processes.find(({ record }) => record.name === name);
      if (!before || isAlive(before.record)) throw new Error(`${name} is not an ended process of this stack`);
      return context.started(startProcess(spec ?? before.spec));
    };
    return { file, settings: context.settings, processes, restart };
  } catch (error) {
    say("the start failed; stopping the started processes …");
    await stopStack(data, () => undefined);
    throw error;
  }
}

/**
 * Starts the services, once more if SeaweedFS ended meanwhile: 4.48 crashes if a client leaves at one moment
 * of a write (a nil pointer in the filer's SeparateGarbageChunks), and the catalog's examination leaves many.
 */
async function startAllServices(
  context: StackContext,
  options: StackOptions,
  processes: readonly Started[],
): Promise<Record<string, string>> {
  const wanted = await wantedServices(context, options);
  const others = processes.map(({ record }) => record);
  try {
    return await startServices(context, wanted);
  } catch (error) {
    const crashed = processes.find(({ record }) => record.name === "seaweedfs" && !isAlive(record));
    if (!crashed || context.signal.aborted) throw error;
    context.say(
      `seaweedfs ended (${await crashed.ended}; see ${crashed.record.log}); starting it and the services again`,
    );
    const services = processes.map(({ record }) => record).filter((record) => !others.includes(record));
    await stopProcesses(services, SERVICE_STOP_MS_MAX);
    await startSeaweedfs(context);
    return startServices(context, wanted);
  }
}

async function wantedServices(context: StackContext, options: StackOptions): Promise<WantedServices> {
  if (options.engine === undefined || options.engine === "trino") return options;
  const extensions = await duckdbExtensions(context.cache, context.say);
  const about = { extensions, withTrino: options.engine === "auto", restCatalogAt: options.restCatalogAt };
  return { ...options, warehouse: icebergEnvironment(context.settings, about) };
}

async function startServers(
  whole: StackContext,
  wanted: Pick<StackOptions, "services" | "superset" | "engine">,
): Promise<void> {
  const { settings, say } = whole;
  // The first failure aborts the others.
  const failure = new AbortController();
  const context = { ...whole, signal: AbortSignal.any([whole.signal, failure.signal]) };
  const kafka = startKafka(context).then(async () => {
    const address = `${HOST}:${settings.ports.kafka}`;
    if (wanted.services) await createTopics(`kafka://${address}`, await topicsIn(`${INFRA}/redpanda/topics.yml`));
    say(`kafka      ${address}`);
  });
  const seaweedfs = startSeaweedfs(context).then(async () => {
    await createBuckets(settings.s3, Object.values(settings.buckets));
    await createTableBucket(settings.s3, TABLE_BUCKET);
    say(`s3         ${settings.s3.endpoint}`);
    say(`catalog    ${restCatalogOf(settings).uri}`);
  });
  const withTrino = wanted.engine !== "iceberg";
  const trino = withTrino ? [startTrino(context).then(() => say(`trino      ${trinoUrl(settings)}`))] : [];
  const superset = wanted.superset ? [startSuperset(context)] : [];
  await allOrFirstFailure([kafka, seaweedfs, ...trino, ...superset], failure);
  if (withTrino) await createSchema(trinoUrl(settings), CATALOG, SCHEMA);
}

/**
 * Stops the stack of this folder. Resolves when all its processes have ended. With `discard` the servers are
 * killed without a clean shutdown.
 */
export async function stopStack(
  data: string,
  say: (line: string) => void,
  { discard = false }: { discard?: boolean } = {},
): Promise<void> {
  const alive = readRecords(data).filter(isAlive);
  if (alive.length === 0) say(`no stack is running in ${data}`);
  else say(`stopping ${alive.map(({ name }) => name).join(", ")} …`);
  const isServer = ({ name }: ProcessRecord): boolean => SERVERS.includes(name);
  // Stop the servers last: the services need them to drain.
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
  { superset, engine = "trino" }: Pick<StackOptions, "superset" | "engine">,
): StackFile {
  const { user, password } = settings.superset;
  const trino = trinoUrl(settings);
  return {
    ...(services.gateway === undefined ? {} : { gateway: services.gateway }),
    engine,
    ...(engine === "iceberg" ? {} : { trino }),
    s3: settings.s3,
    restCatalog: restCatalogOf(settings),
    kafka: `${HOST}:${settings.ports.kafka}`,
    ...(superset ? { superset: { url: supersetUrl(settings), user, password } } : {}),
    catalog: engine === "auto" ? REST_CATALOG : CATALOG,
    schema: SCHEMA,
    services,
    metrics: {
      seaweedfs: `http://${HOST}:${settings.ports.seaweedfsMetrics}/metrics`,
      ...(engine === "iceberg" ? {} : { trino: `${trino}/metrics` }),
    },
    pids: processes.map(({ record }) => record.pid),
  };
}

/** Only the owner may read the file: it holds keys. */
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
