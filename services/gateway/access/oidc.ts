import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type FetchImplementation, type JWTPayload } from "jose";
import { TributaryError } from "../../../lib/errors.ts";
import type { Clock } from "../../../lib/clock.ts";
import { scopes, type AccessScope } from "../../../lib/process/api-keys.ts";
import { isLoopback } from "../../../lib/process/exposure.ts";
import type { Caller } from "./caller.ts";
import type { GatewaySettings } from "../config.ts";
import { ownOf } from "../../../lib/own.ts";

/** Maximum age of the issuer's keys. An unknown key id also fetches them again. */
const KEYS_MS_MAX = 10 * 60_000;
/** Least time between two fetches, for any number of unknown key ids. */
const KEYS_COOLDOWN_MS = 30_000;
const FETCH_MS_MAX = 5_000;
const RESPONSE_CHARS_MAX = 1024 * 1024;

export interface OidcSettings {
  issuer: string;
  audience: string;
  /** Default: from the issuer's discovery document. */
  jwksUrl: string | undefined;
  algorithms: readonly string[];
  clockToleranceMs: number;
  /** The claim with the token's permissions; dots separate nested names. */
  scopesClaim: string;
  /** A claim value of this prefix followed by a scope grants the scope. */
  scopesPrefix: string;
  /** Scopes granted by other values of the claim. */
  scopesMap: ReadonlyMap<string, readonly AccessScope[]>;
}

/**
 * The settings of bearer tokens; undefined: tokens are not accepted. @throws CONFIG_INVALID naming the
 * setting
 */
export function oidcSettings(settings: GatewaySettings): OidcSettings | undefined {
  const { TRIBUTARY_OIDC_ISSUER: issuer, TRIBUTARY_OIDC_AUDIENCE: audience } = settings;
  if (issuer === undefined) return undefined;
  if (audience === undefined) {
    throw new TributaryError(
      "CONFIG_INVALID",
      "TRIBUTARY_OIDC_AUDIENCE is missing: without it, tokens for any other service of the issuer would be accepted",
    );
  }
  const jwksUrl = settings.TRIBUTARY_OIDC_JWKS_URL;
  assertSecure("TRIBUTARY_OIDC_ISSUER", issuer);
  if (jwksUrl !== undefined) assertSecure("TRIBUTARY_OIDC_JWKS_URL", jwksUrl);
  return {
    issuer,
    audience,
    jwksUrl,
    algorithms: settings.TRIBUTARY_OIDC_ALGORITHMS,
    clockToleranceMs: settings.TRIBUTARY_OIDC_CLOCK_TOLERANCE,
    scopesClaim: settings.TRIBUTARY_OIDC_SCOPES_CLAIM,
    scopesPrefix: settings.TRIBUTARY_OIDC_SCOPES_PREFIX,
    scopesMap: settings.TRIBUTARY_OIDC_SCOPES_MAP,
  };
}

function assertSecure(setting: string, url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[|\]$/g, "")))) return;
  throw new TributaryError("CONFIG_INVALID", `${setting} must use https:// (http:// only on a loopback address)`);
}

export interface TokenVerifier {
  /** Whether the text has the form of a signed token. */
  recognises(bearer: string): boolean;
  /** @throws UNAUTHENTICATED with the reason, IDENTITY_UNAVAILABLE if the issuer's keys cannot be fetched */
  callerOf(token: string): Promise<Caller>;
}

/** Verifies the issuer's tokens. `ca`: PEM certificates to trust instead of Node's own. */
export function makeTokenVerifier(
  settings: OidcSettings,
  clock: Clock,
  { ca, cooldownMs = KEYS_COOLDOWN_MS }: { ca?: readonly string[] | undefined; cooldownMs?: number } = {},
): TokenVerifier {
  const fetchImpl: FetchImplementation = (url, { signal }) => fetchText(new URL(url), ca, signal);
  const openKeys = async (): Promise<ReturnType<typeof createRemoteJWKSet>> =>
    createRemoteJWKSet(new URL(settings.jwksUrl ?? (await discover(settings.issuer, fetchImpl))), {
      cacheMaxAge: KEYS_MS_MAX,
      cooldownDuration: cooldownMs,
      timeoutDuration: FETCH_MS_MAX,
      [customFetch]: fetchImpl,
    });
  let keys: ReturnType<typeof openKeys> | undefined;
  const keysOnce = async (): ReturnType<typeof openKeys> => {
    keys ??= openKeys();
    try {
      return await keys;
    } catch (error) {
      keys = undefined;
      throw error;
    }
  };
  const toleranceSeconds = settings.clockToleranceMs / 1000;
  return {
    recognises: (bearer) => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(bearer),
    async callerOf(token) {
      let payload: JWTPayload;
      try {
        const { issuer, audience, algorithms } = settings;
        ({ payload } = await jwtVerify(token, await keysOnce(), {
          ...{ issuer, audience, algorithms: [...algorithms], clockTolerance: toleranceSeconds },
          requiredClaims: ["exp", "sub"],
          currentDate: new Date(clock.nowMs()),
        }));
      } catch (error) {
        throw tokenError(error);
      }
      const expiresAtMs = (payload.exp! + toleranceSeconds) * 1000;
      return {
        kind: "token",
        id: String(payload.sub).slice(0, 200),
        scopes: scopesOf(payload, settings),
        isStillValid: () => clock.nowMs() < expiresAtMs,
      };
    },
  };
}

/** The scopes that a token grants. Unknown values of the claim are ignored. */
export function scopesOf(
  payload: JWTPayload,
  { scopesClaim, scopesPrefix, scopesMap }: Pick<OidcSettings, "scopesClaim" | "scopesPrefix" | "scopesMap">,
): AccessScope[] {
  const claim = claimOf(payload, scopesClaim);
  const values = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  const granted = values.flatMap((value: unknown): readonly AccessScope[] => {
    if (typeof value !== "string") return [];
    const own = scopes.find((scope) => value === scopesPrefix + scope);
    return own ? [own] : (scopesMap.get(value) ?? []);
  });
  return [...new Set(granted)];
}

/** The claim with this exact name, or the nested one that its dots describe. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return ownOf(payload, name);
  return name.split(".").reduce<unknown>((value, step) => {
    const isObject = typeof value === "object" && value !== null;
    return isObject ? ownOf(value as Record<string, unknown>, step) : undefined;
  }, payload);
}

/** The URL of the issuer's keys, from its discovery document. */
async function discover(issuer: string, fetchImpl: FetchImplementation): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const options = {
    headers: new Headers(),
    method: "GET",
    redirect: "manual",
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  } as const;
  const response = await fetchImpl(url, options);
  if (response.status !== 200) throw new Error(`${url} responded with status ${response.status}`);
  const { issuer: named, jwks_uri: jwksUri } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer) throw new Error(`${url} names another issuer`);
  if (typeof jwksUri !== "string") throw new Error(`${url} has no jwks_uri`);
  assertSecure("jwks_uri", jwksUri);
  return jwksUri;
}

const KEY_FETCH_ERRORS = ["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"];

function tokenError(thrown: unknown): TributaryError {
  if (!(thrown instanceof errors.JOSEError) || KEY_FETCH_ERRORS.includes(thrown.code)) {
    // The cause goes only to the log: the client is not authenticated.
    return new TributaryError("IDENTITY_UNAVAILABLE", "cannot fetch the token issuer's signing keys", {
      cause: thrown,
    });
  }
  return new TributaryError("UNAUTHENTICATED", `invalid token: ${reasonOf(thrown)}`, { cause: thrown });
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed)
    return `its claim '${error.claim}' is missing or has a wrong value`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature is wrong";
  if (error instanceof errors.JWKSNoMatchingKey) return "its issuer does not have its signing key";
  if (error instanceof errors.JOSEAlgNotAllowed) return "its signature algorithm is not accepted";
  return "it is malformed";
}

/** A minimal fetch for jose that supports custom CA certificates. */
async function fetchText(url: URL, ca: readonly string[] | undefined, signal: AbortSignal): Promise<Response> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const outgoing = send(url, { signal, headers: { accept: "application/json" }, ...(ca ? { ca: [...ca] } : {}) });
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) {
    body += chunk as string;
    if (body.length > RESPONSE_CHARS_MAX)
      throw new Error(`the response of ${url.origin} exceeds ${RESPONSE_CHARS_MAX} characters`);
  }
  return new Response(body, { status: response.statusCode ?? 502 });
}
