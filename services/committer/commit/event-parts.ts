import { commitEvents } from "../../../lib/messages/avro.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { CommitEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { keyOf, tableId } from "../../../lib/tables.ts";
import type { Persist } from "../lane/retries.ts";

/** A record of the log is at most this part of its limit, which counts the key and the headers, too. */
const RECORD_SHARE_MAX = 0.9;

/**
 * The encoded event in parts that fit into records of the log, each with some of the files. Every part has
 * the commit's id. Its counts and the table's files are in the first part only.
 */
export function encodedParts(event: CommitEvent, recordBytesMax: number): Buffer[] {
  const value = commitEvents.encode(event);
  const { files } = event;
  if (value.length <= recordBytesMax * RECORD_SHARE_MAX || files.length <= 1) return [value];
  const middle = Math.ceil(files.length / 2);
  const part = (some: typeof files): Pick<CommitEvent, "files" | "held"> => {
    const ids = new Set(some.map(({ fileId }) => fileId));
    return { files: some, held: (event.held ?? []).filter(({ fileId }) => ids.has(fileId)) };
  };
  const uncounted = { rowsInserted: 0, rowsUpdated: 0, rowsDeleted: 0, tableFiles: null };
  return [
    ...encodedParts({ ...event, ...part(files.slice(0, middle)) }, recordBytesMax),
    ...encodedParts({ ...event, ...uncounted, ...part(files.slice(middle)) }, recordBytesMax),
  ];
}

/** Publishes what a micro-batch did. */
export async function publishCommit(log: EventLog, persist: Persist, event: CommitEvent): Promise<void> {
  const key = keyOf(tableId(event.table));
  const parts = encodedParts(event, log.recordBytesMax).map((value) => ({ key, value }));
  await persist("publish", () => log.publish(TOPICS.commits.name, parts));
}
