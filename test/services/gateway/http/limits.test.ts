/** Limits on a client: requests, failed logins, headers, bodies, forms, connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hashOf } from "../../../../lib/process/api-keys.ts";
import { problemSchema } from "../../../../services/gateway/http/schemas.ts";
import { until } from "../../../support/until.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "./problem-in.ts";

let folder: string;
let keysFile: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tributary-limits-"));
  keysFile = join(folder, "keys.json");
  const ids = ["one", "one", "two"];
  const entry = (id: string, n: number) => ({ id, sha256: hashOf(`secret-${n}`).toString("hex"), scopes: ["admin"] });
  writeFileSync(keysFile, JSON.stringify(ids.map(entry)));
});
after(() => rmSync(folder, { recursive: true }));

const ask = (gateway: TestGateway, bearer?: string, path = "/v1/tables", from?: string) =>
  fetch(gateway.url + path, {
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(from === undefined ? {} : { "x-forwarded-for": from }),
    },
  });

/** The response to raw bytes that no client library would send. */
async function exchange(gateway: TestGateway, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined);
  socket.write(bytes);
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

function problemOfRaw(answer: string, status: number, code: string): void {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `));
  assert.match(head, /content-type: application\/problem\+json/i);
  const problem = problemSchema.strict().parse(JSON.parse(body));
  assert.deepEqual([problem.code, problem.status], [code, status]);
}

test("requests are counted by key id, for any of its keys", async () => {
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile, TRIBUTARY_RATE_LIMIT: "2" });
  assert.equal((await ask(gateway, "secret-0")).status, 200);
  assert.equal((await ask(gateway, "secret-1")).status, 200);
  const limited = await ask(gateway, "secret-0");
  assert.ok(Number(limited.headers.get("retry-after")) > 0);
  await problemIn(limited, 429, "RATE_LIMITED");
  assert.equal((await ask(gateway, "secret-2")).status, 200);
  for (let n = 0; n < 4; n++) assert.equal((await ask(gateway, undefined, "/healthz")).status, 200);
});

test("without keys, requests are counted by address, as reported by a trusted proxy", async () => {
  const settings = { TRIBUTARY_RATE_LIMIT: "2", TRIBUTARY_TRUSTED_PROXIES: "127.0.0.1" };
  await using behind = await testGateway(settings);
  for (let n = 0; n < 2; n++) assert.equal((await ask(behind, undefined, "/v1/tables", "10.0.0.1")).status, 200);
  await problemIn(await ask(behind, undefined, "/v1/tables", "10.0.0.1"), 429, "RATE_LIMITED");
  assert.equal((await ask(behind, undefined, "/v1/tables", "10.0.0.2")).status, 200);
  await using open = await testGateway({ TRIBUTARY_RATE_LIMIT: "2" });
  for (let n = 0; n < 2; n++) assert.equal((await ask(open, undefined, "/v1/tables", `10.0.0.${n}`)).status, 200);
  await problemIn(await ask(open, undefined, "/v1/tables", "10.0.0.9"), 429, "RATE_LIMITED");
});

test("an address that guesses keys is locked out; requests without a key do not count", async () => {
  const settings = { TRIBUTARY_AUTH_FAILURES_MAX: "3", TRIBUTARY_TRUSTED_PROXIES: "127.0.0.1" };
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile, ...settings });
  const from = (address: string, bearer?: string) => ask(gateway, bearer, "/v1/tables", address);
  for (let n = 0; n < 10; n++) assert.equal((await from("10.0.0.1")).status, 401);
  for (let n = 0; n < 3; n++) assert.equal((await from("10.0.0.1", `guess-${n}`)).status, 401);
  const locked = await from("10.0.0.1", "guess-4");
  const seconds = Number(locked.headers.get("retry-after"));
  assert.ok(seconds > 0 && seconds <= 60, `retry-after: ${seconds}`);
  await problemIn(locked, 429, "RATE_LIMITED");
  await problemIn(await from("10.0.0.1", "secret-0"), 429, "RATE_LIMITED");
  assert.equal((await from("10.0.0.2", "secret-0")).status, 200);
  assert.equal((await ask(gateway, undefined, "/healthz")).status, 200);
});

test("valid keys never count as failures", async () => {
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile, TRIBUTARY_AUTH_FAILURES_MAX: "2" });
  for (let n = 0; n < 10; n++) assert.equal((await ask(gateway, "secret-0")).status, 200);
});

test("headers and paths beyond 16 KiB and invalid HTTP get problem details", async () => {
  await using gateway = await testGateway();
  const long = "x".repeat(17 * 1024);
  const of = (path: string, header: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\nx: ${header}\r\n\r\n`;
  problemOfRaw(await exchange(gateway, of("/v1/tables", long)), 431, "HEADERS_TOO_LARGE");
  problemOfRaw(await exchange(gateway, of(`/v1/files?table=${long}`, "")), 431, "HEADERS_TOO_LARGE");
  problemOfRaw(await exchange(gateway, "this is no HTTP\r\n\r\n"), 400, "BAD_REQUEST");
  const smuggled =
    "POST /v1/query HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n";
  problemOfRaw(await exchange(gateway, smuggled), 400, "BAD_REQUEST");
  const answer = await ask(gateway, undefined, `/v1/tables/${"x".repeat(10_000)}`);
  const { detail, instance } = await problemIn(answer, 400, "BAD_REQUEST");
  assert.ok(detail.length <= 4_000 && instance.length <= 512, "what was sent is not repeated at any length");
});

test("JSON: size, depth and prototype names", async () => {
  await using gateway = await testGateway();
  const post = (path: string, body: string) =>
    fetch(gateway.url + path, { method: "POST", body, headers: { "content-type": "application/json" } });
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const deepObject = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  const poisoned = '{"__proto__":{"scope":"admin"},"constructor":{"prototype":{}}}';
  for (const path of ["/v1/query", "/v1/tables/t/replay", "/v1/notifications/s3"]) {
    await problemIn(await post(path, "x".repeat(1024 * 1024 + 1)), 413, "BODY_TOO_LARGE");
    await problemIn(await post(path, deep), 400, "BAD_REQUEST");
    // This gateway has no drop store, so a body that is read at all gives NOT_FOUND.
    const [status, code] = path.startsWith("/v1/notifications") ? [404, "NOT_FOUND"] : [400, "BAD_REQUEST"];
    await problemIn(await post(path, deepObject), status, code);
    await problemIn(await post(path, poisoned), status, code);
  }
  assert.equal(({} as { scope?: string }).scope, undefined);
});

test("forms: limits on files and fields", async () => {
  await using gateway = await testGateway({ TRIBUTARY_MULTIPART_FILES_MAX: "3" });
  const send = (path: string, parts: [string, string | Blob, string?][]) => {
    const form = new FormData();
    for (const [name, value, fileName] of parts) {
      if (typeof value === "string") form.append(name, value);
      else form.append(name, value, fileName);
    }
    return fetch(gateway.url + path, { method: "POST", body: form });
  };
  const file = (n: number): [string, Blob, string] => ["file", new Blob(["id\n1\n"]), `${n}.csv`];
  const upload = "/v1/tables/sales/files";
  assert.equal((await send(upload, [1, 2, 3].map(file))).status, 202);
  await problemIn(await send(upload, [1, 2, 3, 4].map(file)), 413, "BODY_TOO_LARGE");
  const many = Array.from({ length: 101 }, (_, n): [string, string] => [`field${n}`, "x"]);
  await problemIn(await send(upload, [...many, file(1)]), 413, "BODY_TOO_LARGE");
});

test("a stalled body is disconnected: JSON, form and preview", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "50ms" });
  const head = (path: string, type: string) =>
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: 1000\r\n\r\n`;
  const form = "multipart/form-data; boundary=b\r\nx: y";
  const stalled = [
    `${head("/v1/query", "application/json")}{"sql":`,
    `${head("/v1/tables/t/files", form)}--b\r\n`,
    ...Array.from({ length: 4 }, () => `${head("/v1/preview", "text/csv")}id\n`),
  ];
  await Promise.all(stalled.map((bytes) => exchange(gateway, bytes)));
  await until("a preview's turn", async () => {
    const answer = await fetch(`${gateway.url}/v1/preview`, { method: "POST", body: "id\n1\n" });
    return answer.status === 200;
  });
});

test("the idle limit does not apply to slow responses", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "50ms" });
  const slow = fetch(`${gateway.url}/v1/tables/t/files/a.csv?wait=committed&timeout=400ms`, {
    method: "PUT",
    body: "id\n1\n",
  });
  assert.equal((await slow).status, 202);
});
