/** Tokens of an issuer, with a real HTTP server for its keys. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { after, before, beforeEach, test } from "node:test";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from "jose";
import { hasCode, type ErrorCode } from "../../../../lib/errors.ts";
import {
  makeTokenVerifier,
  oidcSettings,
  scopesOf,
  type OidcSettings,
} from "../../../../services/gateway/access/oidc.ts";
import { capturedLog } from "../../../support/captured-log.ts";
import { selfSigned } from "../../../support/certificates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { settingsOf, testGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

interface KeyPair {
  publicKey: CryptoKey;
  privateKey: CryptoKey;
}

const AUDIENCE = "tributary";
let server: Server;
let issuer: string;
/** The keys that the issuer serves, and the number of requests for them. */
let shown: JWK[] = [];
let asked = 0;
let status = 200;
let [first, second, curve]: KeyPair[] = [];

const jwkOf = async ({ publicKey }: KeyPair, kid: string, alg: string): Promise<JWK> => ({
  ...(await exportJWK(publicKey)),
  ...{ kid, alg, use: "sig" },
});

before(async () => {
  server = createServer((request, response) => {
    const isDiscovery = request.url === "/.well-known/openid-configuration";
    if (!isDiscovery) asked++;
    const body = isDiscovery ? { issuer, jwks_uri: `${issuer}/keys` } : { keys: shown };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  [first, second, curve] = await Promise.all([
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("ES256", { extractable: true }),
  ]);
});
after(() => server.close());
beforeEach(async () => {
  shown = [await jwkOf(first!, "one", "RS256")];
  [asked, status] = [0, 200];
});

interface Signing {
  key?: CryptoKey | Uint8Array;
  alg?: string;
  kid?: string;
  expires?: string;
}

const token = (
  claims: JWTPayload = {},
  { key = first!.privateKey, alg = "RS256", kid = "one", expires = "5m" }: Signing = {},
): Promise<string> =>
  new SignJWT({ iss: issuer, aud: AUDIENCE, sub: "alice", scope: "tributary:read openid", ...claims })
    .setProtectedHeader({ alg, kid, typ: "at+jwt" })
    .setExpirationTime(expires)
    .sign(key);

const unsigned = (header: object, claims: object): string => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.`;
};

const env = (more: Record<string, string> = {}) => ({
  TRIBUTARY_OIDC_ISSUER: issuer,
  TRIBUTARY_OIDC_AUDIENCE: AUDIENCE,
  TRIBUTARY_AUTH_FAILURES_MAX: "1000",
  ...more,
});
const ask = (url: string, bearer: string, path = "/v1/tables", method = "GET") =>
  fetch(url + path, { method, headers: { authorization: `Bearer ${bearer}` } });

test("a valid token grants the scopes of its claim", async () => {
  await using gateway = await testGateway(env());
  assert.equal((await ask(gateway.url, await token())).status, 200);
  const forbidden = await ask(gateway.url, await token(), "/v1/tables/t/replay", "POST");
  assert.match((await problemIn(forbidden, 403, "FORBIDDEN")).detail, /token 'alice' lacks the scope 'admin'/);
  assert.equal(asked, 1, "the keys are kept");
  await problemIn(await ask(gateway.url, "not-a-token"), 401, "UNAUTHENTICATED");
  await problemIn(await fetch(`${gateway.url}/v1/tables`), 401, "UNAUTHENTICATED");
});

test("an invalid token is refused with the reason", async () => {
  const log = capturedLog();
  await using gateway = await testGateway(env(), { logger: log.logger, audit: log.logger });
  const good = { iss: issuer, aud: AUDIENCE, sub: "alice", exp: Math.floor(Date.now() / 1000) + 300, scope: "x" };
  const publicPem = new TextEncoder().encode(await exportSPKI(first!.publicKey));
  const publicModulus = new TextEncoder().encode(shown[0]!.n);
  const [head, body, signature] = (await token()).split(".");
  const forged = Buffer.from(JSON.stringify({ ...good, scope: "tributary:admin" })).toString("base64url");
  for (const [what, bearer, says] of [
    ["another audience", await token({ aud: "payroll" }), /claim 'aud'/],
    ["another issuer", await token({ iss: "https://evil.example" }), /claim 'iss'/],
    ["expired", await token({}, { expires: "-1m" }), /expired/],
    ["not yet valid", await token({ nbf: Math.floor(Date.now() / 1000) + 120 }), /claim 'nbf'/],
    ["no subject", await token({ sub: undefined as never }), /claim 'sub'/],
    ["another's key under a known id", await token({}, { key: second!.privateKey }), /signature/],
    ["an unknown key id", await token({}, { key: second!.privateKey, kid: "two" }), /does not have its signing key/],
    ["alg none", unsigned({ alg: "none" }, good), /algorithm/],
    ["alg none with a key id", unsigned({ alg: "none", kid: "one", typ: "JWT" }, good), /algorithm/],
    ["HMAC by the public key, PEM", await token({}, { key: publicPem, alg: "HS256" }), /algorithm/],
    ["HMAC by the public key, modulus", await token({}, { key: publicModulus, alg: "HS256" }), /algorithm/],
    [
      "another algorithm than the key's",
      await token({}, { key: curve!.privateKey, alg: "ES256" }),
      /does not have its signing key/,
    ],
    ["claims replaced", `${head!}.${forged}.${signature!}`, /signature/],
    ["signature left out", `${head!}.${body!}.`, /signature|malformed/],
    ["no header", `e30.${body!}.${signature!}`, /malformed/],
    ["critical extension unknown", unsigned({ alg: "RS256", crit: ["x"], x: 1 }, good), /malformed|signature/],
  ] as const) {
    const { detail } = await problemIn(await ask(gateway.url, bearer), 401, "UNAUTHENTICATED");
    assert.match(detail, says, what);
    assert.ok(!log.text().includes(bearer.slice(0, 40)), `${what}: the token is not logged`);
  }
  assert.equal((await ask(gateway.url, await token())).status, 200);
});

test("a token without an expiry is refused", async () => {
  await using gateway = await testGateway(env());
  const endless = await new SignJWT({ iss: issuer, aud: AUDIENCE, sub: "alice" })
    .setProtectedHeader({ alg: "RS256", kid: "one" })
    .sign(first!.privateKey);
  assert.match((await problemIn(await ask(gateway.url, endless), 401, "UNAUTHENTICATED")).detail, /claim 'exp'/);
});

const verifierOf = (more: Record<string, string> = {}, options: { cooldownMs?: number; clock?: FakeClock } = {}) => {
  const { clock = new FakeClock(Date.now()), ...rest } = options;
  return makeTokenVerifier(oidcSettings(settingsOf(env(more)))!, clock, rest);
};
const codeOf = async (work: Promise<unknown>): Promise<ErrorCode | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (error as { code: ErrorCode }).code,
  );

test("an unknown key id fetches the issuer's keys again, but not every time", async () => {
  const eager = verifierOf({}, { cooldownMs: 0 });
  const rotated = await token({}, { key: second!.privateKey, kid: "two" });
  assert.equal(await codeOf(eager.callerOf(rotated)), "UNAUTHENTICATED");
  shown = [await jwkOf(second!, "two", "RS256")];
  assert.equal((await eager.callerOf(rotated)).id, "alice");
  assert.equal(await codeOf(eager.callerOf(await token())), "UNAUTHENTICATED", "the old key is gone");

  asked = 0;
  const calm = verifierOf();
  for (let n = 0; n < 20; n++) {
    const unknown = await token({}, { key: first!.privateKey, kid: `guess-${n}` });
    assert.equal(await codeOf(calm.callerOf(unknown)), "UNAUTHENTICATED");
  }
  assert.equal(asked, 1);
});

test("an unreachable issuer gives IDENTITY_UNAVAILABLE; the cause is only in the log", async () => {
  const log = capturedLog();
  status = 500;
  await using gateway = await testGateway(env(), { logger: log.logger });
  const refused = await ask(gateway.url, await token());
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  const { detail } = await problemIn(refused, 503, "IDENTITY_UNAVAILABLE");
  assert.ok(!detail.includes("127.0.0.1") && log.text().includes("responded with status 500"));
  status = 200;
  assert.equal((await ask(gateway.url, await token())).status, 200, "the keys are fetched again");
});

test("a long-lived request ends with its token, within the clock tolerance", async () => {
  const clock = new FakeClock(Date.now());
  const verifier = verifierOf({ TRIBUTARY_OIDC_CLOCK_TOLERANCE: "10s" }, { clock });
  const soon = await token({}, { expires: "60s" });
  const caller = await verifier.callerOf(soon);
  clock.advance(65_000);
  assert.ok(caller.isStillValid());
  assert.equal((await verifier.callerOf(soon)).id, "alice");
  clock.advance(10_000);
  assert.ok(!caller.isStillValid());
  assert.equal(await codeOf(verifier.callerOf(soon)), "UNAUTHENTICATED");
});

test("only an issuer with a certificate of the given authority is trusted", async () => {
  const certificate = await selfSigned();
  const secure = createTlsServer(certificate, (_, response) => response.end(JSON.stringify({ keys: shown }))).listen(0);
  await once(secure, "listening");
  const url = `https://localhost:${(secure.address() as { port: number }).port}`;
  const settings = oidcSettings(settingsOf(env({ TRIBUTARY_OIDC_JWKS_URL: url })))!;
  const of = (ca?: string[]) => makeTokenVerifier(settings, new FakeClock(Date.now()), { ca });
  assert.equal((await of([certificate.cert]).callerOf(await token())).id, "alice");
  assert.equal(await codeOf(of().callerOf(await token())), "IDENTITY_UNAVAILABLE");
  secure.close();
});

test("a claim grants scopes by prefix and by mapping, as words or list, also nested; nothing else", () => {
  const of = (payload: JWTPayload, over: Partial<OidcSettings> = {}) =>
    scopesOf(payload, {
      scopesClaim: "scope",
      scopesPrefix: "tributary:",
      scopesMap: new Map([["loaders", ["upload", "read"] as const]]),
      ...over,
    });
  assert.deepEqual(of({ scope: "openid tributary:read tributary:fly upload admin" }), ["read"]);
  assert.deepEqual(of({ scope: ["tributary:upload", 7, null, "loaders"] }), ["upload", "read"]);
  assert.deepEqual(of({ scope: { admin: true } }), []);
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ roles: ["admin"] }, { scopesClaim: "roles", scopesPrefix: "" }), ["admin"]);
  const nested = { realm_access: { roles: ["loaders"] } };
  assert.deepEqual(of(nested, { scopesClaim: "realm_access.roles" }), ["upload", "read"]);
  assert.deepEqual(of({ "https://x.y/roles": ["loaders"] }, { scopesClaim: "https://x.y/roles" }), ["upload", "read"]);
  assert.deepEqual(of({}, { scopesClaim: "constructor.name" }), []);
});

test("settings that would accept the wrong tokens are refused", () => {
  const refused = (more: Record<string, string>, says: RegExp) =>
    assert.throws(() => oidcSettings(settingsOf({ TRIBUTARY_OIDC_ISSUER: "https://id.example", ...more })), says);
  refused({}, /TRIBUTARY_OIDC_AUDIENCE/);
  const audience = { TRIBUTARY_OIDC_AUDIENCE: "t" };
  refused({ ...audience, TRIBUTARY_OIDC_ISSUER: "http://id.example" }, /https/);
  refused({ ...audience, TRIBUTARY_OIDC_JWKS_URL: "http://id.example/keys" }, /https/);
  for (const algorithms of ["none", "HS256", "RS256,HS512", "", "rs256"]) {
    const more = { ...audience, TRIBUTARY_OIDC_ALGORITHMS: algorithms };
    assert.throws(() => settingsOf(more), /RS256/, algorithms);
  }
  for (const map of ["loaders", "=admin", "x=fly", "a=read+"]) {
    assert.throws(() => settingsOf({ ...audience, TRIBUTARY_OIDC_SCOPES_MAP: map }), /mapping/, map);
  }
  const { TRIBUTARY_OIDC_SCOPES_MAP: map } = settingsOf({ TRIBUTARY_OIDC_SCOPES_MAP: "a=b=read+query, ops=admin" });
  assert.deepEqual([...map], [["a=b", ["read", "query"]], ["ops", ["admin"]]]); // prettier-ignore
  assert.equal(oidcSettings(settingsOf()), undefined);
});

test("with a token issuer the gateway may listen on other addresses; keys and tokens work together", async () => {
  await using gateway = await testGateway(env({ TRIBUTARY_HOST: "0.0.0.0" }));
  assert.match(gateway.url, /^http:/);
  assert.ok(hasCode(await refusal(testGateway({ TRIBUTARY_HOST: "0.0.0.0" })), "CONFIG_INVALID"));
});

const refusal = (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined, (error: unknown) => error); // prettier-ignore
