import { TributaryError } from "../errors.ts";
import { TOPICS, type TopicSpec } from "../messages/topics.ts";
import type { EventLog } from "./event-log.ts";
import { partitionOfKey } from "./partitioner.ts";

/** The oldest records of a partition whose keys are compared with it. */
const PLACED_RECORDS_MAX = 100;

/**
 * Creates missing topics and checks the partitions of all: a topic that a broker created automatically, or
 * that an operator expanded, spreads a table's records over partitions that nobody reads in order.
 * `file-events` may have any number, as long as its records lie where that number puts them.
 * @throws CONFIG_INVALID, LOG_UNAVAILABLE
 */
export async function prepareTopics(log: EventLog, specs: readonly TopicSpec[]): Promise<void> {
  await log.createTopics(specs);
  const counts = await log.partitionCounts();
  for (const { name, partitions } of specs) {
    if (name === TOPICS.fileEvents.name) await assertPlaced(log, name);
    else assertPartitions(name, counts.get(name) ?? partitions, partitions);
  }
}

/**
 * Creates `file-events` with this number of partitions, if the log does not have it yet. Call it before
 * `prepareTopics`, which creates it with the default.
 * @throws LOG_UNAVAILABLE
 */
export const createFileEvents = (log: EventLog, partitions: number): Promise<void> =>
  log.createTopics([{ ...TOPICS.fileEvents, partitions }]);

/** @throws CONFIG_INVALID if an early record is not in the partition that its key belongs to now */
async function assertPlaced(log: EventLog, topic: string): Promise<void> {
  const partitions = await log.offsets(topic);
  const check = async ({ partition, earliest, next }: (typeof partitions)[number]): Promise<void> => {
    if (next <= earliest) return;
    const end = Math.min(next, earliest + PLACED_RECORDS_MAX);
    for await (const { key } of log.read(topic, partition, earliest, end)) {
      const wanted = key === null ? partition : partitionOfKey(key, partitions.length);
      if (wanted === partition) continue;
      const message =
        `topic ${topic} was expanded to ${partitions.length} partitions: events of table ${key} are in partition ` +
        `${partition}, and new ones would be in ${wanted}. Stop all services, delete the topic, start them again ` +
        "and adopt the recreated log (docs/operating.md, A topic has other partitions)";
      throw new TributaryError("CONFIG_INVALID", message);
    }
  };
  await Promise.all(partitions.map(check));
}

/** @throws CONFIG_INVALID if a topic has another number of partitions than it needs */
export function assertPartitions(topic: string, found: number, wanted: number): void {
  if (found === wanted) return;
  const message =
    `topic ${topic} has ${found} partitions instead of ${wanted}: stop all services, delete the topic ` +
    "(records that are not processed are lost), start them again and replay the files concerned";
  throw new TributaryError("CONFIG_INVALID", message);
}
