import type { Clock } from "../../../lib/clock.ts";
import { hasCode } from "../../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { guardedTail, type OnUnreadable } from "../../../lib/event-log/guarded-tail.ts";
import { dropEvents, fileEvents } from "../../../lib/messages/avro.ts";
import type { DropEvent, FileEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { fileOf } from "../files/newest-versions.ts";

/** The last ingested version of an object. */
export interface TakenVersion {
  etag: string;
  sizeBytes: number;
  /** Empty: not known. */
  revision: string;
  fileId: string;
  /** Offset of its drop event. Older events that the tail delivers later change nothing. */
  offset: number;
}

/**
 * Keys that no object has: they begin with a slash. Their records are marked `deleted`, which versions that
 * do not know them ignore.
 */
const STATE_KEY = "/state";
const CONFIRMED_KEY = "/confirmed";
const FORGOTTEN_KEY = "/forgotten";

/** How long a deletion is remembered. File events are kept as long. */
const DELETIONS_MS = 30 * 24 * 60 * 60 * 1000;
/** Least time between two removals of old deletions. */
const FORGET_EVERY_MS = 7 * 24 * 60 * 60 * 1000;

/** An operator's confirmation that at most `missing` known objects of a folder were deleted. */
export interface Confirmation {
  folder: string;
  missing: number;
  /** Offset of its record. */
  offset: number;
}

/** The newest file event of a dropped file. */
export type DropFileEvent = Pick<FileEvent, "kind" | "etag" | "sizeBytes" | "fileId">;

/** The objects ingested from the drop store: the compacted topic `drops`, as a map. */
export interface DropMemory {
  readonly taken: ReadonlyMap<string, TakenVersion>;
  /** By `fileOf`: the key whose object the file's newest version is. */
  readonly owners: ReadonlyMap<string, string>;
  /**
   * Identifies what came before the next version of an object, for its id: equal contents that return have
   * another predecessor, and two gateways that take the same version have the same one.
   */
  predecessor(key: string): string;
  /** Records durably that a version was ingested, or that an object was deleted. @throws LOG_UNAVAILABLE */
  record(event: Omit<DropEvent, "atMs" | "revision"> & { revision?: string | undefined }): Promise<void>;
  /** The watcher's state as it last published it, for all gateways; JSON. */
  readonly state: string | undefined;
  publishState(json: string): Promise<void>;
  /** The newest confirmation of deletions. */
  readonly confirmation: Confirmation | undefined;
  confirm(folder: string, missing: number): Promise<void>;
  /** Removes deletions that are older than 30 days from the topic. */
  forget(): Promise<void>;
  /**
   * By `fileOf`, the newest file event of each dropped file that `recall` has read. If a process crashes, or
   * loses the log, between the file event and the drop event, only the file event exists. The caller clears
   * the map after use.
   */
  readonly fileEvents: Map<string, DropFileEvent>;
  /**
   * Reads the file events since the last recall; the first time, all of them.
   * @throws LOG_UNAVAILABLE; MESSAGE_TOO_NEW: it is unknown which objects are taken, so none may be
   */
  recall(): Promise<void>;
  /** @throws MESSAGE_TOO_NEW */
  assertReadable(): void;
  close(): Promise<void>;
}

export interface DropMemoryOptions {
  log: EventLog;
  clock: Clock;
  /** By `fileOf`, the file of an object; undefined for objects that are not ingested. */
  fileOfKey: (key: string) => string | undefined;
  /** Receives the events that cannot be decoded. */
  onUnreadable: OnUnreadable;
}

/** Opens the memory; it is complete after the first `recall`. @throws LOG_UNAVAILABLE */
export async function openDropMemory({ log, clock, fileOfKey, onUnreadable }: DropMemoryOptions): Promise<DropMemory> {
  const objects = new DroppedObjects(fileOfKey);
  const newest = new Map<string, DropFileEvent>();
  const next = new Map<number, number>();
  const onDrop = ({ key, value, offset }: LogRecord): void => {
    if (value.length > 0) objects.apply(dropEvents.decode(value), offset);
    else if (key !== null) objects.forget(key, offset);
  };
  const tail = await guardedTail(log, [TOPICS.drops.name], onDrop, onUnreadable);
  const record: DropMemory["record"] = async ({ revision = "", ...change }) => {
    const event = { ...change, revision, atMs: clock.nowMs() };
    const [position] = await log.publish(TOPICS.drops.name, [
      { key: event.objectKey, value: dropEvents.encode(event) },
    ]);
    objects.apply(event, position!.offset);
  };
  const note = (objectKey: string, etag: string, sizeBytes = 0): Promise<void> =>
    record({ objectKey, etag, sizeBytes, fileId: "", deleted: true });

  return {
    taken: objects.taken,
    owners: objects.owners,
    predecessor: (key) => objects.predecessor(key),
    record,
    get state() {
      return objects.state;
    },
    publishState: (json) => note(STATE_KEY, json),
    get confirmation() {
      return objects.confirmation;
    },
    confirm: (folder, missing) => note(CONFIRMED_KEY, folder, missing),
    async forget() {
      const nowMs = clock.nowMs();
      const old = objects.deletedBefore(nowMs - DELETIONS_MS);
      if (old.length === 0 || nowMs - objects.forgottenAtMs < FORGET_EVERY_MS) return;
      // First the mark: a key that returns must not get the id that it had before.
      await note(FORGOTTEN_KEY, "");
      for (const key of old) {
        const [position] = await log.publish(TOPICS.drops.name, [{ key, value: Buffer.alloc(0) }]);
        objects.forget(key, position!.offset);
      }
    },
    fileEvents: newest,
    async recall() {
      await tail.caughtUp();
      tail.assertReadable();
      for (const { partition, earliest, next: end } of await log.offsets(TOPICS.fileEvents.name)) {
        const from = Math.max(earliest, next.get(partition) ?? 0);
        if (from >= end) continue;
        for await (const record of log.read(TOPICS.fileEvents.name, partition, from)) {
          const event = decoded(record, onUnreadable);
          next.set(partition, record.offset + 1);
          if (event?.origin !== "drop") continue;
          const { kind, etag, sizeBytes, fileId } = event;
          newest.set(fileOf(event.table, event.sourceFile), { kind, etag, sizeBytes, fileId });
        }
      }
    },
    assertReadable: () => tail.assertReadable(),
    close: () => tail.close(),
  };
}

/** @throws MESSAGE_TOO_NEW */
function decoded(record: LogRecord, onUnreadable: OnUnreadable): FileEvent | undefined {
  try {
    return fileEvents.decode(record.value);
  } catch (thrown) {
    onUnreadable(thrown, record);
    if (hasCode(thrown, "MESSAGE_TOO_NEW")) throw thrown;
    return undefined;
  }
}

/** Folds drop events, which may come twice and late. */
class DroppedObjects {
  readonly taken = new Map<string, TakenVersion>();
  readonly owners = new Map<string, string>();
  state: string | undefined;
  confirmation: Confirmation | undefined;
  forgottenAtMs = 0;
  readonly #deleted = new Map<string, { fileId: string; atMs: number; offset: number }>();
  readonly #newest = new Map<string, number>();
  readonly #fileOfKey: (key: string) => string | undefined;

  constructor(fileOfKey: (key: string) => string | undefined) {
    this.#fileOfKey = fileOfKey;
  }

  apply(event: DropEvent, offset: number): void {
    const { objectKey: key, etag, sizeBytes, revision, fileId, deleted, atMs } = event;
    const known = Math.max(this.taken.get(key)?.offset ?? -1, this.#deleted.get(key)?.offset ?? -1);
    if (offset <= Math.max(known, this.#newest.get(key) ?? -1)) return;
    if (key.startsWith("/")) {
      this.#newest.set(key, offset);
      if (key === STATE_KEY) this.state = etag;
      if (key === CONFIRMED_KEY) this.confirmation = { folder: etag, missing: sizeBytes, offset };
      if (key === FORGOTTEN_KEY) this.forgottenAtMs = atMs;
    } else if (deleted) {
      this.#disown(key);
      this.taken.delete(key);
      this.#deleted.set(key, { fileId, atMs, offset });
    } else {
      this.#deleted.delete(key);
      this.taken.set(key, { etag, sizeBytes, revision, fileId, offset });
      const file = this.#fileOfKey(key);
      if (file !== undefined) this.owners.set(file, key);
    }
  }

  forget(key: string, offset: number): void {
    if ((this.#deleted.get(key)?.offset ?? Infinity) < offset) this.#deleted.delete(key);
  }

  predecessor(key: string): string {
    const known = this.taken.get(key) ?? this.#deleted.get(key);
    return known?.fileId ?? (this.forgottenAtMs === 0 ? "" : `forgotten ${this.forgottenAtMs}`);
  }

  deletedBefore(ms: number): string[] {
    return [...this.#deleted].flatMap(([key, { atMs }]) => (atMs < ms ? [key] : []));
  }

  #disown(key: string): void {
    const file = this.#fileOfKey(key);
    if (file !== undefined && this.owners.get(file) === key) this.owners.delete(file);
  }
}
