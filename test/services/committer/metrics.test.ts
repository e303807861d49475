import assert from "node:assert/strict";
import { test } from "node:test";
import { derivedFileId } from "../../../lib/file-id.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { commands } from "../../../lib/messages/avro.ts";
import { rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { stepsOf } from "../../../services/committer/lane/count.ts";
import { COMMITTER_THROUGHPUT } from "../../../services/committer/metrics.ts";
import { FILE_STEPS } from "../../../services/committer/slowest-files.ts";
import { SlowestFiles } from "../../../services/committer/slowest-files.ts";
import { assertFlow, seriesOf, uncounted, type Flow } from "../../support/counted.ts";
import { withFaults } from "../../support/faults.ts";
import { messagesOf, type TestFile } from "../../support/row-messages.ts";
import { commitEvent, fileOutcome } from "../gateway/gateway.ts";
import { contracts, makeWorld, send, settled, start } from "./harness.ts";

const flows: Flow[] = [];

const file = (sourceOffset: number, more: Partial<TestFile> = {}): TestFile => ({
  ...{ table: "t", sourceFile: `f${sourceOffset}`, sourceOffset, columns: { id: "BIGINT" as const } },
  rows: [[1], [2], [3]],
  ...more,
});

test("files that load, and files that fail", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse });
  const { registry } = committer;
  const receivedAtMs = Date.now() - 2_000;
  await send(log, "t", messagesOf(file(1, { rejected: [2], receivedAtMs })));
  await send(log, "t", messagesOf(file(2, { outcome: "failed", rows: [] })));
  await send(log, "t", messagesOf(file(3, { columns: { id: "VARCHAR" }, rows: [["x"]] })));
  await settled(log, "t");
  flows.push(
    await assertFlow(registry, "committer", {
      // Two row batches, rejects and an end; an end; a batch and an end.
      received: { row_message: 7 },
      sent: { file: 3, dead_letter: 1 },
      errors: { FILE_EMPTY: 1, SCHEMA_CONFLICT: 1 },
    }),
  );
  for (const [series, value] of Object.entries({
    'tributary_committer_files_total{status="committed"}': 1,
    'tributary_committer_files_total{status="failed"}': 2,
    'tributary_committer_file_bytes_total{status="committed"}': 100,
    'tributary_committer_rows_total{change="committed"}': 3,
    'tributary_committer_rows_total{change="rejected"}': 1,
    'tributary_committer_rows_total{change="inserted"}': 3,
    tributary_committer_end_to_end_seconds_count: 1,
    'tributary_committer_end_to_end_seconds_bucket{le="1.5"}': 0,
    'tributary_committer_end_to_end_seconds_bucket{le="60"}': 1,
  }))
    assert.equal(await seriesOf(registry, series), value, series);
  const slow = (step: string) =>
    seriesOf(registry, `tributary_committer_slow_file_seconds{table="t",file_id="f1@1",step="${step}"}`);
  for (const step of FILE_STEPS) assert.ok((await slow(step)) !== undefined, step);
  await committer.drain();
});

test("the limit that triggers a batch is counted", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse }, { settings: { rowsMax: 3 } });
  await send(log, "t", messagesOf(file(1)));
  await settled(log, "t");
  const commits = (await committer.registry.getMetricsAsJSON()).find(
    ({ name }) => name === "tributary_committer_commits_total",
  );
  assert.deepEqual(
    (commits!.values as { labels: { limit: string }; value: number }[]).map(({ labels, value }) => [
      labels.limit,
      value,
    ]),
    [["rows", 1]],
  );
  await committer.drain();
});

test("messages of replays, other parses and undecodable records are dropped, each with its reason", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse }, { settings: { idleGapMs: 150, ageMsMax: 400 } });
  const [rows, more, end] = messagesOf(file(1));
  // The first row batch twice, a second parse's batch after the end, and everything again after the record.
  await send(log, "t", [rows!, rows!, more!, end!, ...messagesOf(file(1), { runId: "run-2" }).slice(0, 1)]);
  await settled(log, "t");
  await send(log, "t", [rows!]);
  await log.publish(rowsTopic("t").name, [{ key: "t", value: Buffer.from("no Avro") }]);
  // A parse whose first batch was lost: two useless messages, and the file fails.
  await send(log, "t", messagesOf(file(2)).slice(1));
  await settled(log, "t");
  flows.push(
    await assertFlow(committer.registry, "committer", {
      received: { row_message: 8 },
      sent: { file: 2, dead_letter: 1 },
      errors: { ROWS_MISSING: 1 },
      dropped: { repeated: 1, superseded: 1, absorbed: 1, "undecodable!": 1, "incomplete!": 1 },
    }),
  );
  await committer.drain();
});

test("a file event that was published twice is dropped", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse });
  const fileId = derivedFileId("twice");
  for (const offset of [1, 2]) {
    await send(
      log,
      "t",
      messagesOf(file(offset)).map((message) => ({ ...message, fileId })),
    );
    await settled(log, "t");
  }
  flows.push(
    await assertFlow(committer.registry, "committer", {
      received: { row_message: 6 },
      sent: { file: 1 },
      dropped: { repeated_file: 1 },
    }),
  );
  await committer.drain();
});

test("failed attempts count as errors, not drops; commands get results; unwritten log rows are counted", async () => {
  const { log, warehouse: real } = await makeWorld();
  let failures = 2;
  const warehouse = withFaults(real, (method, moment) => {
    if (moment === "before" && method === "commit" && failures-- > 0)
      throw new TributaryError("WAREHOUSE_UNAVAILABLE", "away");
    if (moment === "before" && method === "appendLog") throw new TributaryError("WAREHOUSE_FAILED", "no");
  });
  const committer = await start({ log, warehouse }, { contracts: contracts({ table: "t" }) });
  await send(log, "t", messagesOf(file(1)));
  await settled(log, "t");
  const command = { commandId: "c", table: "t", kind: "optimize", reason: "", requestedAtMs: 1, argumentsJson: "{}" };
  await log.publish(TOPICS.commands.name, [{ key: "t", value: commands.encode({ ...command, kind: "optimize" }) }]);
  flows.push(
    await assertFlow(committer.registry, "committer", {
      received: { row_message: 3, command: 1 },
      sent: { file: 1, command_result: 1 },
      errors: { WAREHOUSE_UNAVAILABLE: 2 },
      dropped: { "unwritten_log_rows!": 1 },
    }),
  );
  assert.equal(await seriesOf(committer.registry, 'tributary_committer_retries_total{step="commit"}'), 2);
  await committer.drain();
});

test("records that expired before they were read are a drop that nobody intended", async () => {
  const { log, warehouse } = await makeWorld();
  await send(log, "t", messagesOf(file(1)));
  const [rows] = await log.offsets(rowsTopic("t").name);
  log.broker.expire(rowsTopic("t").name, 0, rows!.next);
  await send(log, "t", messagesOf(file(2)));
  const committer = await start({ log, warehouse });
  await settled(log, "t");
  flows.push(
    await assertFlow(committer.registry, "committer", {
      received: { row_message: 3 },
      sent: { file: 1 },
      dropped: { "expired!": 1 },
    }),
  );
  await committer.drain();
});

test("a file's steps are contiguous from its arrival to its record, even with clock skew", () => {
  const outcome = { ...fileOutcome("f"), receivedAtMs: 1_000, parsedAtMs: 1_500, parseMs: 200 };
  const event = { ...commitEvent([outcome]), committedAtMs: 2_600, commitMs: 400 };
  const steps = stepsOf(outcome, event, 2_700);
  assert.deepEqual(steps, { wait: 300, parse: 200, queue: 700, commit: 400, record: 100 });
  assert.equal(
    Object.values(steps).reduce((sum, ms) => sum + ms),
    2_700 - outcome.receivedAtMs,
  );
  const early = stepsOf({ ...outcome, parsedAtMs: 900 }, { ...event, committedAtMs: 800 }, 700);
  assert.ok(Object.values(early).every((ms) => ms >= 0));
});

test("the ten slowest files of the last 15 minutes, and no more", () => {
  const slowest = new SlowestFiles();
  const minute = 60_000;
  const note = (fileId: string, ms: number, atMs: number): void =>
    slowest.note({ table: "t", fileId, stepsMs: { wait: ms, parse: 0, queue: 0, commit: 0, record: 0 } }, atMs);
  for (let n = 0; n < 1_000; n++) note(`early ${n}`, 10_000 + n, 0);
  note("later", 5, 10 * minute);
  assert.deepEqual(
    slowest.at(10 * minute).map(({ fileId }) => fileId),
    Array.from({ length: 10 }, (_, n) => `early ${999 - n}`),
  );
  assert.deepEqual(
    slowest.at(16 * minute).map(({ fileId }) => fileId),
    ["later"],
  );
  assert.deepEqual(slowest.at(60 * minute), []);
});

test("every value of the specification is counted", () => {
  assert.deepEqual(uncounted(COMMITTER_THROUGHPUT, flows), []);
});
