import assert from "node:assert/strict";
import { test } from "node:test";
import { catalogOptionsOf, type GivenCatalog } from "../../../../../lib/warehouse/iceberg/catalog/options.ts";

const s3 = { region: "eu-west-1", accessKey: "a", secretKey: "s" };
const uri = "https://host/api";

test("a catalog's login: OAuth2, a token, signed requests or none", () => {
  const loginOf = (given: Partial<GivenCatalog>) => catalogOptionsOf({ uri, s3, ...given }).login;
  assert.deepEqual(loginOf({}), { kind: "none" });
  assert.deepEqual(loginOf({ token: "t" }), { kind: "token", token: "t" });
  assert.deepEqual(loginOf({ credential: "i:s", oauth2ServerUri: "https://o/t", oauth2Scope: "all" }), {
    kind: "oauth2",
    credential: "i:s",
    serverUri: "https://o/t",
    scope: "all",
  });
  assert.deepEqual(loginOf({ sigv4Service: "glue" }), { kind: "sigv4", service: "glue", ...s3 });
});

test("a login that is ambiguous or incomplete names its settings", () => {
  const cases: [Partial<GivenCatalog>, RegExp][] = [
    [{ uri: undefined }, /set TRIBUTARY_REST_CATALOG_URI/],
    [
      { token: "t", credential: "i:s" },
      /set only one of TRIBUTARY_REST_CATALOG_CREDENTIAL, TRIBUTARY_REST_CATALOG_TOKEN/,
    ],
    [{ sigv4Service: "glue", s3: { region: "x" } }, /need TRIBUTARY_S3_ACCESS_KEY and TRIBUTARY_S3_SECRET_KEY/],
    [{ credential: "i:s", oauth2ServerUri: "host/tokens" }, /no URI of an OAuth2 server/],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => catalogOptionsOf({ uri, s3, ...given }), { code: "CONFIG_INVALID", message });
  }
});
