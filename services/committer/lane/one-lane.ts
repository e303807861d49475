import type { AssignedPartition, EventLog } from "../../../lib/event-log/event-log.ts";
import { assertPartitions } from "../../../lib/event-log/prepare-topics.ts";

/**
 * Rows of a table are in order in one partition only. A topic that a broker created automatically, or that
 * was expanded, may have more: its table waits, and the others continue.
 * @throws CONFIG_INVALID, LOG_UNAVAILABLE
 */
export async function assertOneLane(log: EventLog, { topic, partition }: AssignedPartition): Promise<void> {
  const found = Math.max((await log.offsets(topic)).length, partition + 1);
  assertPartitions(topic, found, 1);
}
