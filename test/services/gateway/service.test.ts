import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../../../lib/errors.ts";
import { fileListSchema } from "../../../services/gateway/http/schemas.ts";
import { systemClock } from "../../../lib/clock.ts";
import { makeRegistry } from "../../../lib/process/metrics.ts";
import { makeIngest } from "../../../services/gateway/ingest/ingest.ts";
import { gatewayMetrics } from "../../../services/gateway/metrics.ts";
import { fakeBlobStore, fakeEventLog } from "./fakes.ts";
import { testGateway } from "./gateway.ts";

test("a port in use is reported with the setting to change", async () => {
  await using first = await testGateway();
  await assert.rejects(testGateway({ TRIBUTARY_PORT: new URL(first.url).port }), (error) => {
    assert.ok(hasCode(error, "PORT_IN_USE"));
    assert.match(error.message, /TRIBUTARY_PORT/);
    return true;
  });
});

test("a restarted gateway reads the status of files from the log", async () => {
  const log = fakeEventLog();
  {
    await using first = await testGateway({}, { log });
    await fetch(`${first.url}/v1/tables/sales/files/a.csv`, { method: "PUT", body: "id\n1\n" });
  }
  await using second = await testGateway({}, { log });
  const { files } = fileListSchema.parse(await (await fetch(`${second.url}/v1/files`)).json());
  assert.deepEqual(
    files.map(({ sourceFile, status }) => [sourceFile, status]),
    [["a.csv", "received"]],
  );
});

test("an undecodable event is skipped", async () => {
  await using gateway = await testGateway();
  await gateway.log.publish("file-events", [{ key: "sales", value: Buffer.from("not avro") }]);
  const response = await fetch(`${gateway.url}/v1/tables/sales/files/a.csv`, { method: "PUT", body: "id\n1\n" });
  assert.equal(response.status, 202);
});

test("old objects in incoming/ are deleted, recent ones stay", async () => {
  const DAY_MS = 24 * 60 * 60 * 1000;
  const blob = fakeBlobStore();
  let nowMs = DAY_MS;
  const ingest = makeIngest({
    log: fakeEventLog(),
    blob,
    clock: { ...systemClock, nowMs: () => nowMs },
    metrics: gatewayMetrics(makeRegistry("test")),
    limits: { sizeBytesMax: 1, idleMsMax: 1, bytesPerSecondMin: 0, diskFreeBytesMin: 0 },
  });
  // The fake's objects date from 1970.
  await blob.put("incoming/dead", Buffer.from("x"));
  await blob.put("raw/sha256/aa/aa", Buffer.from("y"));
  await ingest.sweep();
  assert.equal(blob.objects.size, 2);
  nowMs += 1;
  await ingest.sweep();
  assert.deepEqual([...blob.objects.keys()], ["raw/sha256/aa/aa"]);
});

test("/openapi.json: a file's body is optional (an empty file), a form's body is required", async () => {
  await using gateway = await testGateway();
  const { paths } = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { requestBody: { required?: boolean } }>>;
  };
  assert.equal(paths["/v1/tables/{table}/files/{name}"]!["put"]!.requestBody.required, false);
  assert.equal(paths["/v1/preview"]!["post"]!.requestBody.required, false);
  assert.equal(paths["/v1/tables/{table}/files"]!["post"]!.requestBody.required, true);
  const withoutBody = await fetch(`${gateway.url}/v1/tables/sales/files/empty.csv`, { method: "PUT" });
  assert.equal(withoutBody.status, 202);
  assert.equal(gateway.published()[0]!.sizeBytes, 0);
});

test("/openapi.json describes every /v1 route with its responses; /docs loads nothing from other hosts", async () => {
  await using gateway = await testGateway();
  const document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; summary: string; responses: Record<string, object> }>>;
    components: { schemas: Record<string, unknown> };
  };
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  for (const { operationId, summary, responses } of operations) {
    assert.ok(operationId && summary);
    assert.ok(responses["4XX"] && responses["5XX"], `${operationId} names no problems`);
    assert.ok(
      Object.keys(responses).some((status) => status.startsWith("2")),
      `${operationId} names no answer`,
    );
  }
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  assert.ok(document.paths["/v1/tables/{table}/files/{name}"]?.["put"]);
  assert.ok("File" in document.components.schemas && "Problem" in document.components.schemas);
  const page = await fetch(`${gateway.url}/docs/`);
  assert.equal(page.status, 200);
  assert.doesNotMatch(await page.text(), /(src|href)="(https?:)?\/\//);
  const script = await fetch(`${gateway.url}/docs/static/swagger-ui-bundle.js`);
  assert.equal(script.status, 200);
  assert.ok((await script.text()).length > 100_000);
});
