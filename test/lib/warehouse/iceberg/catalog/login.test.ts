import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { systemClock } from "../../../../../lib/clock.ts";
import { openRestCatalog, type RestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { signer } from "../../../../../lib/warehouse/iceberg/catalog/sigv4.ts";
import {
  startFakeRestCatalog,
  type FakeCatalogOptions,
  type FakeRestCatalog,
} from "../../../../support/rest-catalog/fake-rest-catalog.ts";

const credential = "id:secret";
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function loggedIn(
  options: FakeCatalogOptions = {},
  given = credential,
): Promise<{ fake: FakeRestCatalog; catalog: RestCatalog; passMs: (ms: number) => void }> {
  const fake = await startFakeRestCatalog({ credential, ...options });
  closers.push(() => fake.close());
  let pastMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + pastMs };
  const catalog = await openRestCatalog({ uri: fake.uri, login: { kind: "oauth2", credential: given }, clock });
  closers.push(catalog.close);
  return { fake, catalog, passMs: (ms) => void (pastMs += ms) };
}

const logins = (fake: FakeRestCatalog): number =>
  fake.requests.filter(({ path }) => path === "/v1/oauth/tokens").length;

describe("OAuth2", () => {
  test("requests at once wait for one token", async () => {
    const { fake, catalog } = await loggedIn();
    await Promise.all(Array.from({ length: 10 }, () => catalog.listNamespaces()));
    assert.equal(logins(fake), 1);
  });

  test("a token is renewed before it ends", async () => {
    const { fake, catalog, passMs } = await loggedIn({ tokenSeconds: 100 });
    passMs(79_000);
    await catalog.listNamespaces();
    assert.equal(logins(fake), 1);
    passMs(2_000);
    await catalog.listNamespaces();
    assert.equal(logins(fake), 2);
  });

  test("a token that the catalog no longer accepts is renewed, and a change is sent again", async () => {
    const { fake, catalog } = await loggedIn();
    fake.tokens.clear();
    await catalog.createNamespace(["n"]);
    assert.equal(logins(fake), 2);
  });

  test("a credential that is refused is named, not repeated and not shown", async () => {
    await assert.rejects(loggedIn({}, "id:wrong"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "CATALOG_REFUSED");
      assert.match(error.message, /log in at http:.*oauth\/tokens.*Invalid client credentials/);
      assert.doesNotMatch(error.message, /wrong/);
      return true;
    });
  });

  test("an OAuth2 server that fails once does not stay failed", async () => {
    let failures = 4;
    const fault = ({ path }: { path: string }) => (path.endsWith("tokens") && failures-- > 0 ? 503 : undefined);
    await assert.rejects(loggedIn({ fault }), { code: "CATALOG_UNAVAILABLE" });
    const { catalog } = await loggedIn({ fault });
    assert.deepEqual(await catalog.listNamespaces(), []);
  });
});

test("a token from the settings is sent with each request", async () => {
  const fake = await startFakeRestCatalog({ credential });
  closers.push(() => fake.close());
  fake.tokens.add("given");
  const catalog = await openRestCatalog({ uri: fake.uri, login: { kind: "token", token: "given" } });
  closers.push(catalog.close);
  assert.deepEqual(await catalog.listNamespaces(), []);
  fake.tokens.clear();
  await assert.rejects(catalog.listNamespaces(), { code: "CATALOG_REFUSED" });
});

describe("AWS Signature Version 4", () => {
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

  test("the signature is what AWS's description of it computes", async () => {
    const keys = { accessKey: "AKID", secretKey: "SECRET", sessionToken: "SESSION" };
    const sign = signer({ ...keys, region: "eu-west-1", service: "glue" });
    const url = new URL("https://glue.eu-west-1.amazonaws.com:8443/iceberg/v1/a%1Fb?warehouse=x%20y&a=1");
    const body = '{"é":1}';
    const request = { method: "POST", url, headers: { "content-type": "application/json" }, body };
    const headers = await sign(request, new Date("2026-01-02T03:04:05.678Z"));
    const canonicalHeaders = [
      "content-type:application/json",
      "host:glue.eu-west-1.amazonaws.com:8443",
      `x-amz-content-sha256:${sha(body)}`,
      "x-amz-date:20260102T030405Z",
      "x-amz-security-token:SESSION",
    ];
    const names = canonicalHeaders.map((line) => line.slice(0, line.indexOf(":"))).join(";");
    const canonical = [
      "POST",
      // Each part of a path is encoded once more, except for S3.
      "/iceberg/v1/a%251Fb",
      "a=1&warehouse=x%20y",
      ...canonicalHeaders,
      "",
      names,
      sha(body),
    ].join("\n");
    const scope = "20260102/eu-west-1/glue/aws4_request";
    const toSign = ["AWS4-HMAC-SHA256", "20260102T030405Z", scope, sha(canonical)].join("\n");
    const key = ["20260102", "eu-west-1", "glue", "aws4_request"].reduce<string | Buffer>(hmac, "AWS4SECRET");
    const signature = hmac(key, toSign).toString("hex");
    assert.equal(
      headers["authorization"],
      `AWS4-HMAC-SHA256 Credential=AKID/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    );
  });
});
