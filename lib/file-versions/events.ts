import type { EventLog } from "../event-log/event-log.ts";
import { eventPartition } from "../event-log/table-partition.ts";
import { fileEvents } from "../messages/avro.ts";
import type { FileEvent } from "../messages/generated.ts";
import type { VersionEvent } from "../messages/repetition.ts";
import { TOPICS } from "../messages/topics.ts";

/**
 * All file versions of a table in the log, oldest first. An event that was published twice counts once. A
 * file that was held and accepted is read as the first decision says; one that was refused is left out.
 */
export async function versionEvents(log: EventLog, table: string): Promise<VersionEvent[]> {
  const found = new Map<string, VersionEvent>();
  const decided = new Set<string>();
  const { partition, earliest, next } = await eventPartition(log, table);
  if (next <= earliest) return [];
  for await (const record of log.read(TOPICS.fileEvents.name, partition, earliest, next)) {
    const event = record.key === table ? fileEventIn(record.value) : undefined;
    if (!event) continue;
    const { fileId, decision } = event;
    if (!decision && !found.has(fileId)) found.set(fileId, { offset: record.offset, event });
    if (!decision || decided.has(fileId)) continue;
    decided.add(fileId);
    if (decision.verdict === "refuse") found.delete(fileId);
    else found.set(fileId, acceptedVersion(event, found.get(fileId)?.event));
  }
  return [...found.values()].sort((a, b) => a.offset - b.offset);
}

/** The version that was held, with the settings with which it was accepted. */
function acceptedVersion(accepting: FileEvent, held: FileEvent | undefined): VersionEvent {
  const { origin, replayOf } = held ?? { origin: "upload", replayOf: null };
  const unlike = { versionOffset: null, baseOffset: null, newRows: false, decision: null };
  return { offset: accepting.versionOffset!, event: { ...accepting, origin, replayOf, ...unlike } };
}

/** Undefined for bytes that are not a file event: the parser has made them dead letters. */
export function fileEventIn(value: Buffer): FileEvent | undefined {
  try {
    return fileEvents.decode(value);
  } catch {
    return undefined;
  }
}
