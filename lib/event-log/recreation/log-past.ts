import { TributaryError } from "../../errors.ts";
import type { EventLog } from "../event-log.ts";
import { partitionOfKey } from "../partitioner.ts";
import { TOPICS } from "../../messages/topics.ts";

/**
 * A log that was made anew counts from 0 again: its file events would look absorbed, and be skipped in silence. Costs one look at the
 * log's ends.
 * @param watermarks highest source offset on record for each table
 * @throws LOG_RECREATED if a table has absorbed more than the log has ever held
 */
export async function assertLogKeptItsPast(log: EventLog, watermarks: ReadonlyMap<string, number>): Promise<void> {
  if (watermarks.size === 0) return;
  const topic = TOPICS.fileEvents.name;
  const ends = await log.offsets(topic);
  for (const [table, watermark] of watermarks) {
    const own = partitionOfKey(table, ends.length);
    const end = ends.find(({ partition }) => partition === own)?.next ?? 0;
    if (watermark < end) continue;
    throw new TributaryError(
      "LOG_RECREATED",
      `table ${table} has absorbed file events up to offset ${watermark}, but partition ${own} of ${topic} ends at ${end}`,
    );
  }
}
