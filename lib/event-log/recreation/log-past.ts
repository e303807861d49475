import { TributaryError } from "../../errors.ts";
import type { EventLog } from "../event-log.ts";
import { partitionOfTable } from "../table-partition.ts";
import { TOPICS } from "../../messages/topics.ts";

/**
 * Detects a recreated log. Its offsets start at 0 again, so its file events would look already committed and
 * be skipped silently. Costs one request for the log's end offsets.
 * @param watermarks highest committed source offset of each table
 * @throws LOG_RECREATED if a table has committed an offset that the log does not have
 */
export async function assertLogKeptItsPast(log: EventLog, watermarks: ReadonlyMap<string, number>): Promise<void> {
  if (watermarks.size === 0) return;
  const topic = TOPICS.fileEvents.name;
  const ends = await log.offsets(topic);
  for (const [table, watermark] of watermarks) {
    const { partition, next } = partitionOfTable(ends, table);
    if (watermark < next) continue;
    throw new TributaryError(
      "LOG_RECREATED",
      `table ${table} has committed file events up to offset ${watermark}, ` +
        `but partition ${partition} of ${topic} ends at ${next}`,
    );
  }
}
