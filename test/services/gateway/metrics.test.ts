import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { TributaryError } from "../../../lib/errors.ts";
import { commitEvents } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { Registry } from "../../../lib/process/metrics.ts";
import { GATEWAY_THROUGHPUT } from "../../../services/gateway/metrics.ts";
import { assertFlow, seriesOf, uncounted, type Flow } from "../../support/counted.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { until } from "../../support/until.ts";
import { commitEvent, fileOutcome, testGateway } from "./gateway.ts";
import { memoryDrops } from "./drops/memory-drops.ts";

const flows: Flow[] = [];

test("uploads, drops, replays and commands", async () => {
  const [log, registry, drops] = [new FakeEventLog(), new Registry(), memoryDrops()];
  await using gateway = await testGateway({ TRIBUTARY_DROPS_POLL: "20ms" }, { log, registry, drops });
  gateway.warehouse.described.set("sales", { table: "sales", columns: [], partitioning: [] });
  const post = (path: string, body: object = {}) =>
    fetch(`${gateway.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const upload = (table: string) =>
    fetch(`${gateway.url}/v1/tables/${table}/files/a.csv`, { method: "PUT", body: "id\n1\n" });
  const uploaded = await upload("sales");
  assert.equal(uploaded.status, 202);
  const { fileId } = (await uploaded.json()) as { fileId: string };
  assert.equal((await upload("no table")).status, 400);
  drops.drop("sales/b.csv", "id\n2\n");
  drops.drop("stray.csv", "id\n3\n");
  await until("the drop is in", async () => (await seriesOf(registry, "tributary_ingest_bytes_total")) === 10);
  assert.equal((await upload("sales")).status, 200);
  drops.remove("sales/b.csv");
  assert.equal((await post("/v1/tables/sales/replay", { onlyFile: "a.csv" })).status, 202);
  assert.equal((await post("/v1/tables/sales/checks/run", { timeout: "1ms" })).status, 202);
  await log.publish(TOPICS.commits.name, [{ key: "sales", value: Buffer.from("no Avro") }]);
  const gone = new AbortController();
  const skipping = fetch(`${gateway.url}/v1/files/${fileId}/skip`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ reason: "for the test" }),
    signal: gone.signal,
  }).catch(() => undefined);
  await until("the skip is sent", async () => (await log.offsets(TOPICS.fileSkips.name))[0]?.next === 1);
  gone.abort();
  await skipping;
  const heldId = randomUUID();
  const heldFile = { ...fileOutcome(heldId), status: "failed" as const, errorCode: "FILE_HELD" };
  const commit = { ...commitEvent([heldFile]), held: [{ fileId: heldId, reasonsJson: "[]" }] };
  await log.publish(TOPICS.commits.name, [{ key: "sales", value: commitEvents.encode(commit) }]);
  const file = `${gateway.url}/v1/files/${heldId}`;
  const heldFiles = async () => (await (await fetch(`${gateway.url}/v1/files?status=held`)).json()) as { files: unknown[] }; // prettier-ignore
  await until("the file is held", async () => (await heldFiles()).files.length === 1);
  const left = new AbortController();
  const deciding = fetch(`${file}/refuse`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ reason: "for the test" }),
    signal: left.signal,
  }).catch(() => undefined);
  await until("the decision is sent", async () => (await seriesOf(registry, 'tributary_sent_total{component="gateway",kind="decision"}')) === 1); // prettier-ignore
  left.abort();
  await deciding;
  const away = new AbortController();
  const dropping = fetch(`${gateway.url}/v1/tables/sales?confirm=sales`, {
    method: "DELETE",
    signal: away.signal,
  }).catch(() => undefined);
  const operations = () => seriesOf(registry, 'tributary_sent_total{component="gateway",kind="operation"}');
  await until("the drop of the table is sent", async () => (await operations()) === 1);
  away.abort();
  await dropping;
  flows.push(
    await assertFlow(registry, "gateway", {
      received: { file: 3, deletion: 1 },
      sent: { file: 2, deletion: 1, replay: 1, command: 1, skip: 1, operation: 1, decision: 1 },
      errors: { TABLE_NAME_INVALID: 1, WAIT_TIMEOUT: 1 },
      dropped: { drop_unfit: 1, repeated_file: 1, "undecodable!": 1 },
    }),
  );
  const route = 'method="PUT",route="/v1/tables/:table/files/*"';
  assert.equal(await seriesOf(registry, `tributary_http_request_seconds_count{${route},status="202"}`), 1);
  assert.equal(await seriesOf(registry, `tributary_http_request_seconds_count{${route},status="200"}`), 1);
  assert.equal(await seriesOf(registry, `tributary_http_request_seconds_count{${route},status="400"}`), 1);
});

test("an upload without a durable event counts as received, not as sent", async () => {
  const registry = new Registry();
  await using gateway = await testGateway({}, { registry });
  gateway.log.fault = new TributaryError("LOG_UNAVAILABLE", "the broker is away");
  const answer = await fetch(`${gateway.url}/v1/tables/sales/files/a.csv`, { method: "PUT", body: "id\n1\n" });
  assert.equal(answer.status, 503);
  await assertFlow(registry, "gateway", { received: { file: 1 }, errors: { LOG_UNAVAILABLE: 1 } });
  gateway.log.fault = undefined;
});

test("disk space is reported if the store knows it; a failure leaves no value", async () => {
  const registry = new Registry();
  await using gateway = await testGateway({}, { registry });
  gateway.blob.freeBytes = 12_345;
  assert.equal(await seriesOf(registry, 'tributary_disk_bytes{kind="free"}'), 12_345);
  gateway.blob.space = () => Promise.reject(new TributaryError("BLOB_UNAVAILABLE", "away"));
  assert.equal(await seriesOf(registry, 'tributary_disk_bytes{kind="free"}'), undefined);
});

test("every value of the specification is counted", () => {
  assert.deepEqual(uncounted(GATEWAY_THROUGHPUT, flows), []);
});
