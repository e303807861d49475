import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { messageOf, TributaryError } from "../../lib/errors.ts";

export const scopes = ["upload", "read", "query", "admin"] as const;
/** What a key may do; `admin` includes the others. */
export type Scope = (typeof scopes)[number];

const apiKeySchema = z.strictObject({
  id: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/i, "the SHA-256 of the key, 64 hexadecimal digits"),
  scopes: z.array(z.enum(scopes)).min(1),
});
export type ApiKey = z.infer<typeof apiKeySchema>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Every /v1 route names the scope it needs. */
    scope?: Scope;
  }
  interface FastifyRequest {
    /** Id of the key the request came with; null where none is needed. */
    keyId: string | null;
  }
}

/**
 * Reads the API keys: a YAML or JSON list, which holds hashes only.
 * @throws CONFIG_INVALID naming every fault
 */
export function readApiKeys(path: string): ApiKey[] {
  let document: unknown;
  try {
    document = parseYaml(readFileSync(path, "utf8"));
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE: ${messageOf(error)}`);
  }
  const parsed = z.array(apiKeySchema).min(1).safeParse(document);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE ${path}:\n  ${faults.join("\n  ")}`);
}

/** @throws CONFIG_INVALID where everybody in the network could do everything */
export function checkExposure(host: string, keys: readonly ApiKey[]): void {
  if (keys.length > 0 || isLoopback(host)) return;
  throw new TributaryError(
    "CONFIG_INVALID",
    `TRIBUTARY_HOST is ${host}, which others can reach, and there are no API keys: ` +
      "set TRIBUTARY_API_KEYS_FILE, or TRIBUTARY_HOST to 127.0.0.1",
  );
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/** Lets a request through to a /v1 route only with a key that has the route's scope; without any keys, only from this machine. */
export function addAuth(app: FastifyInstance, keys: readonly ApiKey[]): void {
  app.decorateRequest("keyId", null);
  app.addHook("onRoute", (route) => {
    if (route.path.startsWith("/v1/") && !route.config?.scope) throw new Error(`${route.path} names no scope`);
  });
  app.addHook("onRequest", async (request) => {
    const scope = request.routeOptions.config.scope;
    if (keys.length === 0) return checkSameOrigin(request);
    if (!scope) return;
    const key = keyOf(request, keys);
    if (!key.scopes.includes(scope) && !key.scopes.includes("admin")) {
      throw new TributaryError("FORBIDDEN", `the key '${key.id}' lacks the scope '${scope}'`);
    }
    request.keyId = key.id;
  });
}

function keyOf(request: FastifyRequest, keys: readonly ApiKey[]): ApiKey {
  const [, secret] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (secret === undefined) throw new TributaryError("UNAUTHENTICATED", "the request brings no API key");
  const hash = createHash("sha256").update(secret).digest();
  // All keys are compared, each in constant time.
  const matching = keys.filter((key) => timingSafeEqual(hash, Buffer.from(key.sha256, "hex")));
  if (!matching[0]) throw new TributaryError("UNAUTHENTICATED", "the API key is not known");
  return matching[0];
}

/** Without keys this machine is trusted, but not the web pages that its browser shows: neither by their origin nor by a rebound name. */
function checkSameOrigin(request: FastifyRequest): void {
  const { host, origin } = request.headers;
  const name = hostNameOf(`http://${host ?? "localhost"}`);
  if (name === undefined || !isLoopback(name)) {
    throw new TributaryError("FORBIDDEN", "without API keys only requests to this machine's own name are answered");
  }
  if (origin !== undefined && origin !== `http://${host ?? ""}`) {
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
