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

/** The issuer's keys are fetched again after so long, and for a key id that is not among them. */
const KEYS_MS_MAX = 10 * 60_000;
/** At most so often, whatever key ids are asked for. */
const KEYS_COOLDOWN_MS = 30_000;
const FETCH_MS_MAX = 5_000;
const ANSWER_CHARS_MAX = 1024 * 1024;

export interface OidcSettings {
  issuer: string;
  audience: string;
  /** Default: what the issuer's discovery document says. */
  jwksUrl: string | undefined;
  algorithms: readonly string[];
  clockToleranceMs: number;
  /** The claim that says what the token's holder may do; dots lead into objects. */
  scopesClaim: string;
  /** A value of the claim that is the prefix and a scope gives that scope. */
  scopesPrefix: string;
  /** What other values of the claim give. */
  scopesMap: ReadonlyMap<string, readonly AccessScope[]>;
}

/** The settings of bearer tokens; undefined: none are taken. @throws CONFIG_INVALID naming what does not fit together */
export function oidcSettings(settings: GatewaySettings): OidcSettings | undefined {
  const { TRIBUTARY_OIDC_ISSUER: issuer, TRIBUTARY_OIDC_AUDIENCE: audience } = settings;
  if (issuer === undefined) return undefined;
  if (audience === undefined) {
    throw new TributaryError(
      "CONFIG_INVALID",
      "TRIBUTARY_OIDC_AUDIENCE is missing: without it a token for any other service of the issuer would be taken",
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
  throw new TributaryError("CONFIG_INVALID", `${setting} is fetched without protection: write https://…`);
}

export interface TokenVerifier {
  /** Whether it is a signed token at all, by its form. */
  recognises(bearer: string): boolean;
  /** @throws UNAUTHENTICATED saying what is wrong with it, IDENTITY_UNAVAILABLE while the issuer's keys cannot be had */
  callerOf(token: string): Promise<Caller>;
}

/** Takes the issuer's tokens. `ca`: certificates trusted instead of Node's own. */
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
      const endsAtMs = (payload.exp! + toleranceSeconds) * 1000;
      return {
        kind: "token",
        id: String(payload.sub).slice(0, 200),
        scopes: scopesOf(payload, settings),
        holds: () => clock.nowMs() < endsAtMs,
      };
    },
  };
}

/** What a token says of what its holder may do. Values that mean nothing here are passed over. */
export function scopesOf(
  payload: JWTPayload,
  { scopesClaim, scopesPrefix, scopesMap }: Pick<OidcSettings, "scopesClaim" | "scopesPrefix" | "scopesMap">,
): AccessScope[] {
  const claim = claimOf(payload, scopesClaim);
  const values = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  const given = values.flatMap((value: unknown): readonly AccessScope[] => {
    if (typeof value !== "string") return [];
    const own = scopes.find((scope) => value === scopesPrefix + scope);
    return own ? [own] : (scopesMap.get(value) ?? []);
  });
  return [...new Set(given)];
}

/** The claim of that name, or the one that its dots lead to. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  return name.split(".").reduce<unknown>((value, step) => {
    const isObject = typeof value === "object" && value !== null && Object.hasOwn(value, step);
    return isObject ? (value as Record<string, unknown>)[step] : undefined;
  }, payload);
}

/** Where the issuer says that its keys are. */
async function discover(issuer: string, fetchImpl: FetchImplementation): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const options = {
    headers: new Headers(),
    method: "GET",
    redirect: "manual",
    signal: AbortSignal.timeout(FETCH_MS_MAX),
  } as const;
  const response = await fetchImpl(url, options);
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  const { issuer: named, jwks_uri: place } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer) throw new Error(`${url} is that of another issuer`);
  if (typeof place !== "string") throw new Error(`${url} names no jwks_uri`);
  assertSecure("jwks_uri", place);
  return place;
}

const IDENTITY_FAULTS = ["ERR_JOSE_GENERIC", "ERR_JWKS_INVALID", "ERR_JWKS_TIMEOUT"];

function tokenError(thrown: unknown): TributaryError {
  if (!(thrown instanceof errors.JOSEError) || IDENTITY_FAULTS.includes(thrown.code)) {
    // Why is for the log: whoever asks is nobody yet.
    return new TributaryError("IDENTITY_UNAVAILABLE", "the token issuer's keys cannot be had", { cause: thrown });
  }
  return new TributaryError("UNAUTHENTICATED", `the token is not good: ${faultOf(thrown)}`, { cause: thrown });
}

function faultOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return "it has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `its claim '${error.claim}' is missing or another's`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return "its signature does not fit";
  if (error instanceof errors.JWKSNoMatchingKey) return "its issuer has no such key";
  if (error instanceof errors.JOSEAlgNotAllowed) return "it is signed by an algorithm that is not taken";
  return "it cannot be read";
}

/** fetch, with certificates of one's own, as far as jose needs it. */
async function fetchText(url: URL, ca: readonly string[] | undefined, signal: AbortSignal): Promise<Response> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const asked = send(url, { signal, headers: { accept: "application/json" }, ...(ca ? { ca: [...ca] } : {}) });
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) {
    body += chunk as string;
    if (body.length > ANSWER_CHARS_MAX) throw new Error(`${url.origin} answers at too great length`);
  }
  return new Response(body, { status: response.statusCode ?? 502 });
}
