import { GROUPS, TOPICS } from "../messages/topics.ts";
import { keyOf, tableId } from "../tables.ts";
import type { EventLog } from "./event-log.ts";
import { partitionOfKey } from "./partitioner.ts";

/** A partition of file-events: its number, its oldest kept offset, and its end. */
export interface EventPartition {
  partition: number;
  earliest: number;
  next: number;
}

/** Finds the partition of file-events that holds a table's events among those that the topic has. */
export function partitionOfTable(partitions: readonly EventPartition[], table: string): EventPartition {
  const partition = partitionOfKey(keyOf(tableId(table)), partitions.length);
  return partitions.find((one) => one.partition === partition) ?? { partition, earliest: 0, next: 0 };
}

/** The partition of file-events that holds a table's events. @throws LOG_UNAVAILABLE */
export async function eventPartition(log: EventLog, table: string): Promise<EventPartition> {
  return partitionOfTable(await log.offsets(TOPICS.fileEvents.name), table);
}

/** Parsers have acked the partition's file events before this offset. @throws LOG_UNAVAILABLE */
export async function parsedTo(log: EventLog, partition: number): Promise<number> {
  const acked = await log.groupOffsets(GROUPS.parser, TOPICS.fileEvents.name);
  return acked.find((position) => position.partition === partition)?.offset ?? 0;
}
