/**
 * How the S3 store handles failures of a server; test/contract/blob-store.test.ts tests the common contract.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import type { BlobStore } from "../../../../lib/blob/blob-store.ts";
import { openBlobStore } from "../../../../lib/blob/open.ts";
import { s3LocationOf, type S3Options } from "../../../../lib/blob/s3/client.ts";
import { ensureBucket } from "../../../../lib/blob/s3/s3-store.ts";
import { hasCode, type ErrorCode } from "../../../../lib/errors.ts";
import { systemClock } from "../../../../lib/clock.ts";

const failsWith = (code: ErrorCode) => (error: unknown) => hasCode(error, code);
const KEYS = { accessKey: "key", secretKey: "secret", region: "us-east-1" };
const clock = { ...systemClock, sleep: async () => undefined };

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A store on a server with the test's responses, and the received requests as `METHOD /path?query`. */
async function storeOn(
  context: TestContext,
  handle: Handler,
  options: Pick<S3Options, "readBytesMax"> = {},
): Promise<{ store: BlobStore; requests: string[]; url: string }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url!.replace(/[?&]x-id=\w+/, "")}`);
    void buffer(request).then(
      (body) => handle(request, response, body),
      () => undefined,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = `s3://bucket?endpoint=${endpoint}`;
  const store = await openBlobStore(url, { s3: { ...KEYS, ...options }, clock });
  context.after(async () => {
    await store.close();
    server.close();
    server.closeAllConnections();
  });
  return { store, requests, url };
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

/** Serves a range, but cuts the connection after `bytesMax` bytes. */
function serve(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  etag: string,
  bytesMax: number,
): void {
  const [, from = "0", to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
  const start = Number(from);
  const end = Math.min(to ? Number(to) + 1 : Infinity, bytes.length);
  if (request.headers["if-match"] && request.headers["if-match"] !== `"${etag}"`)
    return fail(response, 412, "PreconditionFailed");
  response.writeHead(request.headers.range ? 206 : 200, {
    etag: `"${etag}"`,
    "content-length": end - start,
    ...(request.headers.range ? { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
  });
  const part = bytes.subarray(start, Math.min(end, start + bytesMax));
  response.write(part, () => {
    if (part.length < end - start) response.destroy();
    else response.end();
  });
}

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));

test("an object's charset is that of its user metadata, else of its Content-Type", async (context) => {
  let headers: Record<string, string> = {};
  const { store } = await storeOn(context, (_request, response) => {
    response.writeHead(200, { etag: '"one"', "content-length": 1, ...headers });
    response.end("x");
  });
  for (const [given, charset] of [
    [{}, undefined],
    [{ "content-type": "text/csv" }, undefined],
    [{ "content-type": "text/csv; charset=UTF-8" }, undefined],
    [{ "content-type": 'text/csv; charset="Shift_JIS"' }, "Shift_JIS"],
    [{ "content-type": "text/csv; charset=utf-8", "x-amz-meta-charset": "latin1" }, "latin1"],
  ] as const) {
    headers = given;
    const { body, info } = await store.get("x");
    body.destroy();
    assert.equal(info.charset, charset);
  }
});

test("a read resumes after broken connections", async (context) => {
  const { store, requests } = await storeOn(context, (request, response) =>
    serve(request, response, BYTES, "one", 30_000),
  );
  const whole = await store.get("x");
  assert.equal(whole.info.sizeBytes, BYTES.length);
  assert.ok((await buffer(whole.body)).equals(BYTES));
  assert.equal(requests.length, 4);
  const range = await store.get("x", { start: 10_000, end: 90_000 });
  assert.equal(range.info.sizeBytes, BYTES.length);
  assert.ok((await buffer(range.body)).equals(BYTES.subarray(10_000, 90_000)));
});

test("a large object is read by several requests, also over broken connections", async (context) => {
  const ranges: string[] = [];
  const { store } = await storeOn(
    context,
    (request, response) => {
      ranges.push(request.headers.range ?? "");
      serve(request, response, BYTES, "one", 25_000);
    },
    { readBytesMax: 30_000 },
  );
  const { body, info } = await store.get("x");
  assert.equal(info.sizeBytes, BYTES.length);
  assert.ok((await buffer(body)).equals(BYTES));
  assert.deepEqual(
    ranges,
    ["0-29999", "25000-54999", "50000-79999", "75000-99999"].map((one) => `bytes=${one}`),
  );
  ranges.length = 0;
  const part = await store.get("x", { start: 40_000, end: 80_000 });
  assert.ok((await buffer(part.body)).equals(BYTES.subarray(40_000, 80_000)));
  assert.deepEqual(ranges, ["bytes=40000-69999", "bytes=65000-79999"]);
});

test("an object that is replaced between two requests fails with BLOB_CHANGED", async (context) => {
  let requests = 0;
  const { store } = await storeOn(
    context,
    (request, response) => serve(request, response, BYTES, requests++ === 0 ? "one" : "two", 1e9),
    { readBytesMax: 60_000 },
  );
  await assert.rejects(buffer((await store.get("x")).body), failsWith("BLOB_CHANGED"));
});

test("a server that sends the whole object, whatever was asked for, is read once", async (context) => {
  const { store, requests } = await storeOn(
    context,
    (_request, response) => {
      response.writeHead(200, { etag: '"one"', "content-length": BYTES.length });
      response.end(BYTES);
    },
    { readBytesMax: 10_000 },
  );
  assert.ok((await buffer((await store.get("x")).body)).equals(BYTES));
  assert.equal(requests.length, 1);
});

test("a read of an object that is replaced fails with BLOB_CHANGED", async (context) => {
  let requests = 0;
  const { store } = await storeOn(context, (request, response) => {
    serve(request, response, BYTES, requests++ === 0 ? "one" : "two", 30_000);
  });
  await assert.rejects(buffer((await store.get("x")).body), failsWith("BLOB_CHANGED"));
});

test("a read that makes no progress fails", async (context) => {
  const { store, requests } = await storeOn(context, (request, response) => {
    serve(request, response, BYTES, "one", request.headers.range === "bytes=0-33554431" ? 30_000 : 0);
  });
  await assert.rejects(buffer((await store.get("x")).body), failsWith("BLOB_UNAVAILABLE"));
  assert.ok(requests.length < 10, `${requests.length} requests`);
});

test("each kind of failure has its own error code", async (context) => {
  let answer: [number, string] = [200, ""];
  const { store, url } = await storeOn(context, (request, response) => {
    const there = { 409: 404, 412: 200 }[answer[0]];
    if (request.method === "HEAD") response.writeHead(there ?? answer[0]).end();
    else fail(response, ...answer);
  });
  const cases: [number, string, Record<string, ErrorCode>][] = [
    [404, "NoSuchKey", { get: "BLOB_NOT_FOUND" }],
    [
      404,
      "NoSuchBucket",
      { get: "BLOB_UNAVAILABLE", head: "BLOB_UNAVAILABLE", put: "BLOB_UNAVAILABLE", list: "BLOB_UNAVAILABLE" },
    ],
    [
      403,
      "AccessDenied",
      { get: "BLOB_UNAVAILABLE", head: "BLOB_UNAVAILABLE", put: "BLOB_UNAVAILABLE", list: "BLOB_UNAVAILABLE" },
    ],
    [412, "PreconditionFailed", { get: "BLOB_CHANGED", put: "BLOB_EXISTS" }],
    [507, "InsufficientStorage", { put: "DISK_FULL" }],
    [400, "KeyTooLongError", { put: "BLOB_KEY_INVALID" }],
    [501, "NotImplemented", { put: "BLOB_UNAVAILABLE" }],
    // A conflict although the object does not exist.
    [409, "ConditionalRequestConflict", { put: "BLOB_UNAVAILABLE" }],
  ];
  for (const [status, code, expected] of cases) {
    answer = [status, code];
    const calls: Record<string, () => Promise<unknown>> = {
      get: () => store.get("x"),
      head: () => store.head("x"),
      put: () => store.put("x", Buffer.from("x"), { ifAbsent: true }),
      list: async () => {
        for await (const _ of store.list("")) assert.fail();
      },
    };
    for (const [method, error] of Object.entries(expected)) {
      await assert.rejects(calls[method]!(), failsWith(error), `${method} ${code}`);
    }
  }
  answer = [403, "AccessDenied"];
  await assert.rejects(store.ready(), failsWith("BLOB_UNAVAILABLE"));
  await ensureBucket(url, KEYS);
});

test("an unreachable server fails quickly with BLOB_UNAVAILABLE", async () => {
  const store = await openBlobStore("s3://bucket?endpoint=http://127.0.0.1:1", { s3: KEYS });
  await assert.rejects(store.ready(), failsWith("BLOB_UNAVAILABLE"));
  await assert.rejects(store.put("x", Buffer.from("x")), failsWith("BLOB_UNAVAILABLE"));
  await store.close();
});

test("a short failure is retried", async (context) => {
  let tries = 0;
  const { store } = await storeOn(context, (_, response) => {
    if (++tries < 3) fail(response, 503, "SlowDown");
    else response.writeHead(200, { etag: '"e"' }).end();
  });
  assert.equal((await store.put("x", Buffer.from("x"))).etag, "e");
});

test("an upload whose part fails stops reading and removes its parts", async (context) => {
  const { store, requests } = await storeOn(context, (request, response) => {
    const multipart =
      '<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>';
    if (request.method === "POST") response.end(multipart);
    else if (request.method === "DELETE") response.writeHead(204).end();
    else fail(response, 403, "AccessDenied");
  });
  let read = 0;
  const body = new Readable({
    read() {
      read += 1024 * 1024;
      this.push(read > 500 * 1024 * 1024 ? null : Buffer.alloc(1024 * 1024));
    },
  });
  await assert.rejects(store.put("x", body), failsWith("BLOB_UNAVAILABLE"));
  assert.ok(read < 64 * 1024 * 1024, `${read} bytes read`);
  assert.ok(body.destroyed);
  assert.equal(requests.at(-1), "DELETE /bucket/x?uploadId=7");
  assert.ok(!requests.some((request) => request === "POST /bucket/x?uploadId=7"), "never completed");
});

test("a missing bucket is created", async (context) => {
  const { requests, url } = await storeOn(context, (request, response) => {
    response.writeHead(request.method === "HEAD" ? 404 : 200).end();
  });
  await ensureBucket(url, KEYS);
  assert.deepEqual(requests, ["HEAD /bucket/", "PUT /bucket/"]);
});

test("options in the URL take precedence", async () => {
  const place = s3LocationOf("s3://b/p/q/?endpoint=http://h:1&region=r&pathStyle=false", {
    ...KEYS,
    endpoint: "http://other",
  });
  assert.deepEqual(place, {
    bucket: "b",
    prefix: "p/q/",
    options: { ...KEYS, endpoint: "http://h:1", region: "r", pathStyle: false },
  });
  assert.deepEqual(s3LocationOf("s3://b", {}), { bucket: "b", prefix: "", options: {} });
  assert.deepEqual(s3LocationOf("s3://b/", {}).prefix, "");
  await assert.rejects(openBlobStore("s3://"), failsWith("CONFIG_INVALID"));
  await assert.rejects(openBlobStore("s3:bucket"), failsWith("CONFIG_INVALID"));
});

test("the SDK's warning about Node versions is suppressed", () => {
  const script = `
    const { openBlobStore } = await import("${new URL("../../../../lib/blob/open.ts", import.meta.url).href}");
    const store = await openBlobStore("s3://bucket?endpoint=http://127.0.0.1:1", { s3: { accessKey: "a", secretKey: "b" } });
    await store.ready().catch(() => undefined);
    await store.close();
    process.emitWarning("others are heard");`;
  const options = ["--import", "tsx", "--input-type=module", "-e", script];
  const { stderr, status } = spawnSync(process.execPath, options, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^\(node:\d+\) Warning: others are heard\n\(Use `node[^\n]*\n$/);
});
