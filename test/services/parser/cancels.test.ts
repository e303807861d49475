import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { deadLetters, fileSkips } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { withFaults } from "../../support/faults.ts";
import { until } from "../../support/until.ts";
import { startHarness, type Harness } from "./harness.ts";

const cancel = ({ log }: Harness, fileId: string, cancelled = true) =>
  log.publish(TOPICS.fileSkips.name, [
    {
      key: "orders",
      value: fileSkips.encode({
        ...{ fileId, table: "orders", reason: "wrong month", requestedBy: "", requestedAtMs: 1 },
        cancelled,
      }),
    },
  ]);

test("a cancel ends the parse that runs, without a dead letter, and the next file is parsed", async (t) => {
  const harness = await startHarness({ limits: { batchBytesMax: 4096 } });
  t.after(() => harness.close());
  const fileId = randomUUID();
  const lines = Array.from({ length: 300_000 }, (_, i) => `${i},text of row ${i}`);
  const sent = harness.send("orders", "a.csv", ["id,text", ...lines].join("\n"), { fileId });
  await until("some rows are out", async () => {
    if (!(await harness.log.topics()).includes("rows.orders")) return false;
    return (await harness.log.offsets("rows.orders"))[0]!.next > 3;
  });
  await cancel(harness, fileId);
  const { end, rows } = await sent;
  assert.deepEqual([end.outcome, end.errorCode], ["failed", "FILE_CANCELLED"]);
  assert.equal(end.errorMessage, "cancelled: wrong month");
  assert.ok(rows.length < lines.length);
  assert.equal((await harness.all(TOPICS.deadLetters.name, deadLetters)).length, 0);
  const next = await harness.send("orders", "b.csv", "id,text\n1,a\n");
  assert.deepEqual([next.end.outcome, next.rows.length], ["complete", 1]);
});

test("a file that was cancelled before its turn is not read; one that was set aside is, as before", async (t) => {
  let reads = 0;
  const harness = await startHarness({
    wrapBlob: (blob) =>
      withFaults(blob, (method, moment) => {
        if (method === "get" && moment === "before") reads++;
      }),
  });
  t.after(() => harness.close());
  const [cancelled, skipped] = [randomUUID(), randomUUID()];
  await cancel(harness, cancelled);
  await cancel(harness, skipped, false);
  await harness.restart();
  const { end } = await harness.send("orders", "a.csv", "id\n1\n", { fileId: cancelled });
  assert.deepEqual([end.errorCode, reads], ["FILE_CANCELLED", 0]);
  const other = await harness.send("orders", "b.csv", "id\n1\n", { fileId: skipped });
  assert.deepEqual([other.end.outcome, reads], ["complete", 1]);
});
