import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hasCode } from "../../../../lib/errors.ts";
import { hashOf } from "../../../../lib/process/api-keys.ts";
import { makeAuditLogger } from "../../../../lib/process/logger.ts";
import { capturedLog, type CapturedLog } from "../../../support/captured-log.ts";
import { until } from "../../../support/until.ts";
import { fakeBlobStore } from "../fakes.ts";
import { testGateway, type TestGateway } from "../gateway.ts";

let folder: string;
let keysFile: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tributary-audit-"));
  keysFile = join(folder, "keys.json");
  const keys = { loader: ["upload", "read"], boss: ["admin"] };
  const entries = Object.entries(keys).map(([id, scopes]) => ({
    ...{ id, scopes, sha256: hashOf(`secret-of-${id}`).toString("hex") },
  }));
  writeFileSync(keysFile, JSON.stringify(entries));
});
after(() => rmSync(folder, { recursive: true }));

const send = (gateway: TestGateway, method: string, path: string, who?: string, init: RequestInit = {}) =>
  fetch(gateway.url + path, {
    method,
    ...init,
    headers: {
      ...(typeof init.body === "string" && method === "POST" ? { "content-type": "application/json" } : {}),
      ...(who === undefined ? {} : { authorization: `Bearer ${who}` }),
    },
  });

/** The audit lines so far, without fields that differ between runs. */
async function auditLines({ lines }: CapturedLog, count: number): Promise<Record<string, unknown>[]> {
  await until(`${count} lines`, () => lines.length >= count);
  return lines.map(({ level: _l, time: _t, pid: _p, hostname: _h, msg: _m, at, from, requestId, fileId, ...line }) => {
    assert.equal(new Date(String(at)).toISOString(), at);
    assert.ok(from === "127.0.0.1" && typeof requestId === "string");
    return { ...line, ...(fileId === undefined ? {} : { hasFile: /^[0-9a-f-]{36}$/.test(fileId as string) }) };
  });
}

const keyed = (id: string) => ({ kind: "key", id });

test("changes and refused requests are audited: caller, operation, address and result", async () => {
  const log = capturedLog();
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: keysFile }, { audit: log.logger });
  const form = new FormData();
  form.append("a", new Blob(["id\n1\n"]), "a.csv");
  form.append("b", new Blob(["id\n1\n"]), "../b.csv");
  await send(gateway, "PUT", "/v1/tables/sales/files/2024/a.csv", "secret-of-loader", { body: "id\n1\n" });
  await send(gateway, "PUT", "/v1/tables/sales/files/..%2Fa.csv", "secret-of-loader", { body: "id\n1\n" });
  await send(gateway, "POST", "/v1/tables/sales/files", "secret-of-loader", { body: form });
  await send(gateway, "PUT", "/v1/tables/sales/files/b.csv", undefined, { body: "id\n1\n" });
  await send(gateway, "GET", "/v1/tables", "wrong-secret");
  await send(gateway, "POST", "/v1/query", "secret-of-loader", { body: '{"sql":"SELECT \'private\'"}' });
  await send(gateway, "POST", "/v1/tables/sales/replay", "secret-of-boss", { body: '{"onlyFile":"a.csv"}' });
  await send(gateway, "POST", "/v1/tables/none/maintenance/run", "secret-of-boss", { body: "{}" });
  assert.deepEqual(await auditLines(log, 8), [
    { who: keyed("loader"), operation: "uploadFile", table: "sales", file: "2024/a.csv", hasFile: true, result: "done", status: 202 },
    { who: keyed("loader"), operation: "uploadFile", table: "sales", file: "../a.csv", result: "failed", status: 400, code: "FILE_NAME_INVALID" },
    { who: keyed("loader"), operation: "uploadFiles", table: "sales", files: [{ file: "a.csv", fileId: gateway.published()[1]!.fileId }, { file: "b.csv", fileId: gateway.published()[2]!.fileId }], fileCount: 2, result: "done", status: 202 },
    { who: null, operation: "uploadFile", table: "sales", file: "b.csv", result: "refused", status: 401, code: "UNAUTHENTICATED" },
    { who: null, operation: "listTables", result: "refused", status: 401, code: "UNAUTHENTICATED" },
    { who: keyed("loader"), operation: "query", result: "refused", status: 403, code: "FORBIDDEN" },
    { who: keyed("boss"), operation: "replay", table: "sales", dryRun: false, range: { onlyFile: "a.csv" }, result: "done", status: 202 },
    { who: keyed("boss"), operation: "runMaintenance", table: "none", operations: ["optimize", "expire_snapshots", "remove_orphan_files"], dryRun: false, result: "failed", status: 404, code: "NOT_FOUND" },
  ]); // prettier-ignore
  assert.doesNotMatch(log.text(), /secret|private/, "no key, no statement");
});

for (const [when, query] of [
  ["while its file is stored", ""],
  ["while it waits for its file", "?wait=committed"],
] as const) {
  test(`a change is audited once if the client leaves ${when}`, async () => {
    const log = capturedLog();
    const blob = fakeBlobStore();
    const put = blob.put.bind(blob);
    let isStoring = false;
    const left = new AbortController();
    blob.put = async (...args) => {
      isStoring = true;
      if (query === "") await once(left.signal, "abort");
      return put(...args);
    };
    await using gateway = await testGateway({}, { audit: log.logger, blob });
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    socket.write(
      `PUT /v1/tables/t/files/a.csv${query} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nid\n1\n`,
    );
    await until("the file arrives", () => (query === "" ? isStoring : gateway.published().length === 1));
    socket.destroy();
    await once(socket, "close");
    await until("the gateway notices", async () => {
      const metrics = await (await send(gateway, "GET", "/metrics")).text();
      return query === "" || /tributary_gateway_waiters 0/.test(metrics) || log.lines.length > 0;
    });
    left.abort();
    await until("its line", () => log.lines.length > 0);
    const { operation, file, fileId, result, clientGone } = log.lines[0]!;
    const [event] = gateway.published();
    const expected = ["uploadFile", "a.csv", event!.fileId, "done", true];
    assert.deepEqual([operation, file, fileId, result, clientGone], expected);
    await send(gateway, "GET", "/v1/tables");
    assert.equal(log.lines.length, 1);
  });
}

test("a form that stalls behind an accepted file is audited with that file", async () => {
  const log = capturedLog();
  await using gateway = await testGateway({ TRIBUTARY_UPLOAD_IDLE_MAX: "100ms" }, { audit: log.logger });
  const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
  const part = '--b\r\ncontent-disposition: form-data; name="f"; filename="a.csv"\r\n\r\nid\n1\r\n--b\r\n';
  const head = "content-type: multipart/form-data; boundary=b\r\ncontent-length: 9999";
  socket.write(`POST /v1/tables/t/files HTTP/1.1\r\nhost: localhost\r\n${head}\r\n\r\n${part}`);
  await until("its line", () => log.lines.length === 1);
  const { result, files, code } = log.lines[0]!;
  const [event] = gateway.published();
  assert.deepEqual([result, code, files], ["failed", "UPLOAD_INCOMPLETE", [{ file: "a.csv", fileId: event!.fileId }]]);
  socket.destroy();
});

test("reads are not audited", async () => {
  const log = capturedLog();
  await using gateway = await testGateway({}, { audit: log.logger });
  await send(gateway, "GET", "/v1/tables");
  await send(gateway, "POST", "/v1/query", undefined, { body: '{"sql":"SELECT 1"}' });
  await send(gateway, "POST", "/v1/preview", undefined, { body: "id\n1\n" });
  await send(gateway, "GET", "/healthz");
  await send(gateway, "PUT", "/v1/tables/t/files/a.csv", undefined, { body: "id\n1\n" });
  await until("the upload", () => log.lines.length > 0);
  assert.deepEqual(
    log.lines.map(({ operation }) => operation),
    ["uploadFile"],
  );
});

test("every route except GET is audited, unless it declares that it only reads", async () => {
  const log = capturedLog();
  await using gateway = await testGateway({}, { audit: log.logger });
  const { paths } = (await (await send(gateway, "GET", "/openapi.json")).json()) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const changing = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method, { operationId }]) => method !== "get" && !["query", "previewFile"].includes(operationId))
      .map(([method, { operationId }]) => ({ path, method, operationId })),
  );
  assert.ok(changing.length >= 8);
  for (const { path, method } of changing) {
    await send(gateway, method.toUpperCase(), path.replace(/\{\w+\}/g, "x"), undefined, { body: "{}" });
  }
  await until("all of them", () => log.lines.length === changing.length);
  assert.deepEqual(
    log.lines.map(({ operation }) => operation),
    changing.map(({ operationId }) => operationId),
  );
});

test("names with control characters are sanitised in the audit log", async () => {
  const log = capturedLog();
  await using gateway = await testGateway({}, { audit: log.logger });
  await send(gateway, "PUT", `/v1/tables/sales/files/${encodeURIComponent('a\n{"audit":true}\u001b[2J\u009b')}`, undefined, { body: "x" }); // prettier-ignore
  await until("its line", () => log.lines.length === 1);
  assert.equal(log.text().trim().split("\n").length, 1);
  assert.equal(log.lines[0]!["file"], 'a�{"audit":true}�[2J�');
});

test("the audit log file is readable only by its owner; an unwritable one stops the start", () => {
  const path = join(folder, "deep", "audit.jsonl");
  const fail = (error: unknown): never => assert.fail(String(error));
  makeAuditLogger(path, "gateway", ["hunter2"], fail).info({ who: "x hunter2" }, "audit");
  makeAuditLogger(path, "gateway", [], fail).info({ who: "y" }, "audit");
  const lines = readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore
  assert.deepEqual(
    lines.map(({ audit, service, who }) => [audit, service, who]),
    [
      [true, "gateway", "x [redacted]"],
      [true, "gateway", "y"],
    ],
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.throws(
    () => makeAuditLogger(folder, "gateway", [], fail),
    (error) => hasCode(error, "CONFIG_INVALID") && /TRIBUTARY_AUDIT_FILE/.test(error.message),
  );
});

test("audit lines are logged at any log level", async () => {
  const log = capturedLog();
  log.logger.level = "error";
  await using gateway = await testGateway({}, { logger: log.logger, audit: undefined as never });
  await send(gateway, "PUT", "/v1/tables/t/files/a.csv", undefined, { body: "id\n1\n" });
  await until("the upload", () => log.lines.some(({ audit }) => audit === true));
});
