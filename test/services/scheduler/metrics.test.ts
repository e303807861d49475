import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { contractsOf } from "../../../lib/contract/load.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { commandResults, commitEvents } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { silentLogger } from "../../../lib/process/logger.ts";
import { Registry } from "../../../lib/process/metrics.ts";
import { schedulerConfig, schedulerSettings } from "../../../services/scheduler/config.ts";
import { SCHEDULER_THROUGHPUT } from "../../../services/scheduler/metrics.ts";
import { startScheduler } from "../../../services/scheduler/service.ts";
import { assertFlow, seriesOf, uncounted } from "../../support/counted.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { withFaults } from "../../support/faults.ts";
import { until } from "../../support/until.ts";
import { commitEvent } from "../gateway/gateway.ts";

const SETTINGS = schedulerSettings(schedulerConfig.parse({}));
const CHECKS = { checks: [{ name: "some", type: "row_count_range", min_count: 1 }], checkAfterCommit: true };

test("commits are received, commands are sent; a failed publish counts as an error and is retried", async () => {
  const [broker, clock, registry] = [new FakeEventLog(), new FakeClock(), new Registry()];
  let failures = 1;
  const log = withFaults(broker, (method, moment) => {
    if (method === "publish" && moment === "before" && failures-- > 0)
      throw new TributaryError("LOG_UNAVAILABLE", "the broker is unavailable");
  });
  const contracts = contractsOf([
    contractSchema.parse({ table: "sales", gate: "block", ...CHECKS }),
    contractSchema.parse({ table: "open", ...CHECKS }),
  ]);
  const scheduler = await startScheduler({
    ...{ log, contracts, clock, registry, logger: silentLogger(), settings: SETTINGS },
  });
  const publish = (topic: string, value: Buffer) => broker.publish(topic, [{ key: "sales", value }]);
  const heldBack = (table: string) => seriesOf(registry, `tributary_quality_gate_held_back_seconds{table="${table}"}`);
  await publish(TOPICS.commits.name, commitEvents.encode({ ...commitEvent([]), committedAtMs: clock.nowMs() }));
  await publish(TOPICS.commits.name, Buffer.from("no Avro"));
  const asked = () => seriesOf(registry, 'tributary_scheduler_commands_total{kind="checks",cause="commit"}');
  await until("checks are requested", async () => (clock.advance(1_000), (await asked()) === 1));
  assert.equal(await heldBack("sales"), 0);
  const results = [{ check_name: "some", status: "failed" }];
  const gate = { trustedAsOf: null, heldBackSince: new Date(clock.nowMs()).toISOString() };
  const times = { startedAtMs: clock.nowMs(), finishedAtMs: clock.nowMs(), heldMs: 0 };
  const result = { commandId: "commit:checks:sales:c1", table: "sales", kind: "checks", status: "failed", ...times };
  await publish(
    TOPICS.commandResults.name,
    commandResults.encode({ ...result, resultJson: JSON.stringify({ results, gate }) }),
  );
  await until("the gate is held", async () => (clock.advance(1_000), (await heldBack("sales"))! > 0));
  assert.equal(await heldBack("open"), undefined, "it has no gate");
  const flow = await assertFlow(registry, "scheduler", {
    received: { commits: 1, commands: 1, "command-results": 1 },
    sent: { command: 1 },
    errors: { LOG_UNAVAILABLE: 1 },
    dropped: { "undecodable!": 1 },
  });
  assert.deepEqual(uncounted(SCHEDULER_THROUGHPUT, [flow]), []);
  await scheduler.drain();
});
