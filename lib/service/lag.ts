import type { Clock } from "../clock.ts";
import type { EventLog } from "../event-log/event-log.ts";
import { GROUPS, ROWS_TOPICS, TOPICS } from "../events/topics.ts";
import { Gauge, type Registry } from "./metrics.ts";

export interface Lag {
  group: string;
  topic: string;
  partition: number;
  /** Records published and not yet acked. */
  messages: number;
  /** Age of the oldest unacked record; 0 when there is none. */
  seconds: number;
}

/** Who should be reading what: lag exists from the first record on, also before a group's first ack and with no live member. */
async function subscriptions(log: EventLog): Promise<{ group: string; topic: string }[]> {
  const rows = (await log.topics()).filter((topic) => ROWS_TOPICS.test(topic));
  return [
    { group: GROUPS.parser, topic: TOPICS.fileEvents.name },
    ...rows.map((topic) => ({ group: GROUPS.committer, topic })),
  ];
}

/** Reads every group's lag from the log itself, so that it works on any broker. One small read per lagging partition. */
export async function measureLag(log: EventLog, nowMs: number): Promise<Lag[]> {
  const lags: Lag[] = [];
  for (const { group, topic } of await subscriptions(log)) {
    const acked = new Map((await log.groupOffsets(group, topic)).map(({ partition, offset }) => [partition, offset]));
    for (const { partition, earliest, next } of await log.offsets(topic)) {
      const from = Math.max(acked.get(partition) ?? earliest, earliest);
      const messages = Math.max(0, next - from);
      const seconds = messages === 0 ? 0 : await ageSeconds(log, topic, partition, from, nowMs);
      lags.push({ group, topic, partition, messages, seconds });
    }
  }
  return lags;
}

async function ageSeconds(
  log: EventLog,
  topic: string,
  partition: number,
  offset: number,
  nowMs: number,
): Promise<number> {
  for await (const record of log.read(topic, partition, offset, offset + 1)) {
    return Math.max(0, (nowMs - record.timestampMs) / 1000);
  }
  return 0;
}

export interface LagGauges {
  latest(): readonly Lag[];
  stop(): Promise<void>;
}

/** Keeps the two lag gauges fresh every `everyMs`. A failing log leaves them at their last values. */
export function startLagGauges(options: {
  log: EventLog;
  clock: Clock;
  registry: Registry;
  everyMs: number;
  onError: (thrown: unknown) => void;
}): LagGauges {
  const { log, clock, registry, everyMs, onError } = options;
  const labelNames = ["group", "topic", "partition"];
  const messages = new Gauge({
    name: "tributary_consumer_lag_messages",
    help: "Records of a partition that the group has not acked",
    labelNames,
    registers: [registry],
  });
  const seconds = new Gauge({
    name: "tributary_consumer_lag_seconds",
    help: "Age of the oldest record of a partition that the group has not acked",
    labelNames,
    registers: [registry],
  });
  const stopping = new AbortController();
  let latest: readonly Lag[] = [];
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        latest = await measureLag(log, clock.nowMs());
        for (const { group, topic, partition, ...lag } of latest) {
          messages.set({ group, topic, partition }, lag.messages);
          seconds.set({ group, topic, partition }, lag.seconds);
        }
      } catch (error) {
        onError(error);
      }
      await clock.sleep(everyMs, stopping.signal);
    }
  };
  const running = loop();
  return {
    latest: () => latest,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
