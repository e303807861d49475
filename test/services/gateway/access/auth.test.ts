import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../../../../lib/errors.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

let folder: string;
let keysFile: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tributary-auth-"));
  keysFile = join(folder, "keys.yml");
  const hash = (key: string) => createHash("sha256").update(key).digest("hex");
  writeFileSync(
    keysFile,
    `- { id: loader, sha256: ${hash("load-me")}, scopes: [upload, read] }
- { id: boss, sha256: ${hash("let-me")}, scopes: [admin] }
`,
  );
});
after(() => rmSync(folder, { recursive: true }));

const request = (gateway: TestGateway, method: string, path: string, key?: string) =>
  fetch(gateway.url + path, {
    method,
    ...(method === "GET" ? {} : { body: method === "PUT" ? "id\n1\n" : '{"sql":"SELECT 1"}' }),
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
  });

test("with keys, every /v1 route requires one with its scope", async () => {
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile });
  const response = await request(gateway, "GET", "/v1/tables");
  assert.equal(response.headers.get("www-authenticate"), "Bearer");
  await problemIn(response, 401, "UNAUTHENTICATED");
  await problemIn(await request(gateway, "GET", "/v1/tables", "wrong"), 401, "UNAUTHENTICATED");
  await problemIn(await request(gateway, "PUT", "/v1/tables/sales/files/a.csv"), 401, "UNAUTHENTICATED");
  assert.equal((await request(gateway, "GET", "/v1/tables", "load-me")).status, 200);
  assert.equal((await request(gateway, "PUT", "/v1/tables/sales/files/a.csv", "load-me")).status, 202);
  const forbidden = await problemIn(await request(gateway, "POST", "/v1/query", "load-me"), 403, "FORBIDDEN");
  assert.match(forbidden.detail, /'query'/);
  assert.equal((await request(gateway, "POST", "/v1/query", "let-me")).status, 200);
  for (const path of ["/", "/healthz", "/readyz", "/openapi.json", "/docs"]) {
    assert.equal((await request(gateway, "GET", path)).status, 200, path);
  }
});

test("every /v1 route responds 401 without a key", async () => {
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile });
  const { paths } = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  for (const [path, methods] of Object.entries(paths)) {
    for (const method of Object.keys(methods)) {
      const response = await fetch(gateway.url + path.replace(/\{\w+\}/g, "x"), { method: method.toUpperCase() });
      assert.equal(response.status, 401, `${method} ${path}`);
    }
  }
});

test("without keys the gateway refuses to listen for other machines", async () => {
  await assert.rejects(testGateway({ TRIBUTARY_HOST: "0.0.0.0" }), (error) => {
    assert.ok(hasCode(error, "CONFIG_INVALID"));
    assert.match(error.message, /TRIBUTARY_API_KEYS_FILE/);
    return true;
  });
  await using open = await testGateway({ TRIBUTARY_HOST: "0.0.0.0", TRIBUTARY_API_KEYS_FILE: keysFile });
  assert.match(open.url, /^http:/);
});

test("without keys, pages of other origins and rebound names are refused", async () => {
  await using gateway = await testGateway();
  const ask = (headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      http
        .get(`${gateway.url}/v1/tables`, { headers }, (answer) => resolve(answer.resume().statusCode!))
        .once("error", reject);
    });
  const { host } = new URL(gateway.url);
  assert.equal(await ask({ origin: `http://${host}` }), 200);
  assert.equal(await ask({ origin: "https://evil.example" }), 403);
  assert.equal(await ask({ origin: "null" }), 403);
  assert.equal(await ask({ host: "evil.example:8080" }), 403);
  assert.equal(await ask({ host: "localhost:8080" }), 200);
  assert.equal(await ask({ host: "[::1]:8080" }), 200);
});

test("the rate limit applies to each key, and not to health checks", async () => {
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile, TRIBUTARY_RATE_LIMIT: "2" });
  for (let n = 0; n < 2; n++) assert.equal((await request(gateway, "GET", "/v1/tables", "load-me")).status, 200);
  const limited = await request(gateway, "GET", "/v1/tables", "load-me");
  assert.ok(Number(limited.headers.get("retry-after")) > 0);
  await problemIn(limited, 429, "RATE_LIMITED");
  assert.equal((await request(gateway, "GET", "/v1/tables", "let-me")).status, 200);
  for (let n = 0; n < 4; n++) assert.equal((await request(gateway, "GET", "/healthz")).status, 200);
});
