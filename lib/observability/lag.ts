import type { Clock } from "../clock.ts";
import type { EventLog } from "../event-log/event-log.ts";
import { GROUPS, TOPICS } from "../messages/topics.ts";
import { ROWS_TOPICS, tableOfTopic } from "../tables.ts";
import { Gauge, type Registry } from "../process/metrics.ts";

/** The lag of a group in one partition. */
export interface Lag {
  group: string;
  topic: string;
  partition: number;
  /** Published records that the group has not acked. */
  messages: number;
  /** Age of the oldest unacked record; 0 if there is none. */
  seconds: number;
}

/** The lag of a group for one table, whose records may share a partition with those of other tables. */
export interface TableLag {
  group: string;
  table: string;
  messages: number;
  seconds: number;
}

export interface Lags {
  partitions: Lag[];
  tables: TableLag[];
}

/** A record that its group has not acked. */
interface UnackedRecord {
  offset: number;
  table: string;
  timestampMs: number;
}

interface Subscription {
  group: string;
  topic: string;
}

/** What the log says of one partition. */
interface Reading extends Subscription {
  partition: number;
  messages: number;
  /** The oldest ones. */
  unacked: UnackedRecord[];
}

/** Unacked records read per partition, oldest first. Records beyond this limit are only counted. */
const UNACKED_MAX = 10_000;

/** Topics that are read at a time. One after the other, thousands of tables take longer than STALE_MS. */
const TOPICS_AT_ONCE = 64;

/** Older values are not exported: a missing series can be detected, an outdated value cannot. */
const STALE_MS = 30_000;

/**
 * The topics of each group. Lag exists from the first record on, also before a group's first ack and without
 * a live member.
 */
async function subscriptions(log: EventLog): Promise<Subscription[]> {
  const rows = (await log.topics()).filter((topic) => ROWS_TOPICS.test(topic));
  return [
    { group: GROUPS.parser, topic: TOPICS.fileEvents.name },
    ...rows.map((topic) => ({ group: GROUPS.committer, topic })),
  ];
}

/**
 * Measures every group's lag from the log itself, which works with any broker. It caches the unacked records,
 * so each record is read once. From a rows topic, which belongs to one table, it reads only the oldest
 * record.
 */
export function lagReader(log: EventLog): (nowMs: number) => Promise<Lags> {
  const known = new Map<string, UnackedRecord[]>();

  const unackedOf = async (topic: string, partition: number, from: number, next: number): Promise<UnackedRecord[]> => {
    const name = `${topic}/${partition}`;
    const rowsTable = ROWS_TOPICS.test(topic) ? tableOfTopic(topic).name : undefined;
    const max = rowsTable === undefined ? UNACKED_MAX : 1;
    const unacked = (known.get(name) ?? []).filter(({ offset }) => offset >= from && offset < next);
    const begin = (unacked.at(-1)?.offset ?? from - 1) + 1;
    const end = Math.min(next, begin + max - unacked.length);
    if (begin < end) {
      for await (const { offset, key, timestampMs } of log.read(topic, partition, begin, end))
        unacked.push({ offset, table: rowsTable ?? key ?? "", timestampMs });
    }
    known.set(name, unacked);
    return unacked;
  };

  const readingsOf = async ({ group, topic }: Subscription): Promise<Reading[]> => {
    const acked = new Map((await log.groupOffsets(group, topic)).map(({ partition, offset }) => [partition, offset]));
    const readings: Reading[] = [];
    for (const { partition, earliest, next } of await log.offsets(topic)) {
      const from = Math.max(acked.get(partition) ?? earliest, earliest);
      const unacked = await unackedOf(topic, partition, from, next);
      readings.push({ group, topic, partition, messages: Math.max(0, next - from), unacked });
    }
    return readings;
  };

  return async (nowMs) => {
    const all = await subscriptions(log);
    const readings: Reading[] = [];
    for (let at = 0; at < all.length; at += TOPICS_AT_ONCE)
      readings.push(...(await Promise.all(all.slice(at, at + TOPICS_AT_ONCE).map(readingsOf))).flat());
    return lagsOf(readings, nowMs);
  };
}

function lagsOf(readings: readonly Reading[], nowMs: number): Lags {
  const partitions: Lag[] = [];
  const tables = new Map<string, TableLag>();
  const secondsSince = (ms: number): number => Math.max(0, (nowMs - ms) / 1000);
  const addToTable = (group: string, table: string, messages: number, seconds: number): void => {
    const lag = tables.get(`${group} ${table}`) ?? { group, table, messages: 0, seconds: 0 };
    lag.messages += messages;
    lag.seconds = Math.max(lag.seconds, seconds);
    tables.set(`${group} ${table}`, lag);
  };
  for (const { group, topic, partition, messages, unacked } of readings) {
    const seconds = unacked[0] ? secondsSince(unacked[0].timestampMs) : 0;
    partitions.push({ group, topic, partition, messages, seconds });
    if (ROWS_TOPICS.test(topic)) {
      addToTable(group, tableOfTopic(topic).name, messages, seconds);
      addToTable(GROUPS.parser, tableOfTopic(topic).name, 0, 0);
    } else for (const { table, timestampMs } of unacked) addToTable(group, table, 1, secondsSince(timestampMs));
  }
  return { partitions, tables: [...tables.values()] };
}

/**
 * Registers the four lag gauges. Each scrape exports `latest`; while that is undefined they have no series.
 */
function registerGauges(registry: Registry, latest: () => Lags | undefined): void {
  const gauge = (name: string, of: "partitions" | "tables", value: "messages" | "seconds", help: string): void => {
    new Gauge({
      name,
      help,
      labelNames: of === "partitions" ? ["group", "topic", "partition"] : ["group", "table"],
      registers: [registry],
      collect() {
        this.reset();
        for (const { messages, seconds, ...labels } of latest()?.[of] ?? [])
          this.set(labels, value === "messages" ? messages : seconds);
      },
    });
  };
  const ofPartition = "of a partition that the group has not acked";
  const ofTable = "of a table that the group has not acked";
  const unknown = `Absent if the log has not answered for ${STALE_MS / 1000} s`;
  const counted = `for file events, only the oldest ${UNACKED_MAX} of each partition are counted`;
  gauge("tributary_consumer_lag_messages", "partitions", "messages", `Records ${ofPartition}. ${unknown}`);
  gauge("tributary_consumer_lag_seconds", "partitions", "seconds", `Age of the oldest record ${ofPartition}`);
  gauge("tributary_table_lag_messages", "tables", "messages", `Records ${ofTable}; ${counted}`);
  gauge("tributary_table_lag_seconds", "tables", "seconds", `Age of the oldest record ${ofTable}`);
}

export interface LagGauges {
  stop(): Promise<void>;
}

/**
 * Measures lag every `everyMs`. If the log does not answer, the gauges lose their series and LagUnknown
 * fires.
 */
export function startLagGauges(options: {
  log: EventLog;
  clock: Clock;
  registry: Registry;
  everyMs: number;
  onError: (thrown: unknown) => void;
}): LagGauges {
  const { log, clock, registry, everyMs, onError } = options;
  const measure = lagReader(log);
  const stopping = new AbortController();
  let latest: { lags: Lags; atMs: number } | undefined;
  registerGauges(registry, () => (latest && clock.monotonicMs() - latest.atMs <= STALE_MS ? latest.lags : undefined));
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        latest = { lags: await measure(clock.nowMs()), atMs: clock.monotonicMs() };
      } catch (error) {
        onError(error);
      }
      await clock.sleep(everyMs, stopping.signal);
    }
  };
  const running = loop();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
