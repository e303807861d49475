/**
 * What the event log costs as the number of tables grows: each has a topic of rows, which a committer polls.
 */
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../lib/clock.ts";
import type { Consumer, EventLog, PartitionHandler } from "../lib/event-log/event-log.ts";
import { openEventLog } from "../lib/event-log/open.ts";
import { rowsTopic, TOPICS } from "../lib/messages/topics.ts";
import { lagReader } from "../lib/observability/lag.ts";
import { seconds, unique } from "./stack.ts";

/** Topics made by one call. */
const MADE_AT_ONCE = 100;
const WATCHED_MS = 10_000;

export interface ManyTopicsResult {
  topics: number;
  /** From the start of a consumer of all topics until it has them all. */
  joinS: number;
  /** Share of one core that the consumer takes while nothing arrives. */
  idleCores: number;
  /** Of the bench, which is the only consumer. */
  rssMb: number;
  /** One reading of the lag of all topics, which the scheduler does every 10 s. */
  lagS: number;
}

/** Makes topics as tables do, and measures a consumer and a reader of lag at each of the given numbers. */
export async function manyTopics(logUrl: string, counts: readonly number[]): Promise<{ points: ManyTopicsResult[] }> {
  const prefix = unique("many");
  const log = await openEventLog(logUrl, { clock: systemClock });
  const points: ManyTopicsResult[] = [];
  try {
    await log.createTopics(Object.values(TOPICS));
    let made = 0;
    for (const topics of counts) {
      while (made < topics) {
        const next = Array.from({ length: Math.min(MADE_AT_ONCE, topics - made) }, (_, at) => made + at);
        await log.createTopics(next.map((n) => rowsTopic(`${prefix}_t${n}`)));
        made += next.length;
      }
      points.push(await pointOf(log, prefix, topics));
      process.stderr.write(`${JSON.stringify(points.at(-1))}\n`);
    }
  } finally {
    await log.close();
  }
  return { points };
}

async function pointOf(log: EventLog, prefix: string, topics: number): Promise<ManyTopicsResult> {
  const pattern = new RegExp(`^${rowsTopic(prefix).name}_t\\d+$`);
  let consumer: Consumer | undefined;
  const startedMs = Date.now();
  try {
    await new Promise<void>((resolve, reject) => {
      let assigned = 0;
      const assign = (): PartitionHandler => {
        if (++assigned === topics) resolve();
        return () => Promise.resolve();
      };
      log.consume({ group: `${prefix}-${topics}`, topics: pattern }, assign).then((made) => (consumer = made), reject);
    });
    const joinS = (Date.now() - startedMs) / 1000;
    const before = process.cpuUsage();
    await setTimeout(WATCHED_MS);
    const { user, system } = process.cpuUsage(before);
    const rssMb = Math.round(process.memoryUsage().rss / 1024 ** 2);
    const read = lagReader(log);
    const lagS = await seconds(() => read(Date.now()));
    const round = (value: number): number => Math.round(value * 100) / 100;
    return {
      topics,
      joinS: round(joinS),
      idleCores: round((user + system) / 1000 / WATCHED_MS),
      rssMb,
      lagS: round(lagS),
    };
  } finally {
    await consumer?.close();
  }
}
