/** Limits on a client: requests, failed logins, headers, bodies, forms, connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../../../../lib/clock.ts";
import { hashOf } from "../../../../lib/process/api-keys.ts";
import { problemSchema } from "../../../../services/gateway/http/schemas.ts";
import { fakeBlobStore } from "../fakes.ts";
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

test("an address that guesses does not lock out the keys that it used before", async () => {
  const settings = { TRIBUTARY_AUTH_FAILURES_MAX: "3", TRIBUTARY_TRUSTED_PROXIES: "127.0.0.1" };
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile, ...settings });
  const from = (address: string, bearer?: string) => ask(gateway, bearer, "/v1/tables", address);
  assert.equal((await from("10.0.0.1", "secret-0")).status, 200);
  for (let n = 0; n < 4; n++) await from("10.0.0.1", `guess-${n}`);
  await problemIn(await from("10.0.0.1", "guess-9"), 429, "RATE_LIMITED");
  await problemIn(await from("10.0.0.1", "secret-1"), 429, "RATE_LIMITED");
  assert.equal((await from("10.0.0.1", "secret-0")).status, 200);
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
    const large = await problemIn(await post(path, "x".repeat(1024 * 1024 + 1)), 413, "BODY_TOO_LARGE");
    assert.equal(large.detail, "the JSON body is larger than 1 MiB, which is the limit");
    const broken = await problemIn(await post(path, '{"a":'), 400, "BAD_REQUEST");
    if (path !== "/v1/notifications/s3") assert.match(broken.detail, /^the body is not valid JSON/);
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
  const { detail } = await problemIn(await send(upload, [1, 2, 3, 4].map(file)), 413, "BODY_TOO_LARGE");
  assert.match(detail, /more files than TRIBUTARY_MULTIPART_FILES_MAX allows; accepted before it: 1\.csv, 2\.csv/);
  const many = Array.from({ length: 101 }, (_, n): [string, string] => [`field${n}`, "x"]);
  await problemIn(await send(upload, [...many, file(1)]), 413, "BODY_TOO_LARGE");
});

/** Sends bytes, then one byte now and then, until the gateway has responded. Returns its response. */
async function trickle(gateway: TestGateway, bytes: string, untilClosed = false): Promise<string> {
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  await once(socket, "connect");
  socket.write(bytes);
  const more = setInterval(() => socket.write("x"), 20);
  const closed = once(socket, "close").catch(() => undefined);
  let text = "";
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (text.endsWith("}")) resolve();
    });
  });
  await Promise.race([answered, closed]);
  if (untilClosed) await closed;
  clearInterval(more);
  socket.destroy();
  return text;
}

const startOf = (method: string, path: string, type: string): string =>
  `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: 100000\r\n\r\n`;
const FORM = "multipart/form-data; boundary=b";
const FILE = '--b\r\ncontent-disposition: form-data; name="f"; filename="a.csv"\r\n\r\nid\n1';
const FORM_START = startOf("POST", "/v1/tables/t/files", FORM);

for (const [what, bytes] of [
  ["a file", `${startOf("PUT", "/v1/tables/t/files/a.csv", "text/csv")}id\n1`],
  ["a form before its first part", `${FORM_START}--b\r\n`],
  ["a form in a file", `${FORM_START}${FILE}`],
  ["a form between two files", `${FORM_START}${FILE}\r\n--b\r\n`],
  ["a form after its last part", `${FORM_START}${FILE}\r\n--b--\r\n`],
  ["a preview", `${startOf("POST", "/v1/preview?table=t&name=a.csv", "text/csv")}id\n1`],
  ["a preview's form", `${startOf("POST", "/v1/preview", FORM)}--b\r\n`],
  ["a preview's file in a form", `${startOf("POST", "/v1/preview", FORM)}${FILE}`],
  ["a corrected sheet", `${startOf("POST", "/v1/tables/t/rejects/corrections", "text/csv")}_file_id`],
  ["a replay", `${startOf("POST", "/v1/tables/t/replay", "application/json")}{`],
  ["a query", `${startOf("POST", "/v1/query", "application/json")}{"sql":`],
  ["a notification", `${startOf("POST", "/v1/notifications/s3", "application/json")}{`],
] as const) {
  test(`a body that trickles is refused and holds no place: ${what}`, async () => {
    const settings = { TRIBUTARY_UPLOAD_IDLE_MAX: "200ms", TRIBUTARY_UPLOADS_MAX: "5" };
    await using gateway = await testGateway(settings);
    for (const answer of await Promise.all(Array.from({ length: 5 }, () => trickle(gateway, bytes)))) {
      problemOfRaw(answer, 400, "UPLOAD_INCOMPLETE");
      assert.match(answer, /fewer than 205 bytes arrived in 0\.2 s/);
    }
    const send = (method: string, path: string) => fetch(gateway.url + path, { method, body: "id\n1\n" });
    const all = [...Array(4).keys()].flatMap((n) => [
      send("PUT", `/v1/tables/t/files/${n}.csv`).then(({ status }) => assert.equal(status, 202)),
      send("POST", "/v1/preview").then(({ status }) => assert.equal(status, 200)),
    ]);
    await Promise.all(all);
  });
}

test("a form that stalls behind an accepted file: its error names the file, its connection is closed", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "200ms" });
  const answer = await trickle(gateway, `${FORM_START}${FILE}\r\n--b\r\n`, true);
  assert.match(answer, /accepted before it: a\.csv/);
  assert.equal(gateway.published().length, 1);
});

test("a stalled preview leaves its place to others", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "5s" });
  const stalled = Array.from({ length: 8 }, () => connect(Number(new URL(gateway.url).port), "127.0.0.1"));
  for (const socket of stalled) socket.write(`${startOf("POST", "/v1/preview", "text/csv")}id\n1`);
  const answer = await fetch(`${gateway.url}/v1/preview`, { method: "POST", body: "id\n1\n" });
  assert.equal(answer.status, 200);
  for (const socket of stalled) socket.destroy();
});

test("a body that the gateway reads late is not the sender's fault", async () => {
  const blob = fakeBlobStore();
  const put = blob.put.bind(blob);
  blob.put = async (...args) => {
    await systemClock.sleep(600);
    return put(...args);
  };
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "100ms" }, { blob });
  const answer = await fetch(`${gateway.url}/v1/tables/t/files/a.csv`, {
    method: "PUT",
    body: `id\n${"1\n".repeat(8 * 1024 * 1024)}`,
  });
  assert.equal(answer.status, 202);
});

test("the idle limit does not apply to slow responses", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "50ms" });
  const slow = fetch(`${gateway.url}/v1/tables/t/files/a.csv?wait=committed&timeout=400ms`, {
    method: "PUT",
    body: "id\n1\n",
  });
  assert.equal((await slow).status, 202);
});
