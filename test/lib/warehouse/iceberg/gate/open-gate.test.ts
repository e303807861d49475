import assert from "node:assert/strict";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../../../lib/clock.ts";
import type { CatalogAnswer, CatalogRequest } from "../../../../../lib/warehouse/iceberg/gate/catalog-port.ts";
import type { GateEvent } from "../../../../../lib/warehouse/gate-events.ts";
import { openGate } from "../../../../../lib/warehouse/iceberg/gate/open-gate.ts";

type Send = (request: CatalogRequest) => Promise<CatalogAnswer>;

async function open(t: TestContext, send: Send, more: { onAbandoned?: () => void } = {}) {
  const sent: CatalogRequest[] = [];
  const events: GateEvent[] = [];
  const gate = await openGate({
    send: (request) => {
      sent.push(request);
      return send(request);
    },
    clock: systemClock,
    onEvent: (event) => events.push(event),
    onAbandoned: () => assert.fail("abandoned"),
    ...more,
  });
  t.after(() => gate.close(0));
  return { gate, sent, events };
}

const ok = (body: string, headers: Record<string, string> = {}): CatalogAnswer => ({
  status: 200,
  headers,
  body: Buffer.from(body),
});

const COMMIT = "/v1/lake/namespaces/n/tables/t";
const PROPERTIES = '{"requirements":[],"updates":[{"action":"set-properties","updates":{"a":"1"}}]}';

test("other requests pass as they are, without what belongs to the connection or the login", async (t) => {
  const { gate, sent, events } = await open(t, async () => ({
    status: 404,
    headers: { "content-type": "application/json", etag: "x", connection: "close", "transfer-encoding": "chunked" },
    body: Buffer.from("€"),
  }));
  const answer = await fetch(`${gate.endpoint}/v1/a%2Fb/namespaces?x=%20&y`, {
    method: "POST",
    headers: { authorization: "Bearer secret", "x-iceberg-access-delegation": "vended-credentials" },
    body: "€uro",
  });
  assert.equal(answer.status, 404);
  assert.equal(answer.headers.get("etag"), "x");
  assert.equal(await answer.text(), "€");
  const [request] = sent;
  assert.equal(request!.method, "POST");
  assert.equal(request!.path, "/v1/a%2Fb/namespaces?x=%20&y");
  assert.equal(Buffer.from(request!.body as Uint8Array).toString("utf8"), "€uro");
  assert.equal(request!.headers["x-iceberg-access-delegation"], "vended-credentials");
  for (const name of ["authorization", "host", "connection", "content-length", "accept-encoding"])
    assert.ok(!(name in request!.headers), name);
  assert.deepEqual(
    events.map(({ event }) => event),
    ["forward"],
  );
});

test("the writer is not led past the gate to another address of the catalog", async (t) => {
  const config = {
    defaults: { uri: "https://elsewhere", prefix: "a" },
    overrides: { uri: "https://elsewhere", prefix: "lake", "s3.region": "x" },
    endpoints: ["GET /v1/config"],
  };
  const { gate } = await open(t, async () => ok(JSON.stringify(config)));
  const answer = await fetch(`${gate.endpoint}/v1/config?warehouse=w`);
  assert.deepEqual(await answer.json(), {
    defaults: { prefix: "a" },
    overrides: { prefix: "lake", "s3.region": "x" },
    endpoints: ["GET /v1/config"],
  });
  const table = await fetch(`${gate.endpoint}/v1/lake/namespaces/n/tables/config`);
  assert.deepEqual(await table.json(), config, "only the configuration is changed");
});

test("HEAD and DELETE pass without a body", async (t) => {
  const { gate, sent } = await open(t, async () => ({ status: 204, headers: {}, body: Buffer.alloc(0) }));
  for (const method of ["HEAD", "DELETE"]) {
    const answer = await fetch(`${gate.endpoint}/v1/lake/namespaces/n/tables/t`, { method });
    assert.equal(answer.status, 204);
  }
  assert.deepEqual(
    sent.map(({ method, body }) => [method, body]),
    [
      ["HEAD", undefined],
      ["DELETE", undefined],
    ],
  );
});

test("only who knows the secret gets through", async (t) => {
  const { gate, sent } = await open(t, async () => ok("{}"));
  const url = new URL(gate.endpoint);
  const secret = url.pathname.slice(1);
  assert.ok(secret.length >= 32);
  assert.equal(url.hostname, "127.0.0.1");
  for (const path of ["/v1/config", "/", "", `/${secret}`, `/${secret.slice(1)}x/v1/config`, `//${secret}/v1/config`])
    assert.equal((await fetch(`${url.origin}${path}`)).status, 404, path);
  assert.equal(sent.length, 0);
  assert.equal((await fetch(`${gate.endpoint}/v1/config`)).status, 200);
});

test("a catalog that is away or silent is told in the words of the specification", async (t) => {
  const errors = [Object.assign(new Error("refused"), { sent: false }), new Error("reset")];
  const { gate } = await open(t, () => Promise.reject(errors.shift()!));
  for (const status of [503, 504]) {
    const answer = await fetch(`${gate.endpoint}/v1/config`);
    assert.equal(answer.status, status);
    assert.equal(((await answer.json()) as { error: { code: number } }).error.code, status);
  }
});

test("a body that is too long is refused, and the catalog sees nothing of it", async (t) => {
  const { gate, sent } = await open(t, async () => ok("{}"));
  const answer = await post(`${gate.endpoint}${COMMIT}`, Buffer.alloc(16 * 1024 * 1024 + 1, "x"));
  assert.equal(answer.statusCode, 413);
  assert.equal(sent.length, 0);
});

test("a commit is answered by the gate, with the catalog's own answer where there is one", async (t) => {
  const { gate, events } = await open(t, async () => ok('{"metadata":{}}'));
  const answer = await fetch(`${gate.endpoint}${COMMIT}`, { method: "POST", body: PROPERTIES });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal(await answer.text(), '{"metadata":{}}');
  assert.deepEqual(
    events.map(({ event }) => event),
    ["attempt", "commit"],
  );
});

test("a writer that leaves before the answer is reported at once, and the commit continues", async (t) => {
  let answerCommit: (answer: CatalogAnswer) => void = () => undefined;
  let isReached: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (isReached = resolve));
  let isAbandoned: () => void = () => undefined;
  const abandoned = new Promise<void>((resolve) => (isAbandoned = resolve));
  const { gate, events } = await open(
    t,
    () => {
      isReached();
      return new Promise((resolve) => (answerCommit = resolve));
    },
    { onAbandoned: () => isAbandoned() },
  );
  const left = new AbortController();
  const asked = fetch(`${gate.endpoint}${COMMIT}`, { method: "POST", body: PROPERTIES, signal: left.signal });
  await reached;
  left.abort();
  await assert.rejects(asked);
  await abandoned;
  answerCommit(ok("{}"));
  await gate.close(1_000);
  assert.ok(events.some((event) => event.event === "commit" && event.outcome === "committed"));
});

test("close waits for the commits that run, and takes no new ones", async (t) => {
  let answerCommit: (answer: CatalogAnswer) => void = () => undefined;
  let isReached: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => (isReached = resolve));
  const { gate } = await open(t, () => {
    isReached();
    return new Promise((resolve) => (answerCommit = resolve));
  });
  const asked = fetch(`${gate.endpoint}${COMMIT}`, { method: "POST", body: PROPERTIES });
  await reached;
  const closed = gate.close(60_000);
  await assert.rejects(fetch(`${gate.endpoint}/v1/config`));
  answerCommit(ok("{}"));
  assert.equal((await asked).status, 200);
  await closed;
});

const post = (url: string, body: Buffer): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method: "POST" }, (answer) => {
      answer.resume();
      resolve(answer);
    });
    outgoing.once("error", reject).end(body);
  });
