import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { makeGatewayClient, Refused, type Client } from "../../../cli/client.ts";
import { repeated, retryAfterMs } from "../../../cli/requests/repeat.ts";

interface Refusal {
  status: number;
  code: string;
  retryAfter?: string;
}

/** A gateway that answers with the refusals, then with 200; the waits are counted and not slept. */
async function refusing(
  t: TestContext,
  refusals: readonly Refusal[],
): Promise<{ client: Client; waits: number[]; bodies: string[] }> {
  const [waits, bodies]: [number[], string[]] = [[], []];
  const server: Server = createServer((request, response) => {
    void text(request).then((body) => {
      const refusal = refusals[bodies.push(body) - 1];
      const headers = refusal?.retryAfter === undefined ? {} : { "retry-after": refusal.retryAfter };
      response.writeHead(refusal?.status ?? 200, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(refusal ? { code: refusal.code, detail: "no" } : { done: true }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close());
  const clock = { sleep: (ms: number) => Promise.resolve(void waits.push(ms)) };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: makeGatewayClient(url, {}, clock), waits, bodies };
}

const BUSY = { status: 503, code: "OVERLOADED", retryAfter: "2" };
const AWAY = { status: 503, code: "WAREHOUSE_UNAVAILABLE", retryAfter: "5" };

test("a busy gateway is asked again after the time that it names, with the whole body", async (t) => {
  const refusals = [BUSY, { status: 429, code: "RATE_LIMITED", retryAfter: "7" }, { status: 503, code: "OVERLOADED" }];
  const { client, waits, bodies } = await refusing(t, refusals);
  const body = (): Readable => Readable.from(["id\n", "1\n"]);
  assert.deepEqual(await client.send("POST", "/v1/preview", { body }), { done: true });
  assert.deepEqual(
    bodies,
    Array.from({ length: 4 }, () => "id\n1\n"),
  );
  assert.ok(waits[0]! >= 2_000 && waits[1]! >= 7_000 && waits[2]! >= 4_000, String(waits));
});

test("repetitions are bounded in number and in time", async (t) => {
  const many = await refusing(
    t,
    Array.from({ length: 50 }, () => BUSY),
  );
  await assert.rejects(many.client.send("GET", "/"), (error) => error instanceof Refused && error.status === 503);
  assert.ok(many.bodies.length > 3 && many.bodies.length <= 8, String(many.bodies.length));
  const long = await refusing(t, [{ ...BUSY, retryAfter: "3600" }]);
  await assert.rejects(long.client.send("GET", "/"));
  assert.deepEqual([long.bodies.length, long.waits], [1, []]);
});

test("a request that may have had an effect, a stream, and other refusals are not repeated", async (t) => {
  for (const [refusal, method, options, requests] of [
    [AWAY, "GET", {}, 2],
    [AWAY, "POST", {}, 1],
    [AWAY, "POST", { idempotencyKey: "k" }, 2],
    [BUSY, "DELETE", {}, 2],
    [BUSY, "POST", { body: "x" }, 2],
    [BUSY, "POST", { body: Readable.from(["x"]) }, 1],
    [{ status: 400, code: "BAD_REQUEST" }, "GET", {}, 1],
    [{ status: 500, code: "INTERNAL" }, "GET", {}, 1],
  ] as const) {
    const { client, bodies } = await refusing(t, [refusal]);
    await client.send(method, "/", options).catch((error: unknown) => assert.ok(error instanceof Refused));
    assert.equal(bodies.length, requests, `${refusal.code} ${method} ${JSON.stringify(Object.keys(options))}`);
  }
});

test("Retry-After is seconds or a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(retryAfterMs("3", now), 3_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2026 00:00:09 GMT", now), 9_000);
  assert.equal(retryAfterMs("Thu, 01 Jan 2026 00:00:00 GMT", now + 5_000), 0);
  assert.deepEqual([retryAfterMs("soon", now), retryAfterMs(undefined, now)], [undefined, undefined]);
});

test("errors that no repetition helps are thrown at once", async () => {
  let attempts = 0;
  const attempt = (): Promise<never> => Promise.reject(new Error(`attempt ${++attempts}`));
  await assert.rejects(
    repeated({ sleep: () => Promise.resolve() }, () => undefined, attempt),
    /attempt 1/,
  );
});
