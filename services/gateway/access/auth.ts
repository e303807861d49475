import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TributaryError } from "../../../lib/errors.ts";
import type { AccessScope } from "../../../lib/process/api-keys.ts";
import { isLoopback } from "../../../lib/process/exposure.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Caller } from "./caller.ts";
import type { TokenVerifier } from "./oidc.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Every /v1 route names the scope it needs. */
    scope?: AccessScope;
  }
  interface FastifyRequest {
    /** Null where nobody needs to say who he is, and before he has. */
    caller: Caller | null;
  }
}

/** Whom the gateway knows. Without either, it trusts this machine and answers nobody else. */
export interface Identities {
  keys?: ApiKeys | undefined;
  tokens?: TokenVerifier | undefined;
}

export const areKnown = ({ keys, tokens }: Identities): boolean => keys !== undefined || tokens !== undefined;

/** @throws CONFIG_INVALID where everybody in the network could do everything */
export function checkExposure(host: string, identities: Identities): void {
  if (areKnown(identities) || isLoopback(host)) return;
  throw new TributaryError(
    "CONFIG_INVALID",
    `TRIBUTARY_HOST is ${host}, which others can reach, and there are neither API keys nor a token issuer: ` +
      "set TRIBUTARY_API_KEYS_FILE or TRIBUTARY_OIDC_ISSUER, or TRIBUTARY_HOST to 127.0.0.1",
  );
}

export interface AuthOptions {
  identities: Identities;
  /** Failed authentications of one address in a minute. While there were more, what it brings is not looked at. */
  failuresMax: number;
  /** /metrics is for everybody. */
  metricsPublic: boolean;
}

const MINUTE_MS = 60_000;

/**
 * Lets a request through to a /v1 route only with a key or token that has the route's scope; without any, only from this machine.
 * Wants the rate limit registered.
 */
export function addAuth(app: FastifyInstance, { identities, failuresMax, metricsPublic }: AuthOptions): void {
  app.decorateRequest("caller", null);
  app.addHook("onRoute", (route) => {
    if (route.path.startsWith("/v1/") && !route.config?.scope) throw new Error(`${route.path} names no scope`);
  });
  if (!areKnown(identities)) {
    app.addHook("onRequest", async (request) => checkSameOrigin(request));
    return;
  }
  const failures = app.createRateLimit({
    max: failuresMax,
    timeWindow: MINUTE_MS,
    keyGenerator: ({ ip }) => ip,
    allowList: () => false,
  });
  const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<Caller> => {
    const before = await failures(request, { increment: false });
    if (!before.isAllowed && before.remaining === 0) throw lockedOut(reply, before.ttlInSeconds);
    try {
      return await callerOf(request, identities);
    } catch (error) {
      // Who brings nothing has not guessed.
      if (request.headers.authorization !== undefined) await failures(request);
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
  if (secret === undefined) throw new TributaryError("UNAUTHENTICATED", "the request brings no API key and no token");
  const caller = keys?.callerOf(secret);
  if (caller) return caller;
  if (tokens?.recognises(secret)) return tokens.callerOf(secret);
  throw new TributaryError(
    "UNAUTHENTICATED",
    keys ? "the API key is not known" : "what the request brings is no token",
  );
}

function lockedOut(reply: FastifyReply, seconds: number): TributaryError {
  reply.header("retry-after", Math.max(1, seconds));
  return new TributaryError("RATE_LIMITED", "too many failed authentications came from this address");
}

/** Without keys this machine is trusted, but not the web pages that its browser shows: neither by their origin nor by a rebound name. */
function checkSameOrigin(request: FastifyRequest): void {
  const { host, origin } = request.headers;
  const name = hostNameOf(`http://${host ?? "localhost"}`);
  if (name === undefined || !isLoopback(name)) {
    throw new TributaryError("FORBIDDEN", "without API keys only requests to this machine's own name are answered");
  }
  if (origin !== undefined && origin !== `${request.protocol}://${host ?? ""}`) {
    throw new TributaryError("FORBIDDEN", "without API keys no page of another origin may send requests");
  }
}

function hostNameOf(url: string): string | undefined {
  try {
    return new URL(url).hostname.replace(/^\[|\]$/g, "");
  } catch {
    return undefined;
  }
}
