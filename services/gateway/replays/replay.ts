import { keyOf, tableId } from "../../../lib/tables.ts";
import { uuidv7 } from "uuidv7";
import type { Clock } from "../../../lib/clock.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { fileEvents } from "../../../lib/messages/avro.ts";
import type { FileEvent } from "../../../lib/messages/generated.ts";
import { contentOf, versionOf, type VersionEvent } from "../../../lib/messages/repetition.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { GatewayMetrics } from "../metrics.ts";

const PUBLISH_RECORDS_MAX = 500;

/**
 * - `repetitions`: the events keep their versions, so that newer versions stay.
 * - `rejects`: the same, and they may bring rows that were rejected.
 * - `newest`: the events become new versions, over everything that came after the originals.
 */
export type ReplayMode = "repetitions" | "rejects" | "newest";

/**
 * Publishes the chosen events again, in order, with new file ids. Idempotent, except with mode `newest`.
 */
export async function publishReplays(
  { log, clock, metrics }: { log: EventLog; clock: Clock; metrics: GatewayMetrics },
  chosen: readonly VersionEvent[],
  mode: ReplayMode,
): Promise<{ fileId: string; sourceFile: string; replayOf: string }[]> {
  const published: { fileId: string; sourceFile: string; replayOf: string }[] = [];
  for (let start = 0; start < chosen.length; start += PUBLISH_RECORDS_MAX) {
    const events = chosen.slice(start, start + PUBLISH_RECORDS_MAX).map((item): FileEvent => ({
      ...item.event,
      fileId: uuidv7(),
      origin: "replay",
      receivedAtMs: clock.nowMs(),
      replayOf: item.event.fileId,
      settled: false,
      ...(mode === "newest"
        ? { versionOffset: null, baseOffset: null, newRows: false }
        : { versionOffset: versionOf(item), baseOffset: contentOf(item), newRows: mode === "rejects" }),
    }));
    await log.publish(
      TOPICS.fileEvents.name,
      events.map((event) => ({ key: keyOf(tableId(event.table)), value: fileEvents.encode(event) })),
    );
    metrics.throughput.sent("replay", events.length);
    published.push(...events.map(({ fileId, sourceFile, replayOf }) => ({ fileId, sourceFile, replayOf: replayOf! })));
  }
  return published;
}
