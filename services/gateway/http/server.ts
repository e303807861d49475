import rateLimit from "@fastify/rate-limit";
import fastify, { type FastifyServerOptions } from "fastify";
import { validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { Clock } from "../../../lib/clock.ts";
import { addHealthRoutes } from "../../../lib/process/http.ts";
import { addAudit } from "../access/audit.ts";
import { addAuth } from "../access/auth.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { limitPace } from "./body-pace.ts";
import type { App, GatewayDeps } from "./deps.ts";
import { onEnded } from "./ended.ts";
import { addProblemHandlers, clientError, frameworkErrors } from "./problems.ts";
import { limitUnread } from "./unread-answers.ts";
import { addCommandRoutes } from "../commands/routes.ts";
import { addConsoleRoutes } from "../console/routes.ts";
import { addReplayRoutes } from "../replays/routes.ts";
import { addApiDescription } from "./description.ts";
import { addEventRoutes } from "../files/events-route.ts";
import { addFileRoutes } from "../files/routes.ts";
import { addCancelRoute } from "../files/cancel-route.ts";
import { addSkipRoute } from "../files/skip-route.ts";
import { addHeldRoutes } from "../held/routes.ts";
import { addLogRoutes } from "../log-recreation/routes.ts";
import { addDropRoutes, addNotificationRoutes } from "../drops/routes.ts";
import { addPreviewRoutes } from "../ingest/preview-route.ts";
import { addQueryRoutes } from "../tables/query-route.ts";
import { addDismissalRoutes } from "../rejects/dismissals.ts";
import { addRejectRoutes } from "../rejects/routes.ts";
import { addTableHealthRoute } from "../tables/health.ts";
import { addTableRoutes } from "../tables/routes.ts";
import { addRunningUploadRoutes } from "../ingest/running-uploads.ts";
import { addWorkerRoutes } from "../tables/workers.ts";
import { addUploadRoutes } from "../ingest/routes.ts";
import { addDropTableRoute } from "../operations/drop-route.ts";
import { addRebuildRoute } from "../operations/rebuild-route.ts";
import { addRenameRoute } from "../operations/rename/route.ts";
import { addUndoRoute } from "../operations/undo-route.ts";

const JSON_BODY_BYTES_MAX = 1024 * 1024;
const LINGER_MS = 3_000;
const HEADERS_MS_MAX = 30_000;
/** Request line and headers together, in bytes. */
const HEADER_BYTES_MAX = 16 * 1024;

/** Builds the app with all its routes; service.ts makes it listen. Tests inject requests. */
export async function buildServer(deps: GatewayDeps): Promise<App> {
  const app: App = fastify(serverOptions(deps)).withTypeProvider<ZodTypeProvider>();
  // Browsers send text/plain across origins without a preflight request. Accept only JSON.
  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(validatorCompiler);
  // Response schemas describe the API (openapi.json). Tests check them; checking each response would only
  // cost time.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  addProblemHandlers(app, deps.logger, deps.metrics);
  addAudit(app, deps.audit, deps.clock);
  countRequests(app, deps.metrics);
  closeUnread(app, deps.clock);
  limitPace(app, deps.clock, {
    idleMsMax: deps.settings.TRIBUTARY_UPLOAD_IDLE_MAX,
    bytesPerSecondMin: deps.settings.TRIBUTARY_UPLOAD_RATE_MIN,
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("x-content-type-options", "nosniff");
    // Kept-alive connections would delay a draining server.
    if (deps.draining.aborted) reply.header("connection", "close");
  });
  limitUnread(app, deps);
  await addRateLimit(app, deps.settings.TRIBUTARY_RATE_LIMIT);
  const { identities, metricsPublic } = deps;
  addAuth(app, { identities, metricsPublic, failuresMax: deps.settings.TRIBUTARY_AUTH_FAILURES_MAX });
  await addApiDescription(app);
  addHealthRoutes(app, { registry: deps.registry, ready: deps.ready });
  for (const add of [
    addUploadRoutes,
    addRunningUploadRoutes,
    addUndoRoute,
    addDropTableRoute,
    addRebuildRoute,
    addRenameRoute,
    addFileRoutes,
    addSkipRoute,
    addCancelRoute,
    addHeldRoutes,
    addTableRoutes,
    addQueryRoutes,
    addRejectRoutes,
    addDismissalRoutes,
    addPreviewRoutes,
    addNotificationRoutes,
    addDropRoutes,
    addEventRoutes,
    addCommandRoutes,
    addTableHealthRoute,
    addWorkerRoutes,
    addReplayRoutes,
    addLogRoutes,
    addConsoleRoutes,
  ]) {
    await app.register(async (scoped: App) => add(scoped, deps));
  }
  return app;
}

function serverOptions({ tls, settings }: GatewayDeps): FastifyServerOptions {
  const limits = { headersTimeout: HEADERS_MS_MAX, requestTimeout: 0, maxHeaderSize: HEADER_BYTES_MAX };
  const options = {
    logger: false,
    bodyLimit: JSON_BODY_BYTES_MAX,
    // A body may take any time while bytes arrive (body-pace.ts ends slow ones). Headers may not.
    requestTimeout: 0,
    ...(tls ? { https: { ...limits, cert: tls.cert, key: tls.key } } : { http: limits }),
    ...(settings.TRIBUTARY_TRUSTED_PROXIES ? { trustProxy: settings.TRIBUTARY_TRUSTED_PROXIES } : {}),
    forceCloseConnections: "idle",
    frameworkErrors,
    clientErrorHandler: clientError,
    routerOptions: { maxParamLength: 4096, caseSensitive: true },
  };
  // The server's type differs with https; the routes do not depend on it.
  return options as FastifyServerOptions;
}

function countRequests(app: App, metrics: GatewayMetrics): void {
  onEnded(app, (request, reply) => {
    const route = request.routeOptions.url ?? "(none)";
    metrics.requestSeconds.observe(
      { method: request.method, route, status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    );
  });
}

/**
 * A response may be sent before the request body has ended. Reads and discards the rest for up to LINGER_MS:
 * closing immediately would reset the connection before the client reads the response.
 */
function closeUnread(app: App, clock: Clock): void {
  app.addHook("onResponse", async ({ raw }) => {
    const { socket } = raw;
    if (raw.complete || socket.destroyed) return;
    const closed = new AbortController();
    const stop = (): void => closed.abort();
    for (const stream of [raw, socket]) stream.once("close", stop);
    raw.on("error", () => undefined).resume();
    void clock.sleep(LINGER_MS, closed.signal).then(() => {
      socket.off("close", stop);
      if (!closed.signal.aborted) socket.destroy();
    });
  });
}

async function addRateLimit(app: App, perMinute: number): Promise<void> {
  await app.register(rateLimit, {
    global: perMinute > 0,
    max: perMinute,
    timeWindow: "1 minute",
    keyGenerator: ({ caller, ip }) => (caller ? `${caller.kind} ${caller.id}` : ip),
    // The route, not the URL as sent: `/%761/tables` is the same route as `/v1/tables`. A request that no
    // route takes counts too, since it may try names.
    allowList: ({ routeOptions: { url } }) => url !== undefined && !url.startsWith("/v1/"),
  });
}
