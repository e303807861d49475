import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../lib/clock.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { MemoryBroker, type MemoryEventLog } from "../support/memory-event-log.ts";
import { eventLogContract } from "./event-log.contract.ts";

// The in-memory log of the services' tests and the simulation must keep the same contract.
eventLogContract("in memory", async () => {
  const broker = new MemoryBroker();
  return {
    open: async () => broker.client(),
    peer: async (log) => (log as MemoryEventLog).broker.client(),
    patienceMs: 10_000,
    dispose: async () => undefined,
  };
});

eventLogContract("embedded", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-log-"));
  return {
    open: () => openEventLog(`embedded:${folder}`, { clock: systemClock }),
    peer: async (log) => log,
    patienceMs: 10_000,
    dispose: () => rm(folder, { recursive: true }),
  };
});

const broker = process.env["TRIBUTARY_TEST_KAFKA"]?.replace(/^kafka:\/\//, "");
if (!broker && process.env["REQUIRE_STACK"] === "1") throw new Error("TRIBUTARY_TEST_KAFKA is not set");

eventLogContract(
  "kafka",
  async () => {
    const open = () => openEventLog(`kafka://${broker!}`, { clock: systemClock });
    return { open, peer: open, patienceMs: 40_000, dispose: async () => undefined };
  },
  broker ? undefined : "TRIBUTARY_TEST_KAFKA is not set: no Kafka to test",
);
