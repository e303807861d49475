import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { messageOf, TributaryError } from "../../lib/errors.ts";
import type { EventLog, LogRecord, Tail } from "../../lib/event-log/event-log.ts";
import { guardedTail } from "../../lib/event-log/guarded-tail.ts";
import { reportUnreadable } from "../../lib/observability/unreadable.ts";
import { prepareTopics } from "../../lib/event-log/prepare-topics.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { workerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { foldTableSchema, type NewestSchemas } from "../../lib/table-schemas/table-schemas.ts";
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
import { findRepeats } from "./ingest/repeats.ts";
import { assertDiskSpace } from "./ingest/disk-space.ts";
import { guardLog, type LogGuard } from "./log-recreation/guard.ts";
import { gatewayMetrics, registerDisk, registerHeldFiles, type GatewayMetrics } from "./metrics.ts";
import type { App } from "./http/deps.ts";
import { buildServer } from "./http/server.ts";
import { feedView } from "./files/status-feed.ts";
import { makeWaiters } from "./files/waiters.ts";

export interface GatewayOptions {
  log: EventLog;
  blob: BlobStore;
  warehouse: Warehouse;
  /** Store to watch for files; undefined: uploads only. */
  drops?: BlobStore;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: GatewaySettings;
  /** Audit log. Default: `logger`, with `audit: true` on each line. */
  audit?: Logger | undefined;
  /** PEM certificates to trust instead of Node's own, for requests to the token issuer. */
  ca?: readonly string[] | undefined;
  /** /metrics needs no authentication, even if keys or tokens are required. */
  metricsPublic?: boolean;
  /** Default: no tracing. */
  tracer?: Tracer;
}

const SWEEP_EVERY_MS = 6 * 60 * 60 * 1000;
/** How long the first uploads wait until the view knows the earlier versions that they may repeat. */
const CATCH_UP_MS_MAX = 30_000;
/** How long running requests may continue once the gateway drains. */
const DRAIN_MS_MAX = 7_000;
/** Workers for previews, and the heap of each. The text that one reads is limited by a setting. */
const PREVIEW_WORKERS = { size: 2, heapMibMax: 256 };

/**
 * Starts the HTTP service.
 * @throws PORT_IN_USE, CONFIG_INVALID (reachable from other machines without API keys or a token issuer),
 *   LOG_UNAVAILABLE
 */
export async function startGateway(options: GatewayOptions): Promise<Service & { url: string }> {
  const { log, blob, clock, logger, registry, settings } = options;
  const metrics = gatewayMetrics(registry);
  const listener = openListener(options, metrics);
  registerDisk(registry, blob);
  let poller: DropPoller | undefined;
  const draining = new AbortController();
  setMaxListeners(0, draining.signal);
  const ready = async (): Promise<void> => {
    if (draining.signal.aborted) throw new TributaryError("OVERLOADED", "shutting down");
    assertReadable();
    poller?.assertReadable();
    await Promise.all([log.ready(), blob.ready(), guard.assert()]);
    await assertDiskSpace(options, settings.TRIBUTARY_DISK_FREE_MIN);
  };
  await prepareTopics(log, Object.values(TOPICS));
  const guard = await guardLog(options);
  const views = await openViews(options, metrics);
  const { view, schemas, commands, previews, close, assertReadable } = views;
  registerHeldFiles(registry, () => view.heldFiles());
  const waiters = makeWaiters(view, clock, settings.TRIBUTARY_WAITERS_MAX, metrics);
  const ingest = ingestOf(options, guard, metrics, views);
  const drops = options.drops && {
    url: options.drops.url,
    poller: () => poller,
  };
  const parts = { ...options, ...listener, metrics, view, schemas, commands, ingest, previews, waiters, drops };
  const { audit = logger.child({ audit: true }, { level: "info" }), metricsPublic = false } = options;
  const app = await buildServer({ ...parts, audit, metricsPublic, draining: draining.signal, ready });
  const idle = trackIdle(app);
  try {
    const url = await listen(app, settings);
    void sweepRegularly(ingest, options, draining.signal);
    poller = await watchDrops(options, ingest, metrics);
    const following = listener.follow(app.server);
    let drained: Promise<void> | undefined;
    const drain = async (): Promise<void> => {
      draining.abort();
      waiters.release();
      for (const socket of idle) socket.destroy();
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

/** In-memory views of the log, kept current, and the workers of previews. */
async function openViews({ log, clock, logger, settings }: GatewayOptions, metrics: GatewayMetrics) {
  const view = new FileView(settings.TRIBUTARY_FILES_REMEMBERED, () => clock.nowMs());
  const schemas: NewestSchemas = new Map();
  const onSchema = (record: LogRecord): void => foldTableSchema(schemas, record);
  const onUnreadable = reportUnreadable(logger, metrics.throughput);
  const feed = await feedView(log, view, onUnreadable);
  const tableSchemas = await guardedTail(log, [TOPICS.tableSchemas.name], onSchema, onUnreadable);
  const commands = await openCommandClient(log, clock, metrics.throughput, onUnreadable);
  const onCrash = (err: Error): void => logger.error({ err }, "a preview's worker crashed");
  const previews = workerPool({ ...PREVIEW_WORKERS, onCrash });
  const views = [feed, tableSchemas, commands];
  const close = async (): Promise<void> => {
    await Promise.all([previews, ...views].map((one) => one.close()));
  };
  const assertReadable = (): void => views.forEach((one) => one.assertReadable());
  return { view, known: caughtUpWithin(feed, clock), schemas, commands, previews, close, assertReadable };
}

/** Resolves when the tail has read what was in the log at the call, or after CATCH_UP_MS_MAX. */
async function caughtUpWithin(tail: Tail, clock: Clock): Promise<void> {
  const done = new AbortController();
  const reading = tail.caughtUp().then(
    () => done.abort(),
    () => done.abort(),
  );
  await Promise.race([reading, clock.sleep(CATCH_UP_MS_MAX, done.signal)]);
}

/** Removes what crashed processes left in `incoming/`, now and then every SWEEP_EVERY_MS. */
async function sweepRegularly(ingest: Ingest, { clock, logger }: GatewayOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await ingest
      .sweep()
      .catch((error: unknown) => logger.warn({ detail: messageOf(error) }, "cannot remove old uploads from incoming/"));
    await clock.sleep(SWEEP_EVERY_MS, signal);
  }
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
    deletionsPercentMax: settings.TRIBUTARY_DROPS_DELETIONS_MAX,
  });
}

function ingestOf(
  { log, blob, clock, contracts, settings, tracer = untraced }: GatewayOptions,
  guard: LogGuard,
  metrics: GatewayMetrics,
  { view, known }: { view: FileView; known: Promise<void> },
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
      bytesPerSecondMin: settings.TRIBUTARY_UPLOAD_RATE_MIN,
      diskFreeBytesMin: settings.TRIBUTARY_DISK_FREE_MIN,
    },
    admit: async () => {
      await guard.assert();
      await known;
    },
    repeats: findRepeats(view, contracts, clock),
    // Clients may ask for the file's status before the view has read the event from the log.
    onAccepted: (event, offset) => view.apply(event.fileId, (facts) => withArrival(facts, event, offset)),
  });
}

/**
 * Connections without a request yet: browsers open them in advance, and closing the server would wait for
 * them.
 */
function trackIdle(app: App): ReadonlySet<Socket> {
  const idle = new Set<Socket>();
  app.server.on("connection", (socket: Socket) => {
    idle.add(socket);
    socket.once("close", () => idle.delete(socket));
  });
  app.server.on("request", ({ socket }: IncomingMessage) => idle.delete(socket));
  return idle;
}

/** Resolves with the URL of the host as configured: for all addresses, fastify would name only one. */
async function listen(app: App, { TRIBUTARY_HOST: host, TRIBUTARY_PORT: port }: GatewaySettings): Promise<string> {
  try {
    const { protocol } = new URL(await app.listen({ host, port }));
    const { port: bound } = app.server.address() as AddressInfo;
    return `${protocol}//${host.includes(":") ? `[${host}]` : host}:${bound}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new TributaryError("PORT_IN_USE", `${host}:${port} is in use: set TRIBUTARY_PORT to a free port`, {
      cause: error,
    });
  }
}

/** Accepts no new requests, waits for running ones, and closes the connections of those that exceed `ms`. */
async function closeWithin(app: App, clock: Clock, ms: number): Promise<void> {
  const closed = new AbortController();
  const deadline = clock.sleep(ms, closed.signal).then(() => {
    if (!closed.signal.aborted) app.server.closeAllConnections();
  });
  await app.close();
  closed.abort();
  await deadline;
}
