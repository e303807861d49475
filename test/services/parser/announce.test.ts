import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { progressIn, type Progress } from "../../../lib/messages/progress.ts";
import { parseEvents } from "../../../lib/messages/avro.ts";
import type { FileEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { publishParseEvent } from "../../../services/parser/announce.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { until } from "../../support/until.ts";
import { startHarness } from "./harness.ts";

const reportsIn = (events: readonly { progressJson: string | null }[]): Progress[] =>
  events.flatMap(({ progressJson }) => progressIn(progressJson) ?? []);

test("a parse reports how far it is once a second, not in the first, and never waits for the log", async () => {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const sent: Buffer[] = [];
  let settle: { resolve: () => void; reject: (thrown: Error) => void } | undefined;
  const log = new FakeEventLog();
  log.publish = async (_, records) => {
    sent.push(...records.map(({ value }) => value));
    await new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    return [];
  };
  const event = { fileId: "f", table: "t", sizeBytes: 100 } as FileEvent;
  const status = publishParseEvent({ log, clock }, { event, sourceOffset: 7 });
  const at = (ms: number, rows: number): number => {
    nowMs = ms;
    status.progress({ rows, bytes: 10 * rows });
    return sent.length;
  };
  assert.deepEqual([at(0, 1), at(999, 2), at(1_000, 3), at(5_000, 4)], [0, 0, 1, 1], "one report is on its way");
  settle!.reject(new Error("the log is away"));
  await until("the next report goes out", () => at(5_000, 5) === 2);
  settle!.resolve();
  await until("a second later the next", () => at(6_000, 6) === 3);
  const amounts = { step: "parse", filesDone: 0, filesTotal: 1, bytesTotal: 100 };
  assert.deepEqual(
    reportsIn(sent.map((value) => parseEvents.decode(value))),
    [3, 5, 6].map((rowsDone) => ({ ...amounts, bytesDone: 10 * rowsDone, rowsDone })),
  );
  await log.close();
});

test("a file that takes long reports rows and bytes that grow, between start and end", async (t) => {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => (nowMs += 600) };
  const harness = await startHarness({ clock, limits: { batchBytesMax: 4096 } });
  t.after(() => harness.close());
  const rows = Array.from({ length: 20_000 }, (_, n) => `${n},text of row ${n}`);
  const { end } = await harness.send("orders", "a.csv", ["id,text", ...rows, ""].join("\n"));
  const events = await harness.all(TOPICS.parseEvents.name, parseEvents);
  assert.deepEqual([events[0]!.progressJson, events.at(-1)!.phase], [null, "finished"]);
  const reports = reportsIn(events);
  assert.ok(reports.length > 2, `${reports.length}`);
  for (const [n, { rowsDone, bytesDone, bytesTotal }] of reports.entries()) {
    assert.ok(rowsDone <= end.rowsRead && bytesDone <= bytesTotal && bytesTotal === end.sizeBytes);
    assert.ok(n === 0 || (rowsDone > reports[n - 1]!.rowsDone && bytesDone >= reports[n - 1]!.bytesDone));
  }
});
