import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { contractsOf } from "../../../lib/contract/load.ts";
import { commandResults, commands, commitEvents } from "../../../lib/messages/avro.ts";
import type { Command } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { silentLogger } from "../../../lib/process/logger.ts";
import { Registry } from "../../../lib/process/metrics.ts";
import type { Service } from "../../../lib/process/service.ts";
import { startScheduler } from "../../../services/scheduler/service.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { until } from "../../support/until.ts";

const HOUR = 3_600_000;
const SETTINGS = {
  maintenanceCron: "0 3 * * *",
  checksCron: "0 4 * * *",
  optimizeFiles: 5,
  optimizeDeletes: 0.3,
  snapshotsMax: 50,
  retentionMs: 7 * 24 * HOUR,
  healthGapMs: HOUR,
  checksGapMs: 10_000,
  commandTimeoutMs: 24 * HOUR,
  tickMs: 1_000,
};

async function begin(
  log: FakeEventLog,
  clock: FakeClock,
  contract: object = {},
  registry = new Registry(),
): Promise<Service> {
  const contracts = contractsOf([contractSchema.parse({ table: "t", ...contract })]);
  return startScheduler({ log, contracts, clock, logger: silentLogger(), registry, settings: SETTINGS });
}

async function published(log: FakeEventLog): Promise<Command[]> {
  const found: Command[] = [];
  for (const { partition } of await log.offsets(TOPICS.commands.name)) {
    for await (const { value } of log.read(TOPICS.commands.name, partition, 0)) found.push(commands.decode(value));
  }
  return found;
}

/** Distinct ids: a committer runs each id once. */
const idsOf = async (log: FakeEventLog): Promise<string[]> =>
  [...new Set((await published(log)).map(({ commandId }) => commandId))].sort();

/** Advances time until the scheduler has requested this many commands. */
const asked = (log: FakeEventLog, clock: FakeClock, count: number): Promise<string[]> =>
  until(`${count} commands`, async () => {
    clock.advance(1_000);
    const ids = await idsOf(log);
    return ids.length >= count && ids;
  });

async function commit(log: FakeEventLog, clock: FakeClock, commitId: string): Promise<void> {
  const event = commitEvents.encode({
    commitId,
    table: "t",
    snapshotId: null,
    committedAtMs: clock.nowMs(),
    commitMs: 1,
    limit: "idle",
    strategy: "fake",
    rowsInserted: 1,
    rowsUpdated: 0,
    rowsDeleted: 0,
    files: [],
    tableFiles: null,
  });
  await log.publish(TOPICS.commits.name, [{ key: "t", value: event }]);
}

const answered = new WeakMap<FakeEventLog, Set<string>>();

/** Publishes a result for each requested command, once. */
async function answerNew(log: FakeEventLog, clock: FakeClock): Promise<void> {
  const done = answered.get(log) ?? new Set<string>();
  answered.set(log, done);
  for (const { commandId, table, kind } of await published(log)) {
    if (done.has(commandId)) continue;
    done.add(commandId);
    const times = { startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs(), heldMs: 0 };
    const result = commandResults.encode({ commandId, table, kind, status: "completed", ...times, resultJson: "{}" });
    await log.publish(TOPICS.commandResults.name, [{ key: table, value: result }]);
  }
}

test("at three every table is maintained, and two schedulers request the same commands", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 15, 2, 59, 50));
  const both = [await begin(log, clock), await begin(log, clock)];
  await commit(log, clock, "c1");
  const ids = await asked(log, clock, 18);
  const tables = ["_dismissed_rows", "_ingest_files", "_maintenance_log", "_quality_results", "_rejected_rows", "t"];
  const kinds = ["expire_snapshots", "optimize", "remove_orphan_files"];
  const slot = "2024-01-15T03:00:00.000Z";
  const expected = kinds.flatMap((kind) => tables.map((table) => `cron:${kind}:${table}:${slot}`));
  assert.deepEqual(ids, expected.sort());
  await Promise.all(both.map((one) => one.drain()));
});

test("a scheduler that starts late makes up for missed runs once, also after another restart", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 10, 12));
  const first = await begin(log, clock);
  await commit(log, clock, "c1");
  await first.drain();
  clock.jumpTo(Date.UTC(2024, 0, 15, 9));
  const second = await begin(log, clock);
  const ids = await asked(log, clock, 3);
  assert.ok(ids.every((id) => id.endsWith("2024-01-15T03:00:00.000Z")));
  await second.drain();
  const third = await begin(log, clock);
  clock.advance(5_000);
  await third.drain();
  await answerNew(log, clock);
  const fourth = await begin(log, clock);
  clock.advance(5_000);
  await fourth.drain();
  const mine = (await published(log)).filter(({ table }) => table === "t");
  assert.equal(mine.length, 3);
});

test("many commits trigger an optimize, and checks follow a commit if the contract requires it", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 15, 12));
  const checks = [{ name: "n", type: "row_count_range", min_count: 1 }];
  const scheduler = await begin(log, clock, { checks, checkAfterCommit: true });
  await commit(log, clock, "c1");
  assert.deepEqual(await asked(log, clock, 1), ["commit:checks:t:c1"]);
  for (let n = 2; n < 6; n++) await commit(log, clock, `c${n}`);
  // The ledger may have five times as many files.
  assert.deepEqual(await asked(log, clock, 2), ["commit:checks:t:c1", "health:optimize:t:first"]);
  await scheduler.ready();
  await scheduler.drain();
  await scheduler.drain();
});

test("the metric of the last check results survives restarts; a partial run keeps the other results", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 15, 12));
  const checks = ["a", "b", "c"].map((name) => ({ name, type: "row_count_range", min_count: 1 }));
  const first = await begin(log, clock, { checks });
  const publishResult = async (commandId: string, statuses: Record<string, string>): Promise<void> => {
    const results = Object.entries(statuses).map(([check_name, status]) => ({ check_name, status }));
    const times = { startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs(), heldMs: 0 };
    const result = { commandId, table: "t", kind: "checks", status: "failed", ...times };
    const value = commandResults.encode({ ...result, resultJson: JSON.stringify({ results }) });
    await log.publish(TOPICS.commandResults.name, [{ key: "t", value }]);
  };
  await publishResult("1", { a: "failed", b: "error", gone: "failed" });
  await publishResult("2", { a: "passed" });
  await first.drain();
  const registry = new Registry();
  const second = await begin(log, clock, { checks }, registry);
  await until("the metric", async () => {
    clock.advance(1_000);
    const text = await registry.metrics();
    const of = (status: string): string | undefined =>
      new RegExp(`tributary_quality_checks\\{table="t",status="${status}"\\} (\\d+)`).exec(text)?.[1];
    return of("passed") === "1" && of("failed") === "0" && of("error") === "1";
  });
  await second.drain();
});

test("the held-back time of a gate is exported across restarts until its checks pass", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 15, 12));
  const contract = { gate: "block", checks: [{ name: "a", type: "row_count_range", min_count: 1 }] };
  const publishResult = async (commandId: string, heldBackSince: string | null): Promise<void> => {
    const times = { startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs(), heldMs: 0 };
    const result = { commandId, table: "t", kind: "checks", status: "failed", ...times };
    const resultJson = JSON.stringify({ results: [], gate: { trustedAsOf: null, heldBackSince } });
    await log.publish(TOPICS.commandResults.name, [{ key: "t", value: commandResults.encode({ ...result, resultJson }) }]); // prettier-ignore
  };
  const shows = async (registry: Registry, atLeast: number, atMost: number): Promise<void> => {
    await until(`${atLeast} to ${atMost} s held back`, async () => {
      clock.advance(1_000);
      const text = await registry.metrics();
      const seconds = /tributary_quality_gate_held_back_seconds\{table="t"\} ([\d.]+)/.exec(text)?.[1];
      return seconds !== undefined && Number(seconds) >= atLeast && Number(seconds) <= atMost;
    });
  };
  await log.createTopics(Object.values(TOPICS));
  await publishResult("1", new Date(clock.nowMs() - 3_600_000).toISOString());
  for (const registry of [new Registry(), new Registry()]) {
    const scheduler = await begin(log, clock, contract, registry);
    await shows(registry, 3_600, 3_600 + 3_600);
    await scheduler.drain();
  }
  const registry = new Registry();
  const scheduler = await begin(log, clock, contract, registry);
  await publishResult("2", null);
  await shows(registry, 0, 0);
  await scheduler.drain();
});

test("a clock set forward and back repeats no day's run and skips none later", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 15, 12));
  const scheduler = await begin(log, clock);
  await commit(log, clock, "c1");
  const slotsOf = async (): Promise<string[]> =>
    [...new Set((await idsOf(log)).filter((id) => id.startsWith("cron:optimize:t:")).map((id) => id.slice(16)))].sort();
  const slots = (count: number): Promise<string[]> =>
    until(`${count} slots`, async () => {
      clock.advance(1_000);
      await answerNew(log, clock);
      const found = await slotsOf();
      return found.length >= count && found;
    });
  clock.jumpTo(Date.UTC(2024, 0, 16, 4));
  await slots(1);
  clock.jumpTo(Date.UTC(2024, 0, 18, 4));
  await slots(2);
  clock.jumpTo(Date.UTC(2024, 0, 16, 4));
  for (let n = 0; n < 20; n++) {
    clock.advance(1_000);
    await until("the scheduler has had its tick", () => clock.sleepers > 0);
    await answerNew(log, clock);
  }
  assert.equal((await slotsOf()).length, 2);
  clock.jumpTo(Date.UTC(2024, 0, 17, 4));
  assert.deepEqual(await slots(3), ["16", "17", "18"].map((day) => `2024-01-${day}T03:00:00.000Z`)); // prettier-ignore
  const asked = (await published(log)).filter(({ commandId }) => commandId.startsWith("cron:optimize:t:"));
  assert.equal(asked.length, 3, "each was requested once");
  await scheduler.drain();
});

test("a gate that fails counts as held back; one that the contract gave up is removed once", async () => {
  const log = new FakeEventLog();
  const clock = new FakeClock(Date.UTC(2024, 0, 15, 12));
  const publishResult = async (commandId: string, json: object): Promise<void> => {
    const times = { startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs(), heldMs: 0 };
    const result = { commandId, table: "t", kind: "checks", status: "error", ...times };
    const value = commandResults.encode({ ...result, resultJson: JSON.stringify({ results: [], ...json }) });
    await log.publish(TOPICS.commandResults.name, [{ key: "t", value }]);
  };
  const heldBack = /tributary_quality_gate_held_back_seconds\{table="t"\} ([\d.]+)/;
  await log.createTopics(Object.values(TOPICS));
  await publishResult("1", { gateFailed: true });
  const registry = new Registry();
  const gated = await begin(log, clock, { gate: "block" }, registry);
  await until("held back", async () => {
    clock.advance(1_000);
    return Number(heldBack.exec(await registry.metrics())?.[1]) > 0;
  });
  await gated.drain();
  assert.deepEqual(await idsOf(log), []);

  const open = new Registry();
  const scheduler = await begin(log, clock, { gate: "none" }, open);
  assert.deepEqual(await asked(log, clock, 1), ["ungate:t:1"]);
  await publishResult("ungate:t:1", { gate: null });
  for (let n = 0; n < 20; n++) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await idsOf(log), ["ungate:t:1"]);
  assert.doesNotMatch(await open.metrics(), heldBack, "a table without a gate is not held back");
  await scheduler.drain();
});
