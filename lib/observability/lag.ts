import type { Clock } from "../clock.ts";
import type { EventLog } from "../event-log/event-log.ts";
import { GROUPS, ROWS_TOPICS, tableOfRowsTopic, TOPICS } from "../messages/topics.ts";
import { Gauge, type Registry } from "../process/metrics.ts";

/** How far a group is behind in one partition. */
export interface Lag {
  group: string;
  topic: string;
  partition: number;
  /** Records published and not yet acked. */
  messages: number;
  /** Age of the oldest unacked record; 0 when there is none. */
  seconds: number;
}

/** The same of one table, whose records may share a partition with others'. */
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
interface Waiting {
  offset: number;
  table: string;
  timestampMs: number;
}

/** So many unacked records of a partition are looked at one by one, the oldest; of more only the number is known. */
const WAITING_MAX = 10_000;

/** Numbers older than this are not shown: a gap is told from health, an old number is not. */
const STALE_MS = 30_000;

/** Who should be reading what: lag exists from the first record on, also before a group's first ack and with no live member. */
async function subscriptions(log: EventLog): Promise<{ group: string; topic: string }[]> {
  const rows = (await log.topics()).filter((topic) => ROWS_TOPICS.test(topic));
  return [
    { group: GROUPS.parser, topic: TOPICS.fileEvents.name },
    ...rows.map((topic) => ({ group: GROUPS.committer, topic })),
  ];
}

/**
 * Measures every group's lag from the log itself, so that it works on any broker. What was read of unacked records is kept for the next
 * time: each is read once. Of a rows topic, all of whose records are one table's, only the oldest is read.
 */
export function lagReader(log: EventLog): (nowMs: number) => Promise<Lags> {
  const known = new Map<string, Waiting[]>();

  const waitingOf = async (topic: string, partition: number, from: number, next: number): Promise<Waiting[]> => {
    const place = `${topic}/${partition}`;
    const rowsTable = ROWS_TOPICS.test(topic) ? tableOfRowsTopic(topic) : undefined;
    const max = rowsTable === undefined ? WAITING_MAX : 1;
    const waiting = (known.get(place) ?? []).filter(({ offset }) => offset >= from && offset < next);
    const begin = (waiting.at(-1)?.offset ?? from - 1) + 1;
    const end = Math.min(next, begin + max - waiting.length);
    if (begin < end) {
      for await (const { offset, key, timestampMs } of log.read(topic, partition, begin, end))
        waiting.push({ offset, table: rowsTable ?? key ?? "", timestampMs });
    }
    known.set(place, waiting);
    return waiting;
  };

  return async (nowMs) => {
    const partitions: Lag[] = [];
    const tables = new Map<string, TableLag>();
    const secondsSince = (ms: number): number => Math.max(0, (nowMs - ms) / 1000);
    const note = (group: string, table: string, messages: number, seconds: number): void => {
      const of = tables.get(`${group} ${table}`) ?? { group, table, messages: 0, seconds: 0 };
      of.messages += messages;
      of.seconds = Math.max(of.seconds, seconds);
      tables.set(`${group} ${table}`, of);
    };
    for (const { group, topic } of await subscriptions(log)) {
      const acked = new Map((await log.groupOffsets(group, topic)).map(({ partition, offset }) => [partition, offset]));
      for (const { partition, earliest, next } of await log.offsets(topic)) {
        const from = Math.max(acked.get(partition) ?? earliest, earliest);
        const messages = Math.max(0, next - from);
        const waiting = await waitingOf(topic, partition, from, next);
        const seconds = waiting[0] ? secondsSince(waiting[0].timestampMs) : 0;
        partitions.push({ group, topic, partition, messages, seconds });
        if (ROWS_TOPICS.test(topic)) {
          note(group, tableOfRowsTopic(topic), messages, seconds);
          note(GROUPS.parser, tableOfRowsTopic(topic), 0, 0);
        } else for (const { table, timestampMs } of waiting) note(group, table, 1, secondsSince(timestampMs));
      }
    }
    return { partitions, tables: [...tables.values()] };
  };
}

/** The four lag gauges. Filled at each scrape from what `latest` gives; without it they have no series. */
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
  const unknown = "No series: the log has not told for 30 s";
  const counted = `of file events the oldest ${WAITING_MAX} of a partition are counted`;
  gauge("tributary_consumer_lag_messages", "partitions", "messages", `Records ${ofPartition}. ${unknown}`);
  gauge("tributary_consumer_lag_seconds", "partitions", "seconds", `Age of the oldest record ${ofPartition}`);
  gauge("tributary_table_lag_messages", "tables", "messages", `Records ${ofTable}; ${counted}`);
  gauge("tributary_table_lag_seconds", "tables", "seconds", `Age of the oldest record ${ofTable}`);
}

export interface LagGauges {
  stop(): Promise<void>;
}

/** Measures lag every `everyMs`. While the log does not tell, the gauges have no series: alert LagUnknown says so. */
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
