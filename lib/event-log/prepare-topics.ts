import { TributaryError } from "../errors.ts";
import type { TopicSpec } from "../messages/topics.ts";
import type { EventLog } from "./event-log.ts";

/**
 * Creates missing topics and checks the partitions of all: a topic that a broker created automatically, or
 * that an operator expanded, spreads a table's records over partitions that nobody reads in order.
 * @throws CONFIG_INVALID, LOG_UNAVAILABLE
 */
export async function prepareTopics(log: EventLog, specs: readonly TopicSpec[]): Promise<void> {
  await log.createTopics(specs);
  const counts = await log.partitionCounts();
  for (const { name, partitions } of specs) assertPartitions(name, counts.get(name) ?? partitions, partitions);
}

/** @throws CONFIG_INVALID if a topic has another number of partitions than it needs */
export function assertPartitions(topic: string, found: number, wanted: number): void {
  if (found === wanted) return;
  const message =
    `topic ${topic} has ${found} partitions instead of ${wanted}: stop all services, delete the topic ` +
    "(records that are not processed are lost), start them again and replay the files concerned";
  throw new TributaryError("CONFIG_INVALID", message);
}
