import { folderOf, tableId } from "../../../lib/tables.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { dropEvents, fileEvents } from "../../../lib/messages/avro.ts";
import type { DropEvent, FileEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";

/** The last ingested version of an object. */
export interface TakenVersion {
  etag: string;
  sizeBytes: number;
  fileId: string;
  /** Offset of its drop event. Older events that the tail delivers later change nothing. */
  offset: number;
}

/** The newest file event of a dropped file. */
export type DropFileEvent = Pick<FileEvent, "kind" | "etag" | "sizeBytes" | "fileId">;

/** The objects ingested from the drop store: the compacted topic `drops`, as a map. */
export interface DropMemory {
  readonly taken: ReadonlyMap<string, TakenVersion>;
  /** Records durably that a version was ingested, or that an object was deleted. @throws LOG_UNAVAILABLE */
  record(event: Omit<DropEvent, "atMs">): Promise<void>;
  /**
   * By `fileOf`, the newest file event of each dropped file that `recall` has read. If a process crashes, or
   * loses the log, between the file event and the drop event, only the file event exists. The caller clears
   * the map after use.
   */
  readonly fileEvents: Map<string, DropFileEvent>;
  /** Reads the file events since the last recall; the first time, all of them. @throws LOG_UNAVAILABLE */
  recall(): Promise<void>;
  close(): Promise<void>;
}

/** A file's name, unique across tables. */
export const fileOf = (table: string, sourceFile: string): string => folderOf(tableId(table)) + sourceFile;

/**
 * Opens the memory; it is complete after the first `recall`. `onError` receives the errors of events that
 * cannot be decoded. @throws LOG_UNAVAILABLE
 */
export async function openDropMemory(
  log: EventLog,
  clock: Clock,
  onError: (thrown: unknown) => void,
): Promise<DropMemory> {
  const taken = new Map<string, TakenVersion>();
  /** By key of a deleted object: the offset of its newest event, until the tail has passed it. */
  const deleted = new Map<string, number>();
  const newest = new Map<string, DropFileEvent>();
  const next = new Map<number, number>();

  const apply = (event: DropEvent, offset: number): void => {
    const key = event.objectKey;
    if (offset <= Math.max(taken.get(key)?.offset ?? -1, deleted.get(key) ?? -1)) return;
    if (event.deleted) {
      taken.delete(key);
      deleted.set(key, offset);
    } else {
      deleted.delete(key);
      taken.set(key, { etag: event.etag, sizeBytes: event.sizeBytes, fileId: event.fileId, offset });
    }
  };
  const decode = (value: Buffer): FileEvent | undefined => {
    try {
      return fileEvents.decode(value);
    } catch (error) {
      onError(error);
      return undefined;
    }
  };
  const tail = await log.tail([TOPICS.drops.name], ({ value, offset }) => {
    try {
      const event = dropEvents.decode(value);
      apply(event, offset);
      if (deleted.get(event.objectKey) === offset) deleted.delete(event.objectKey);
    } catch (error) {
      onError(error);
    }
  });

  return {
    taken,
    async record(change) {
      const event = { ...change, atMs: clock.nowMs() };
      const record = { key: event.objectKey, value: dropEvents.encode(event) };
      const [position] = await log.publish(TOPICS.drops.name, [record]);
      apply(event, position!.offset);
    },
    fileEvents: newest,
    async recall() {
      await tail.caughtUp();
      for (const { partition, earliest } of await log.offsets(TOPICS.fileEvents.name)) {
        const from = Math.max(earliest, next.get(partition) ?? 0);
        for await (const record of log.read(TOPICS.fileEvents.name, partition, from)) {
          next.set(partition, record.offset + 1);
          const event = decode(record.value);
          if (event?.origin !== "drop") continue;
          const { kind, etag, sizeBytes, fileId } = event;
          newest.set(fileOf(event.table, event.sourceFile), { kind, etag, sizeBytes, fileId });
        }
      }
    },
    close: () => tail.close(),
  };
}
