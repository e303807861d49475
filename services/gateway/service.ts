import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { messageOf, TributaryError } from "../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../lib/event-log/event-log.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { foldTableSchema, type NewestSchemas } from "../../lib/parsing/table-schemas.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import { untraced, type Tracer } from "../../lib/process/tracing.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { openCommandClient } from "./commands/command-client.ts";
import type { GatewaySettings } from "./config.ts";
import { openListener } from "./http/listener.ts";
import { startDrops, type DropPoller } from "./drops/drops.ts";
import { withArrival } from "./files/status.ts";
import { FileView } from "./files/view.ts";
import { makeIngest, type Ingest } from "./ingest/ingest.ts";
import { guardLog, type LogGuard } from "./log-recreation/guard.ts";
import { gatewayMetrics, registerDisk, type GatewayMetrics } from "./metrics.ts";
import type { App } from "./http/deps.ts";
import { buildServer } from "./http/server.ts";
import { feedView } from "./files/status-feed.ts";
import { makeWaiters } from "./files/waiters.ts";

export interface GatewayOptions {
  log: EventLog;
  blob: BlobStore;
  warehouse: Warehouse;
  /** Watched for files; absent: uploads only. */
  drops?: BlobStore;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: GatewaySettings;
  /** Where who did what is told; default: `logger`, marked. */
  audit?: Logger | undefined;
  /** PEM certificates trusted instead of Node's own, when the token issuer is asked. */
  ca?: readonly string[] | undefined;
  /** /metrics is for everybody, also where keys or tokens are needed for the rest. */
  metricsPublic?: boolean;
  /** Default: nothing is traced. */
  tracer?: Tracer;
}

/** How long running requests may go on once the gateway drains. */
const DRAIN_MS_MAX = 7_000;

/**
 * Listens for uploads and questions.
 * @throws PORT_IN_USE, CONFIG_INVALID (reachable from outside without API keys or a token issuer), LOG_UNAVAILABLE
 */
export async function startGateway(options: GatewayOptions): Promise<Service & { url: string }> {
  const { log, blob, clock, logger, registry, settings } = options;
  const metrics = gatewayMetrics(registry);
  const door = openListener(options, metrics);
  registerDisk(registry, blob);
  const draining = new AbortController();
  setMaxListeners(0, draining.signal);
  const ready = async (): Promise<void> => {
    if (draining.signal.aborted) throw new TributaryError("OVERLOADED", "shutting down");
    await Promise.all([log.ready(), blob.ready(), guard.assert()]);
  };
  await log.createTopics(Object.values(TOPICS));
  const guard = await guardLog(options);
  const { view, schemas, commands, close } = await openViews(options, metrics);
  const waiters = makeWaiters(view, clock, settings.TRIBUTARY_WAITERS_MAX, metrics);
  const ingest = ingestOf(options, guard, metrics, view);
  let poller: DropPoller | undefined;
  const drops = options.drops && { url: options.drops.url, poke: (keys: readonly string[]) => poller?.trigger(keys) };
  const parts = { ...options, ...door, metrics, view, schemas, commands, ingest, waiters, drops };
  const { audit = logger.child({ audit: true }, { level: "info" }), metricsPublic = false } = options;
  const app = await buildServer({ ...parts, audit, metricsPublic, draining: draining.signal, ready });
  const unused = trackUnused(app);
  try {
    const url = await listen(app, settings);
    ingest.sweep().catch((error: unknown) => logger.warn({ detail: messageOf(error) }, "incoming/ was not swept"));
    poller = await watchDrops(options, ingest, metrics);
    const following = door.follow(app.server);
    let drained: Promise<void> | undefined;
    const drain = async (): Promise<void> => {
      draining.abort();
      waiters.release();
      for (const socket of unused) socket.destroy();
      await Promise.all([following.close(), poller?.close(), closeWithin(app, clock, DRAIN_MS_MAX)]);
      await close();
    };
    const { TRIBUTARY_HOST: host, TRIBUTARY_PORT: port } = settings;
    logger.info({ host, port, url }, "gateway started");
    return { url, ready, drain: () => (drained ??= drain()) };
  } catch (error) {
    await app.close();
    await close();
    throw error;
  }
}

/** What the log says, kept up to date in memory. */
async function openViews({ log, clock, logger, settings }: GatewayOptions, metrics: GatewayMetrics) {
  const view = new FileView(settings.TRIBUTARY_FILES_REMEMBERED);
  const schemas: NewestSchemas = new Map();
  const onSchema = (record: LogRecord): void => {
    try {
      foldTableSchema(schemas, record);
    } catch (error) {
      onError(error, record);
    }
  };
  const onError = (error: unknown, { topic, offset }: LogRecord): void => {
    metrics.throughput.dropped("undecodable");
    logger.error({ err: error, topic, offset }, "an event cannot be read");
  };
  const tails = [await feedView(log, view, onError), await log.tail([TOPICS.tableSchemas.name], onSchema)];
  const commands = await openCommandClient(log, clock, metrics.throughput);
  const close = async (): Promise<void> => {
    await Promise.all([commands, ...tails].map((one) => one.close()));
  };
  return { view, schemas, commands, close };
}

async function watchDrops(
  options: GatewayOptions,
  ingest: Ingest,
  metrics: GatewayMetrics,
): Promise<DropPoller | undefined> {
  const { drops, settings } = options;
  if (!drops) return undefined;
  const { TRIBUTARY_DROPS_POLL: pollMs, TRIBUTARY_DROPS_SETTLE: settleMs } = settings;
  return startDrops({
    ...options,
    drops,
    ingest,
    metrics,
    ...(pollMs === undefined ? {} : { pollMs }),
    ...(settleMs === undefined ? {} : { settleMs }),
  });
}

function ingestOf(
  { log, blob, clock, settings, tracer = untraced }: GatewayOptions,
  guard: LogGuard,
  metrics: GatewayMetrics,
  view: FileView,
): Ingest {
  return makeIngest({
    log,
    blob,
    clock,
    metrics,
    tracer,
    limits: {
      sizeBytesMax: settings.TRIBUTARY_UPLOAD_SIZE_MAX,
      idleMsMax: settings.TRIBUTARY_UPLOAD_IDLE_MAX,
      diskFreeBytesMin: settings.TRIBUTARY_DISK_FREE_MIN,
    },
    admit: () => guard.assert(),
    // Whoever is told of a file may ask for it at once, before the log has told the view.
    onAccepted: (event, offset) => view.apply(event.fileId, (facts) => withArrival(facts, event, offset)),
  });
}

/** Connections that have not asked for anything yet (browsers open such ahead): closing the server would wait for them. */
function trackUnused(app: App): ReadonlySet<Socket> {
  const unused = new Set<Socket>();
  app.server.on("connection", (socket: Socket) => {
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  app.server.on("request", ({ socket }: IncomingMessage) => unused.delete(socket));
  return unused;
}

async function listen(app: App, { TRIBUTARY_HOST: host, TRIBUTARY_PORT: port }: GatewaySettings): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new TributaryError("PORT_IN_USE", `${host}:${port} is taken (TRIBUTARY_PORT)`, { cause: error });
  }
}

/** Takes nothing new, lets running requests finish, and cuts off those that take too long. */
async function closeWithin(app: App, clock: Clock, ms: number): Promise<void> {
  const closed = new AbortController();
  const deadline = clock.sleep(ms, closed.signal).then(() => {
    if (!closed.signal.aborted) app.server.closeAllConnections();
  });
  await app.close();
  closed.abort();
  await deadline;
}
