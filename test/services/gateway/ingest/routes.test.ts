import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import { contractsOf } from "../../../../lib/contract/load.ts";
import { fileEvents } from "../../../../lib/messages/avro.ts";
import { TributaryError } from "../../../../lib/errors.ts";
import { rawKey } from "../../../../lib/blob/raw-key.ts";
import { fileStatusSchema, uploadResultsSchema } from "../../../../services/gateway/http/schemas.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

const CSV = "id,amount\n1,2.50\n2,3.00\n";
const sha256 = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");
const put = (gateway: TestGateway, path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/tables/${path}`, { method: "PUT", body, headers });

/** Resolves once the condition holds; fails after 5 s. */
async function until(holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5_000; !holds(); await turn()) {
    assert.ok(performance.now() < deadline, "timeout: the condition is still false");
  }
}

async function startRaw(gateway: TestGateway, head: string): Promise<Socket> {
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  await once(socket, "connect");
  socket.write(head);
  return socket;
}

test("a file is stored under its hash and its event published before the response", async () => {
  await using gateway = await testGateway();
  const response = await put(gateway, "sales/files/2024/a%2Fb%20c.csv", CSV);
  assert.equal(response.status, 202);
  const status = fileStatusSchema.strict().parse(await response.json());
  assert.equal(response.headers.get("location"), status.links.self);
  assert.deepEqual([status.status, status.sourceFile], ["received", "2024/a/b c.csv"]);
  const [event] = gateway.published();
  assert.deepEqual(
    [event!.fileId, event!.table, event!.sourceFile, event!.origin, event!.sizeBytes, event!.contentHash],
    [status.fileId, "sales", "2024/a/b c.csv", "upload", CSV.length, sha256(CSV)],
  );
  assert.equal(gateway.log.records[0]!.key, "sales");
  assert.equal(gateway.blob.objects.get(event!.blobKey)?.toString(), CSV);
  assert.equal(event!.blobKey, rawKey(sha256(CSV)));
});

test("the same content under two names is stored once and published twice", async () => {
  await using gateway = await testGateway();
  await put(gateway, "sales/files/a.csv", CSV);
  assert.equal((await put(gateway, "sales/files/b.csv", CSV)).status, 202);
  assert.equal(gateway.blob.objects.size, 1);
  assert.deepEqual(
    gateway.published().map(({ sourceFile }) => sourceFile),
    ["a.csv", "b.csv"],
  );
});

test("raw bytes that were cut off are replaced when the same content arrives again", async () => {
  await using gateway = await testGateway();
  for (const content of [CSV, Buffer.alloc(9 * 1024 * 1024, "0123456789\n")]) {
    await put(gateway, "sales/files/a.csv", content);
    const [key] = [...gateway.blob.objects.keys()].slice(-1);
    gateway.blob.objects.set(key!, Buffer.from("cut off"));
    assert.equal((await put(gateway, "sales/files/b.csv", content)).status, 202);
    assert.deepEqual(gateway.blob.objects.get(key!), Buffer.from(content));
  }
});

test("a large file streams through incoming/ and leaves nothing there", async () => {
  await using gateway = await testGateway();
  const large = Buffer.alloc(9 * 1024 * 1024 + 1, "0123456789\n");
  assert.equal((await put(gateway, "sales/files/large.csv", large)).status, 202);
  const ofUnknownLength = new ReadableStream({
    start(controller) {
      for (let start = 0; start < large.length; start += 1 << 20)
        controller.enqueue(large.subarray(start, start + (1 << 20)));
      controller.close();
    },
  });
  const init = { method: "PUT", body: ofUnknownLength, duplex: "half" } as RequestInit;
  const chunked = await fetch(`${gateway.url}/v1/tables/sales/files/chunked.csv`, init);
  assert.equal(chunked.status, 202);
  assert.deepEqual([...gateway.blob.objects.keys()], [rawKey(sha256(large))]);
  assert.equal(gateway.published()[1]!.sizeBytes, large.length);
});

test("an empty file is accepted: its parser reports the error", async () => {
  await using gateway = await testGateway();
  assert.equal((await put(gateway, "sales/files/empty.csv", "")).status, 202);
  assert.equal(gateway.published()[0]!.sizeBytes, 0);
});

test("any content type is accepted; compressed bodies are stored unchanged; other encodings are refused", async () => {
  await using gateway = await testGateway();
  for (const type of ["text/csv", "application/json", "application/x-www-form-urlencoded"]) {
    assert.equal((await put(gateway, "sales/files/a.csv", `{${type}\n`, { "content-type": type })).status, 202, type);
  }
  assert.equal((await put(gateway, "sales/files/a.csv.gz", "\x1f\x8b…", { "content-encoding": "gzip" })).status, 202);
  await problemIn(
    await put(gateway, "sales/files/a.csv", CSV, { "content-encoding": "br" }),
    415,
    "UNSUPPORTED_ENCODING",
  );
  await problemIn(
    await put(gateway, "sales/files/a.csv", CSV, { "content-type": "multipart/form-data; boundary=x" }),
    415,
    "UNSUPPORTED_MEDIA_TYPE",
  );
  await problemIn(
    await put(gateway, "sales/files/a.csv", CSV, { "content-type": "nonsense" }),
    415,
    "UNSUPPORTED_MEDIA_TYPE",
  );
  assert.equal(gateway.published().length, 4);
});

const APPEND = contractsOf([contractSchema.parse({ table: "events", writeMode: "append" })]);

for (const table of ["events", "sales"]) {
  test(`${table}: the content of the newest version, sent again, is answered with that version`, async () => {
    await using gateway = await testGateway({}, { contracts: APPEND });
    const path = `${table}/files/a.csv`;
    const first = fileStatusSchema.parse(await (await put(gateway, path, CSV)).json());
    assert.equal(first.repeated, undefined);
    const again = await put(gateway, path, CSV);
    assert.equal(again.status, 200);
    const second = fileStatusSchema.strict().parse(await again.json());
    assert.deepEqual([second.fileId, second.repeated], [first.fileId, true]);
    await gateway.ended(first.fileId, { rowsRejected: 0 });
    assert.equal((await put(gateway, `${path}?wait=committed`, CSV)).status, 200);
    assert.equal(gateway.published().length, 1);
    // Anything else is a new version: another content, the earlier one after it, another dialect, a wish.
    for (const [query, body] of [
      ["", `${CSV}3,1\n`],
      ["", CSV],
      ["?delimiter=semicolon", CSV],
      ["?again=true", CSV],
    ]) {
      assert.equal((await put(gateway, path + query!, body!)).status, 202, `${query} ${body}`);
    }
    assert.equal(new Set(gateway.published().map(({ fileId }) => fileId)).size, 5);
  });

  test(`${table}: the content of a version that failed, or of a deleted file, is a new version`, async () => {
    await using gateway = await testGateway({}, { contracts: APPEND });
    for (const outcome of [
      { status: "failed" as const, errorCode: "SCHEMA_CONFLICT" },
      { status: "rejected" as const },
    ]) {
      const sent = await put(gateway, `${table}/files/a.csv`, CSV);
      assert.equal(sent.status, 202);
      await gateway.ended(fileStatusSchema.parse(await sent.json()).fileId, { errorMessage: "no", ...outcome });
    }
    assert.equal((await put(gateway, `${table}/files/a.csv`, CSV)).status, 202);
  });
}

test("a second version changes nothing in a replace table, so it is made where it could end differently", async () => {
  await using gateway = await testGateway({}, { contracts: APPEND });
  for (const [table, status] of [
    ["sales", 202],
    ["events", 200],
  ] as const) {
    const { fileId } = fileStatusSchema.parse(await (await put(gateway, `${table}/files/a.csv`, CSV)).json());
    await gateway.ended(fileId, { rowsRejected: 1 }, { table });
    assert.equal((await put(gateway, `${table}/files/a.csv`, CSV)).status, status, table);
  }
});

test("equal content that is sent at the same time is one version", async () => {
  await using gateway = await testGateway({}, { contracts: APPEND });
  const responses = await Promise.all([1, 2, 3, 4].map(() => put(gateway, "events/files/a.csv", CSV)));
  assert.deepEqual(responses.map(({ status }) => status).toSorted(), [200, 200, 200, 202]);
  assert.equal(gateway.published().length, 1);
});

test("requests with one Idempotency-Key are one version, also after newer ones and with again=true", async () => {
  await using gateway = await testGateway({}, { contracts: APPEND });
  const key = { "idempotency-key": "nightly-42" };
  const idOf = async (response: Response) => fileStatusSchema.parse(await response.json()).fileId;
  const first = await idOf(await put(gateway, "events/files/a.csv", CSV, key));
  await put(gateway, "events/files/a.csv", `${CSV}3,1\n`);
  const again = await put(gateway, "events/files/a.csv?again=true", CSV, key);
  assert.deepEqual([again.status, await idOf(again)], [200, first]);
  // Another content, name or table is another version.
  for (const [path, body] of [
    ["events/files/a.csv", "id\n9\n"],
    ["events/files/b.csv", CSV],
    ["sales/files/a.csv", CSV],
  ]) {
    assert.equal((await put(gateway, path!, body!, key)).status, 202, path);
  }
  for (const bad of ["", "two words", "x".repeat(256), "é"]) {
    await problemIn(await put(gateway, "events/files/a.csv", CSV, { "idempotency-key": bad }), 400, "BAD_REQUEST");
  }
  assert.equal(gateway.published().length, 5);
});

test("a repeated request of a rejected file is told of the version that came after it", async () => {
  await using gateway = await testGateway();
  const key = { "idempotency-key": "k" };
  const bad = "id\nx\n";
  await put(gateway, "sales/files/a.csv", bad, key);
  const [rejected] = gateway.published();
  await gateway.ended(rejected!.fileId, { status: "rejected", rowsCommitted: 0 });
  const alone = fileStatusSchema.parse(await (await put(gateway, "sales/files/a.csv", bad, key)).json());
  assert.deepEqual([alone.status, alone.newer], ["rejected", undefined]);
  const corrected = fileStatusSchema.parse(await (await put(gateway, "sales/files/a.csv", CSV)).json());
  await gateway.ended(corrected.fileId);
  const again = fileStatusSchema.parse(await (await put(gateway, "sales/files/a.csv", bad, key)).json());
  const newer = { fileId: corrected.fileId, status: "committed" };
  assert.deepEqual([again.fileId, again.status, again.newer], [rejected!.fileId, "rejected", newer]);
  const waited = await problemIn(
    await put(gateway, "sales/files/a.csv?wait=committed", bad, key),
    422,
    "FILE_NOT_COMMITTED",
  );
  assert.match(waited.detail, new RegExp(`newer version, ${corrected.fileId}, which is committed`));
});

test("two gateways derive the same id from a key", async () => {
  const ids = [];
  for (let n = 0; n < 2; n++) {
    await using gateway = await testGateway({}, { contracts: APPEND });
    const sent = await put(gateway, "events/files/a.csv", CSV, { "idempotency-key": "k" });
    ids.push(fileStatusSchema.parse(await sent.json()).fileId);
  }
  assert.equal(ids[0], ids[1]);
});

test("append: after a publish of unknown outcome, the file sent again has the same id", async () => {
  await using gateway = await testGateway({}, { contracts: APPEND });
  const publish = gateway.log.publish.bind(gateway.log);
  const published: string[] = [];
  let failures = 0;
  gateway.log.publish = async (topic, records) => {
    published.push(...records.map(({ value }) => fileEvents.decode(value).fileId));
    if (failures++ === 0) throw new TributaryError("LOG_UNAVAILABLE", "no answer");
    return publish(topic, records);
  };
  assert.equal((await put(gateway, "events/files/a.csv", CSV)).status, 503);
  assert.equal((await put(gateway, "events/files/a.csv", CSV)).status, 202);
  assert.equal(published.length, 2);
  assert.equal(published[0], published[1]);
});

test("two files of one name in a form: the second is refused", async () => {
  await using gateway = await testGateway();
  const form = new FormData();
  form.append("file", new Blob(["id\n1\n"]), "data.csv");
  form.append("file", new Blob(["id\n2\n"]), "data.csv");
  const response = await fetch(`${gateway.url}/v1/tables/sales/files`, { method: "POST", body: form });
  assert.equal(response.status, 207);
  const { results } = uploadResultsSchema.parse(await response.json());
  assert.deepEqual(
    results.map(({ problem }) => problem?.code),
    [undefined, "FILE_NAME_INVALID"],
  );
});

test("the event carries the dialect; an invalid dialect parameter is named", async () => {
  await using gateway = await testGateway();
  await put(gateway, "sales/files/a.csv?delimiter=semicolon&encoding=windows-1252&header=false&quote=none", CSV);
  assert.deepEqual(JSON.parse(gateway.published()[0]!.dialectJson!), {
    delimiter: ";",
    quote: null,
    encoding: "windows-1252",
    header: false,
  });
  const structure =
    "delimiter=%7C%5Cx01&header=2&skipRows=3&footer=%5ETotal&comment=none&rowNames=true&trimBlanks=false";
  await put(gateway, `sales/files/b.csv?${structure}`, CSV);
  assert.deepEqual(JSON.parse(gateway.published()[1]!.dialectJson!), {
    delimiter: "|\u0001",
    header: 2,
    skipRows: 3,
    footer: { pattern: "^Total" },
    comment: null,
    rowNames: true,
    trimBlanks: false,
  });
  for (const [query, says] of [
    ["delimiter=x", /query\.delimiter/],
    ["header=some", /query\.header: use auto, none/],
    ["skipRows=-1", /query\.skipRows/],
    ["footer=%28", /query\.footer.*regular expression/],
    ["rowNames=yes", /query\.rowNames/],
    ["delimeter=comma", /delimeter/],
    ["encoding=ebcdic", /query\.encoding/],
    [
      "encoding=windows-1225",
      /query\.encoding.*did you mean 'windows-1255'|query\.encoding.*did you mean 'windows-125/,
    ],
    ["quote=ab", /query\.quote/],
    ["wait=received", /query\.wait/],
    ["wait=committed&timeout=soon", /query\.timeout/],
    ["wait=committed&timeout=1h", /TRIBUTARY_WAIT_MAX/],
  ] as const) {
    const problem = await problemIn(await put(gateway, `sales/files/a.csv?${query}`, CSV), 400, "BAD_REQUEST");
    assert.match(problem.detail, says);
  }
  assert.equal(gateway.published().length, 2);
});

test("the charset of the Content-Type is the declared encoding, unless the request names one", async () => {
  await using gateway = await testGateway();
  const declaredFor = async (type: string, query = "") => {
    const answer = await put(gateway, `sales/files/a.csv?again=true${query}`, CSV, { "content-type": type });
    assert.equal(answer.status, 202, type);
    return JSON.parse(gateway.published().at(-1)!.dialectJson ?? "{}") as { encoding?: string };
  };
  assert.deepEqual(await declaredFor("text/csv; charset=Shift_JIS"), { encoding: "shift_jis" });
  assert.deepEqual(await declaredFor('text/csv; header=present; charset="latin1"'), { encoding: "iso-8859-1" });
  assert.deepEqual(await declaredFor("text/csv; charset=sjis", "&encoding=cp1251"), { encoding: "windows-1251" });
  for (const type of ["text/csv; charset=us-ascii", "text/csv; charset=UTF-8"]) {
    assert.deepEqual(await declaredFor(type), {}, "many clients send it with any text");
  }
  assert.deepEqual(await declaredFor("text/csv"), {});
  const refused = await put(gateway, "sales/files/b.csv", CSV, { "content-type": "text/csv; charset=shift_jsi" });
  assert.match((await problemIn(refused, 415, "UNSUPPORTED_MEDIA_TYPE")).detail, /did you mean 'shift_jis'/);
});

test("the charset of a form's part is the declared encoding of its file", async () => {
  await using gateway = await testGateway();
  const part = (name: string, type: string): string =>
    `--x\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n${type}\r\n${CSV}\r\n`;
  const send = (parts: string[], query = "") =>
    fetch(`${gateway.url}/v1/tables/sales/files${query}`, {
      method: "POST",
      body: `${parts.join("")}--x--\r\n`,
      headers: { "content-type": "multipart/form-data; boundary=x" },
    });
  const mixed = await send([
    part("a.csv", "Content-Type: text/csv; charset=Shift_JIS\r\n"),
    part("b.csv", 'content-type: text/csv;charset="latin1"\r\n'),
    part("c.csv", "Content-Type: text/csv; charset=utf-8\r\n"),
    part("d.csv", ""),
    part("e.csv", "Content-Type: text/csv; charset=shift_jsi\r\n"),
    part("f.csv", "Content-Type: text/csv; charset=koi8-r\r\n"),
  ]);
  assert.equal(mixed.status, 207);
  const { results } = uploadResultsSchema.parse(await mixed.json());
  assert.match(results[4]?.problem?.detail ?? "", /did you mean 'shift_jis'/);
  assert.equal(results[4]?.problem?.code, "UNSUPPORTED_MEDIA_TYPE");
  assert.deepEqual(
    gateway.published().map(({ sourceFile, dialectJson }) => [sourceFile, dialectJson]),
    [
      ["a.csv", '{"encoding":"shift_jis"}'],
      ["b.csv", '{"encoding":"iso-8859-1"}'],
      ["c.csv", null],
      ["d.csv", null],
      ["f.csv", '{"encoding":"koi8-r"}'],
    ],
  );
  const [named] = [await send([part("g.csv", "Content-Type: text/csv; charset=sjis\r\n")], "?encoding=cp1251")];
  assert.equal(named.status, 202);
  assert.equal(gateway.published().at(-1)!.dialectJson, '{"encoding":"windows-1251"}');
});

test("a form's file names: encoded, escaped, in a folder, or none", async () => {
  await using gateway = await testGateway();
  const names = [
    'filename="a\\"b.csv"',
    "filename*=UTF-8''gr%C3%BCn.csv",
    'filename="C:\\d\\größe.csv"',
    "filename=x/y.csv",
  ];
  const parts = [...names, ""].map(
    (name) => `--x\r\ncontent-disposition: form-data; name=f; ${name}\r\n\r\n${CSV}\r\n`,
  );
  const answer = await fetch(`${gateway.url}/v1/tables/sales/files`, {
    method: "POST",
    body: `${parts.join("")}--x--\r\n`,
    headers: { "content-type": 'multipart/form-data; boundary="x"' },
  });
  assert.equal(answer.status, 202);
  const sent = gateway.published().map(({ sourceFile }) => sourceFile);
  assert.deepEqual(sent, ['a"b.csv', "grün.csv", "größe.csv", "y.csv"]);
});

test("a form-encoded body without line ends is refused: curl -d removes them", async () => {
  await using gateway = await testGateway();
  const type = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
  const stripped = await put(gateway, "sales/files/a.csv", "id,name1,a2,b", type);
  assert.match((await problemIn(stripped, 415, "UNSUPPORTED_MEDIA_TYPE")).detail, /--data-binary/);
  const large = await put(gateway, "sales/files/a.csv", "x,".repeat(3_000_000), type);
  await problemIn(large, 415, "UNSUPPORTED_MEDIA_TYPE");
  assert.equal(gateway.published().length, 0, "nothing is stored");
  for (const body of ["id,name\n1,a\n", "id,name\r1,a", Buffer.from([0x1f, 0x8b, 8, 0])]) {
    assert.equal((await put(gateway, "sales/files/a.csv", body, type)).status, 202, body.toString());
  }
  assert.equal((await put(gateway, "sales/files/b.csv", "id,name", { "content-type": "text/csv" })).status, 202);
});

test("names that would leave the table's path are refused", async () => {
  await using gateway = await testGateway();
  const send = (path: string) =>
    new Promise<Response>((resolve, reject) => {
      // fetch would normalise the path before sending it.
      const request = http.request(gateway.url, { method: "PUT", path: `/v1/tables/${path}` }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () =>
          resolve(
            new Response(Buffer.concat(chunks), {
              status: answer.statusCode!,
              headers: { "content-type": answer.headers["content-type"] ?? "" },
            }),
          ),
        );
      });
      request.on("error", reject);
      request.end(CSV);
    });
  for (const name of [
    "../../etc/passwd",
    "%2e%2e/a",
    "a/..%2fb",
    "a%00b",
    "%0d%0aX:%20y",
    "..%5cwindows",
    "%2Fetc",
    "a//b",
    "",
  ]) {
    await problemIn(await send(`sales/files/${name}`), 400, "FILE_NAME_INVALID");
  }
  await problemIn(await send("Sales%20X/files/a.csv"), 400, "TABLE_NAME_INVALID");
  await problemIn(await send("_ingest_files/files/a.csv"), 400, "TABLE_NAME_INVALID");
  await problemIn(await send("sales/files/%zz"), 400, "BAD_REQUEST");
  await problemIn(await send(`sales/files/${"x".repeat(5000)}`), 400, "FILE_NAME_INVALID");
  assert.deepEqual([gateway.published().length, gateway.blob.objects.size], [0, 0]);
});

test("a body that ends early stores nothing", async () => {
  await using gateway = await testGateway();
  for (const head of [
    "content-length: 1000\r\n\r\nid\n1\n",
    `content-length: ${20 * 1024 * 1024}\r\n\r\n${"id\n".repeat(3_000_000)}`,
    "transfer-encoding: chunked\r\n\r\n3\r\nid\n\r\n",
  ]) {
    const before = errorCount(await metricsOf(gateway), "UPLOAD_INCOMPLETE");
    const socket = await startRaw(gateway, `PUT /v1/tables/sales/files/a.csv HTTP/1.1\r\nhost: localhost\r\n${head}`);
    await until(() => socket.writableLength === 0);
    await untilRunning(gateway, 1);
    socket.destroy();
    await untilRunning(gateway, 0);
    assert.equal(errorCount(await metricsOf(gateway), "UPLOAD_INCOMPLETE"), before + 1);
  }
  assert.deepEqual([gateway.published().length, gateway.blob.objects.size], [0, 0]);
});

test("a stalled client is disconnected; a slow one that keeps sending is not", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "150ms", TRIBUTARY_UPLOAD_RATE_MIN: "1B" });
  const silent = await startRaw(
    gateway,
    "PUT /v1/tables/sales/files/silent.csv HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nid",
  );
  const [answer] = (await once(silent, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 400 .*UPLOAD_INCOMPLETE/s);
  silent.destroy();

  const slow = await startRaw(
    gateway,
    "PUT /v1/tables/sales/files/slow.csv HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n",
  );
  const answered = once(slow, "data");
  for (const byte of "id\n1\n2\n3\n4") {
    slow.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.match(String((await answered)[0]), /^HTTP\/1\.1 202/);
  slow.destroy();
  assert.deepEqual(
    gateway.published().map(({ sourceFile }) => sourceFile),
    ["slow.csv"],
  );
});

test("a file above the limit is refused, by its declared or its actual size", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_SIZE_MAX: "10" });
  const result = await problemIn(await put(gateway, "sales/files/a.csv", "x".repeat(11)), 413, "BODY_TOO_LARGE");
  assert.match(result.detail, /TRIBUTARY_UPLOAD_SIZE_MAX/);
  const socket = await startRaw(
    gateway,
    "PUT /v1/tables/sales/files/b.csv HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nb\r\n0123456789A\r\n",
  );
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1\.1 413/);
  socket.destroy();
  assert.equal((await put(gateway, "sales/files/c.csv", "x".repeat(10))).status, 202);
  assert.equal(gateway.blob.objects.size, 1);
});

test("too many concurrent uploads: 503 with Retry-After", async () => {
  await using gateway = await testGateway({ TRIBUTARY_UPLOADS_MAX: "1" });
  const first = await startRaw(
    gateway,
    "PUT /v1/tables/sales/files/a.csv HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nid",
  );
  await untilRunning(gateway, 1);
  const refused = await put(gateway, "sales/files/b.csv", CSV);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  await problemIn(refused, 503, "OVERLOADED");
  const answered = once(first, "data");
  first.write("\n");
  assert.match(String((await answered)[0]), /^HTTP\/1\.1 202/);
  first.destroy();
  assert.equal((await put(gateway, "sales/files/b.csv", CSV)).status, 202);
});

test("a nearly full disk refuses uploads", async () => {
  await using gateway = await testGateway({ TRIBUTARY_DISK_FREE_MIN: "1MB" });
  gateway.blob.freeBytes = 1024 * 1024 + CSV.length - 1;
  const refused = await put(gateway, "sales/files/a.csv", CSV);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  await problemIn(refused, 507, "DISK_FULL");
  gateway.blob.freeBytes += 1;
  assert.equal((await put(gateway, "sales/files/a.csv", CSV)).status, 202);
});

test("a log on a nearly full disk refuses uploads, and the gateway is not ready", async () => {
  await using gateway = await testGateway({ TRIBUTARY_DISK_FREE_MIN: "1MB" });
  const readiness = async () => (await fetch(`${gateway.url}/readyz`)).json() as Promise<Record<string, string>>;
  assert.deepEqual(await readiness(), { status: "ready" });
  gateway.log.bytesLeft = 1024 * 1024 - 1;
  const { status, code, remedy } = await readiness();
  assert.deepEqual([status, code], ["unready", "DISK_FULL"]);
  assert.match(remedy!, /Free space/);
  await problemIn(await put(gateway, "sales/files/a.csv", CSV), 507, "DISK_FULL");
  gateway.log.bytesLeft += 1 + CSV.length;
  assert.deepEqual(await readiness(), { status: "ready" });
  assert.equal((await put(gateway, "sales/files/a.csv", CSV)).status, 202);
});

test("without the log the upload is refused and can be retried", async () => {
  await using gateway = await testGateway();
  gateway.log.fault = new TributaryError("LOG_UNAVAILABLE", "the broker is away");
  await problemIn(await put(gateway, "sales/files/a.csv", CSV), 503, "LOG_UNAVAILABLE");
  await assert.rejects(gateway.ready(), /broker is away/);
  gateway.log.fault = undefined;
  assert.equal((await put(gateway, "sales/files/a.csv", CSV)).status, 202);
});

test("an unexpected failure reveals nothing internal", async () => {
  await using gateway = await testGateway();
  gateway.log.fault = new Error("secret: password in /srv/inside.ts");
  const problem = await problemIn(await put(gateway, "sales/files/a.csv", CSV), 500, "INTERNAL");
  assert.doesNotMatch(JSON.stringify(problem), /secret|inside/);
  gateway.log.fault = undefined;
});

test("wait=committed responds 200 as soon as the rows can be queried", async () => {
  await using gateway = await testGateway();
  const waiting = put(gateway, "sales/files/a.csv?wait=committed&timeout=30s", CSV);
  await until(() => gateway.published().length === 1);
  const [event] = gateway.published();
  await gateway.parsed(event!.fileId, { phase: "started" });
  await gateway.parsed(event!.fileId);
  await gateway.ended(event!.fileId);
  const response = await waiting;
  assert.equal(response.status, 200);
  assert.deepEqual(fileStatusSchema.parse(await response.json()).rowsCommitted, 2);
});

test("wait=committed responds 422 with the file's status if it failed or was rejected", async () => {
  await using gateway = await testGateway();
  for (const [status, code] of [
    ["failed", "FILE_EMPTY"],
    ["rejected", "REJECTS_ABOVE_THRESHOLD"],
  ] as const) {
    const count = gateway.published().length;
    const waiting = put(gateway, "sales/files/a.csv?wait=committed", CSV);
    await until(() => gateway.published().length > count);
    const { fileId } = gateway.published().at(-1)!;
    await gateway.ended(fileId, { status, errorCode: code, errorMessage: "what happened" });
    const problem = await problemIn(await waiting, 422, code);
    assert.deepEqual([problem.detail, problem.file?.status, problem.file?.fileId], ["what happened", status, fileId]);
  }
});

test("wait=committed responds 202 after the timeout, and 503 if too many wait", async () => {
  await using gateway = await testGateway({ TRIBUTARY_WAITERS_MAX: "1" });
  const late = await put(gateway, "sales/files/a.csv?wait=committed&timeout=10ms", CSV);
  assert.deepEqual([late.status, ((await late.json()) as { status: string }).status], [202, "received"]);
  const waiting = put(gateway, "sales/files/b.csv?wait=committed", CSV);
  await until(() => gateway.published().length === 2);
  await problemIn(await put(gateway, "sales/files/c.csv?wait=committed", CSV), 503, "OVERLOADED");
  await gateway.ended(gateway.published()[1]!.fileId);
  assert.equal((await waiting).status, 200);
});

test("a form may contain several files, each with its own result", async () => {
  await using gateway = await testGateway();
  const form = new FormData();
  form.append("comment", "not a file");
  form.append("file", new File([CSV], "a.csv"));
  form.append("file", new File([CSV, "3,1.00\n"], "b.csv"));
  const post = (body: FormData | string, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/v1/tables/sales/files?delimiter=comma`, { method: "POST", body, headers });
  const all = await post(form);
  assert.equal(all.status, 202);
  const { results } = uploadResultsSchema.strict().parse(await all.json());
  assert.deepEqual(
    results.map(({ name, file }) => [name, file?.status]),
    [
      ["a.csv", "received"],
      ["b.csv", "received"],
    ],
  );
  assert.equal(gateway.published()[1]!.dialectJson, '{"delimiter":","}');

  form.append("file", new File([CSV], "bad\u0085name.csv"));
  form.append("file", new File([CSV], "after.csv"));
  const mixed = await post(form);
  assert.equal(mixed.status, 207);
  const { results: some } = uploadResultsSchema.parse(await mixed.json());
  assert.deepEqual(
    some.map(({ file, problem }) => file?.status ?? problem?.code),
    ["received", "received", "FILE_NAME_INVALID", "received"],
  );
  await problemIn(await post(new FormData()), 400, "BAD_REQUEST");
  await problemIn(await post(CSV, { "content-type": "text/csv" }), 415, "UNSUPPORTED_MEDIA_TYPE");
});

test("a form that ends early stores its complete files and not the incomplete one", async () => {
  await using gateway = await testGateway();
  const part = (name: string) => `--x\r\ncontent-disposition: form-data; name="f"; filename="${name}"\r\n\r\n`;
  const body = `${part("a.csv")}${CSV}\r\n${part("b.csv")}id\n1`;
  const response = await fetch(`${gateway.url}/v1/tables/sales/files`, {
    method: "POST",
    body,
    headers: { "content-type": "multipart/form-data; boundary=x" },
  });
  assert.equal(response.status, 400);
  assert.deepEqual(
    gateway.published().map(({ sourceFile }) => sourceFile),
    ["a.csv"],
  );
});

test("drain: running uploads finish, waiters get 202, new connections are refused", async () => {
  const gateway = await testGateway();
  const running = await startRaw(
    gateway,
    "PUT /v1/tables/sales/files/running.csv HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nid",
  );
  await untilRunning(gateway, 1);
  const waiting = put(gateway, "sales/files/a.csv?wait=committed", CSV);
  await until(() => gateway.published().length === 1);
  const drained = gateway.drain();
  assert.equal((await waiting).status, 202);
  const answered = once(running, "data");
  running.write("\n");
  assert.match(String((await answered)[0]), /^HTTP\/1\.1 202/);
  await drained;
  await assert.rejects(fetch(`${gateway.url}/healthz`));
  assert.equal(gateway.published().length, 2);
  await assert.rejects(gateway.ready(), /shutting down/);
});

async function metricsOf(gateway: TestGateway): Promise<string> {
  return (await fetch(`${gateway.url}/metrics`)).text();
}

const errorCount = (metrics: string, code: string): number =>
  Number(
    new RegExp(`^tributary_errors_total\\{component="gateway",code="${code}"\\} (\\d+)`, "m").exec(metrics)?.[1] ?? 0,
  );

async function untilRunning(gateway: TestGateway, uploads: number): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!(await metricsOf(gateway)).includes(`tributary_uploads_running ${uploads}\n`)) {
    assert.ok(performance.now() < deadline, `not ${uploads} uploads running`);
  }
}
