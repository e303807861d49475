import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TributaryError } from "../../../lib/errors.ts";
import type { AccessScope } from "../../../lib/process/api-keys.ts";
import { isLoopback } from "../../../lib/process/exposure.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Caller } from "./caller.ts";
import { KnownCredentials } from "./known-credentials.ts";
import type { TokenVerifier } from "./oidc.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The scope that a /v1 route requires. */
    scope?: AccessScope;
  }
  interface FastifyRequest {
    /** Null before authentication, and if none is required. */
    caller: Caller | null;
  }
}

/** Ways to authenticate. Without any, the gateway trusts this machine and refuses all others. */
export interface Identities {
  keys?: ApiKeys | undefined;
  tokens?: TokenVerifier | undefined;
}

export const isAuthRequired = ({ keys, tokens }: Identities): boolean => keys !== undefined || tokens !== undefined;

/** @throws CONFIG_INVALID if other machines could reach the gateway without authentication */
export function checkExposure(host: string, identities: Identities): void {
  if (isAuthRequired(identities) || isLoopback(host)) return;
  throw new TributaryError(
    "CONFIG_INVALID",
    `TRIBUTARY_HOST is ${host}, which other machines can reach without API keys or a token issuer: ` +
      "set TRIBUTARY_API_KEYS_FILE or TRIBUTARY_OIDC_ISSUER, or TRIBUTARY_HOST to 127.0.0.1",
  );
}

export interface AuthOptions {
  identities: Identities;
  /** Failed authentications of one address per minute. Beyond, it may only use what it used before. */
  failuresMax: number;
  /** /metrics needs no authentication. */
  metricsPublic: boolean;
}

const MINUTE_MS = 60_000;

/**
 * Accepts a request to a /v1 route only with a key or token that has the route's scope. If the gateway has
 * neither keys nor tokens, accepts requests of this machine only. Requires the rate limit plugin.
 */
export function addAuth(app: FastifyInstance, { identities, failuresMax, metricsPublic }: AuthOptions): void {
  app.decorateRequest("caller", null);
  app.addHook("onRoute", (route) => {
    if (route.path.startsWith("/v1/") && !route.config?.scope) throw new Error(`route ${route.path} has no scope`);
  });
  if (!isAuthRequired(identities)) {
    app.addHook("onRequest", async (request) => checkSameOrigin(request));
    return;
  }
  const failures = app.createRateLimit({
    max: failuresMax,
    timeWindow: MINUTE_MS,
    keyGenerator: ({ ip }) => ip,
    allowList: () => false,
  });
  // Many clients may share an address: a proxy's, or that of a container network. One that guesses locks out
  // only credentials that this address has not used before, so it gains nothing and others keep working.
  const known = new KnownCredentials();
  const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<Caller> => {
    const { authorization } = request.headers;
    const before = await failures(request, { increment: false });
    const isLocked = !before.isAllowed && before.remaining === 0;
    if (isLocked && !known.has(request.ip, authorization)) throw lockedOut(reply, before.ttlInSeconds);
    try {
      const caller = await callerOf(request, identities);
      known.accepted(request.ip, authorization);
      return caller;
    } catch (error) {
      // A request without credentials is not an attempt to guess them.
      if (authorization !== undefined) {
        known.refused(request.ip, authorization);
        await failures(request);
      }
      throw error;
    }
  };
  app.addHook("onRequest", async (request, reply) => {
    const { url, config } = request.routeOptions;
    const scope = config.scope ?? (url === "/metrics" && !metricsPublic ? "read" : undefined);
    if (!scope) return;
    const caller = await authenticate(request, reply);
    request.caller = caller;
    if (caller.scopes.includes(scope) || caller.scopes.includes("admin")) return;
    throw new TributaryError("FORBIDDEN", `the ${caller.kind} '${caller.id}' lacks the scope '${scope}'`);
  });
}

async function callerOf(request: FastifyRequest, { keys, tokens }: Identities): Promise<Caller> {
  const [, secret] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (secret === undefined)
    throw new TributaryError(
      "UNAUTHENTICATED",
      "the request has no API key or token: send `Authorization: Bearer <key or token>`",
    );
  const caller = keys?.callerOf(secret);
  if (caller) return caller;
  if (tokens?.recognises(secret)) return tokens.callerOf(secret);
  throw new TributaryError("UNAUTHENTICATED", keys ? "unknown API key" : "invalid bearer token");
}

function lockedOut(reply: FastifyReply, seconds: number): TributaryError {
  reply.header("retry-after", Math.max(1, seconds));
  return new TributaryError("RATE_LIMITED", "too many failed authentications from this address");
}

/**
 * Without keys this machine is trusted, but not the pages in its browser: refuse other origins and rebound
 * names.
 */
function checkSameOrigin(request: FastifyRequest): void {
  const { host, origin } = request.headers;
  const name = hostNameOf(`http://${host ?? "localhost"}`);
  if (name === undefined || !isLoopback(name)) {
    throw new TributaryError("FORBIDDEN", "without API keys, the Host header must be a loopback name or address");
  }
  if (origin !== undefined && origin !== `${request.protocol}://${host ?? ""}`) {
    throw new TributaryError("FORBIDDEN", "without API keys, requests from pages of other origins are refused");
  }
}

function hostNameOf(url: string): string | undefined {
  try {
    return new URL(url).hostname.replace(/^\[|\]$/g, "");
  } catch {
    return undefined;
  }
}
