import { open, type Database, type RootDatabase } from "lmdb";
import { messageOf, TributaryError } from "../../errors.ts";
import { writableFolder } from "../../folders.ts";
import type { TopicSpec } from "../../messages/topics.ts";
import { diskFreeBytesOf, reusableBytes, type DiskFreeBytes } from "./space.ts";
import { decodeRecord, encodeRecord, offsetOfKey, recordKey, storedBytes } from "./records.ts";
import type { LogRecord, NewRecord } from "../event-log.ts";

/** Size limit of one LMDB transaction. A single larger write gets a transaction of its own. */
const TRANSACTION_BYTES_MAX = 32 * 1024 * 1024;
/** Memory overhead of one record, counted so that many small records are also bounded. */
const RECORD_OVERHEAD_BYTES = 128;
/** LMDB reports a full disk with several different errors. Below this free space they mean a full disk. */
const NO_SPACE_BYTES = 1024 * 1024;

interface Bounds {
  earliest: number;
  next: number;
  /** Total bytes of the stored records. */
  bytes: number;
}

export interface StoredPartition {
  /** Prefix of the LMDB keys of its records. */
  readonly id: number;
  readonly topic: string;
  readonly partition: number;
  /** Flushed to disk; this is what readers see. */
  durable: Readonly<Bounds>;
  /** The state after the transaction being written. */
  staged: Readonly<Bounds>;
  /** Each callback is called once, at the next append. */
  readonly waiting: Set<() => void>;
}

export interface StoredTopic {
  readonly spec: TopicSpec;
  readonly partitions: readonly StoredPartition[];
}

export interface AppendRecord extends NewRecord {
  partition: StoredPartition;
}

interface Ack {
  durable: number | undefined;
  staged: number | undefined;
}

interface Write {
  bytes: number;
  /** Adds the write's puts and removes to the transaction. */
  stage(): void;
  resolve(): void;
  reject(error: TributaryError): void;
}

type MetaKey = ["topic", string] | ["bounds", number] | ["ack", string, string, number] | ["next id"];

/** Folders open in this process. LMDB's reader table shows only other processes. */
const openHere = new Set<string>();

/**
 * The embedded log on disk: one LMDB environment in a folder (docs/decisions/0028). Concurrent writes share a
 * transaction (group commit). A write resolves, and becomes visible to readers, when its transaction is on
 * disk. Reads are synchronous because LMDB maps the file into memory.
 */
export class EmbeddedStore {
  readonly folder: string;
  readonly topics = new Map<string, StoredTopic>();
  readonly #root: RootDatabase;
  readonly #records: Database<Buffer, Buffer>;
  readonly #meta: Database<unknown, MetaKey>;
  readonly #acks = new Map<string, Ack>();
  readonly #queue: Write[] = [];
  #puts = new Set<Promise<unknown>>();
  #touched = new Set<StoredPartition>();
  #writing: Promise<void> | undefined;
  readonly #diskFreeBytes: DiskFreeBytes;
  #nextId: number;
  #closed = false;

  /**
   * @throws LOG_IN_USE if a live process has the folder open; LOG_UNAVAILABLE if the folder cannot be opened
   */
  constructor(folder: string, diskFreeBytes: DiskFreeBytes = diskFreeBytesOf) {
    this.#diskFreeBytes = diskFreeBytes;
    this.folder = claimFolder(folder);
    try {
      // overlappingSync: false flushes a transaction before it counts as committed, so before its writes
      // resolve. eventTurnBatching: false prevents batches made by lmdb itself, whose failures could not be
      // caught.
      const options = { overlappingSync: false, eventTurnBatching: false, cache: false, maxReaders: 32 };
      this.#root = open({ path: this.folder, noSubdir: false, ...options });
      this.#records = this.#root.openDB({ name: "records", keyEncoding: "binary", encoding: "binary" });
      this.#meta = this.#root.openDB({ name: "meta", encoding: "json" });
      this.#nextId = (this.#meta.get(["next id"]) as number | undefined) ?? 0;
    } catch (thrown) {
      openHere.delete(this.folder);
      throw storeError(thrown, `cannot open the event log in ${this.folder}`);
    }
    this.#refuseSecondProcess();
    this.#load();
  }

  /**
   * LMDB's reader table lists every process that has read from the environment until it closes it, and uses a
   * file lock to detect dead processes. This makes it an exact lock that needs no cleanup. Every process
   * registers before it checks, so two processes that start at the same time never both continue.
   */
  #refuseSecondProcess(): void {
    this.#root.readerCheck();
    const pids = [...this.#root.readerList().matchAll(/^\s*(\d+) [0-9a-f]+ /gm)].map((match) => Number(match[1]));
    const other = pids.find((pid) => pid !== process.pid);
    if (other === undefined) return;
    openHere.delete(this.folder);
    void this.#root.close();
    throw new TributaryError("LOG_IN_USE", `the event log in ${this.folder} is open in process ${other}`);
  }

  #load(): void {
    for (const { key, value } of this.#meta.getRange({ start: ["topic"] as unknown as MetaKey })) {
      if (key[0] !== "topic") break;
      const { spec, firstId } = value as { spec: TopicSpec; firstId: number };
      this.#addTopic(spec, firstId);
    }
    for (const { key, value } of this.#meta.getRange({ start: ["ack"] as unknown as MetaKey })) {
      if (key[0] !== "ack") break;
      const ack = this.#ackOf(key[1], key[2], key[3]);
      ack.durable = ack.staged = value as number;
    }
  }

  #addTopic(spec: TopicSpec, firstId: number): void {
    const partitions = Array.from({ length: spec.partitions }, (_, partition): StoredPartition => {
      const id = firstId + partition;
      const stored = this.#meta.get(["bounds", id]) as [number, number, number] | undefined;
      const [earliest, next, bytes] = stored ?? [0, 0, 0];
      const bounds = { earliest, next, bytes };
      return { id, topic: spec.name, partition, durable: bounds, staged: bounds, waiting: new Set() };
    });
    this.topics.set(spec.name, { spec, partitions });
  }

  /** Creates missing topics, durably. */
  async createTopics(specs: readonly TopicSpec[]): Promise<string[]> {
    if (specs.every(({ name }) => this.topics.has(name))) return [];
    const added: string[] = [];
    const stage = (): void => {
      for (const spec of specs) {
        if (this.topics.has(spec.name)) continue;
        this.#put(this.#meta.put(["topic", spec.name], { spec, firstId: this.#nextId }));
        this.#addTopic(spec, this.#nextId);
        this.#nextId += spec.partitions;
        added.push(spec.name);
      }
      this.#put(this.#meta.put(["next id"], this.#nextId));
    };
    await this.#write(0, stage).catch((error: unknown) => {
      for (const name of added) this.topics.delete(name);
      throw error;
    });
    return added;
  }

  /** @throws LOG_TOPIC_UNKNOWN */
  topic(name: string): StoredTopic {
    const topic = this.topics.get(name);
    if (!topic) throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${name} does not exist`);
    return topic;
  }

  /** @throws LOG_TOPIC_UNKNOWN if the topic or the partition does not exist */
  partition(topic: string, partition: number): StoredPartition {
    const found = this.topic(topic).partitions[partition];
    if (!found) throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${topic} has no partition ${partition}`);
    return found;
  }

  /** Writes all records or none. Resolves with their offsets, in the order given, when they are on disk. */
  async append(records: readonly AppendRecord[], timestampMs: number): Promise<number[]> {
    const offsets: number[] = [];
    const bytes = records.reduce((sum, { value }) => sum + value.length + RECORD_OVERHEAD_BYTES, 0);
    await this.#write(bytes, () => {
      for (const record of records) {
        const { partition } = record;
        const offset = partition.staged.next;
        const stored = encodeRecord(record, timestampMs);
        this.#put(this.#records.put(recordKey(partition.id, offset), stored));
        this.#stage(partition, { next: offset + 1, bytes: partition.staged.bytes + stored.length });
        offsets.push(offset);
      }
    });
    return offsets;
  }

  /**
   * Reads from `from` to `to` or about `bytesMax` bytes, at least one record if any. Continue at
   * `nextOffset`.
   */
  scan(
    partition: StoredPartition,
    from: number,
    to: number,
    bytesMax: number,
  ): { records: LogRecord[]; nextOffset: number } {
    this.#refuseIfClosed();
    const records: LogRecord[] = [];
    let bytes = 0;
    if (from < to) {
      const range = { start: recordKey(partition.id, from), end: recordKey(partition.id, to) };
      for (const { key, value } of this.#records.getRange(range)) {
        const offset = offsetOfKey(key);
        if (bytes >= bytesMax) return { records, nextOffset: offset };
        records.push(decodeRecord(partition, offset, value));
        bytes += value.length + RECORD_OVERHEAD_BYTES;
      }
    }
    return { records, nextOffset: Math.max(from, to) };
  }

  /**
   * Bytes that can still be written. Pages of deleted records count as well, because LMDB reuses them: its
   * file never shrinks, so the disk's free space alone would stay low after retention made room.
   */
  freeBytes(): number {
    this.#refuseIfClosed();
    try {
      return this.#diskFreeBytes(this.folder) + reusableBytes(this.#root, [this.#records, this.#meta]);
    } catch (thrown) {
      throw storeError(thrown, `cannot read the free space of the event log in ${this.folder}`);
    }
  }

  /** Deletes scanned records. `earliest`: the partition's earliest offset afterwards. */
  async remove(partition: StoredPartition, records: readonly LogRecord[], earliest: number): Promise<void> {
    await this.#write(0, () => {
      let { bytes } = partition.staged;
      for (const record of records) {
        this.#put(this.#records.remove(recordKey(partition.id, record.offset)));
        bytes -= storedBytes(record);
      }
      this.#stage(partition, { bytes, earliest: Math.max(earliest, partition.staged.earliest) });
    });
  }

  /** The group's acked offset of the partition; undefined if it never acked. */
  acked(group: string, { topic, partition }: StoredPartition): number | undefined {
    return this.#ackOf(group, topic, partition).durable;
  }

  /** A lower offset than before changes nothing, unless `force`. */
  async ack(group: string, { topic, partition }: StoredPartition, nextOffset: number, force = false): Promise<void> {
    const ack = this.#ackOf(group, topic, partition);
    let staged: number | undefined;
    const stage = (): void => {
      if (force || nextOffset > (ack.staged ?? -1)) {
        ack.staged = nextOffset;
        this.#put(this.#meta.put(["ack", group, topic, partition], nextOffset));
      }
      staged = ack.staged;
    };
    await this.#write(0, stage).catch((error: unknown) => {
      ack.staged = ack.durable;
      throw error;
    });
    ack.durable = staged;
  }

  /** Resolves when all queued writes are on disk and the environment is closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    await this.#root.close();
    openHere.delete(this.folder);
  }

  #ackOf(group: string, topic: string, partition: number): Ack {
    const name = JSON.stringify([group, topic, partition]);
    let ack = this.#acks.get(name);
    if (!ack) this.#acks.set(name, (ack = { durable: undefined, staged: undefined }));
    return ack;
  }

  #put(promise: Promise<unknown>): void {
    this.#puts.add(promise);
  }

  #stage(partition: StoredPartition, change: Partial<Bounds>): void {
    partition.staged = { ...partition.staged, ...change };
    this.#touched.add(partition);
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new TributaryError("LOG_UNAVAILABLE", `the event log in ${this.folder} is closed`);
  }

  #write(bytes: number, stage: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#refuseIfClosed();
      this.#queue.push({ bytes, stage, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Commits one transaction at a time. Writes queued during a commit share the next one. */
  async #writeAll(): Promise<void> {
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const writes = this.#takeWrites();
      try {
        await this.#commit(writes);
      } catch (thrown) {
        for (const partition of this.#touched) partition.staged = partition.durable;
        const cause = await commitError(thrown);
        const full = this.#diskFreeBytes(this.folder) < NO_SPACE_BYTES;
        const error = storeError(cause, `cannot write the event log in ${this.folder}`, full);
        for (const write of writes) write.reject(error);
        continue;
      }
      for (const partition of this.#touched) {
        const grown = partition.staged.next > partition.durable.next;
        partition.durable = partition.staged;
        if (grown) wake(partition);
      }
      for (const write of writes) write.resolve();
    }
    this.#writing = undefined;
  }

  #takeWrites(): Write[] {
    let bytes = 0;
    const tooMany = this.#queue.findIndex(
      (write, index) => (bytes += write.bytes) > TRANSACTION_BYTES_MAX && index > 0,
    );
    return this.#queue.splice(0, tooMany < 0 ? this.#queue.length : tooMany);
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    this.#puts = new Set();
    this.#touched = new Set();
    // A batch is one transaction and applies its puts in order, so the bounds follow the records that they
    // count.
    const batch = this.#root.batch(() => {
      for (const write of writes) write.stage();
      for (const { id, staged } of this.#touched) {
        this.#put(this.#meta.put(["bounds", id], [staged.earliest, staged.next, staged.bytes]));
      }
    });
    this.#put(batch);
    await Promise.all(this.#puts);
  }
}

function claimFolder(folder: string): string {
  const path = writableFolder(folder);
  if (openHere.has(path)) {
    throw new TributaryError("LOG_IN_USE", `the event log in ${path} is already open in this process`);
  }
  openHere.add(path);
  return path;
}

function wake(partition: StoredPartition): void {
  const callbacks = [...partition.waiting];
  partition.waiting.clear();
  for (const callback of callbacks) callback();
}

/** lmdb reports the cause of a failed transaction in a separate promise, which must be handled. */
async function commitError(thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof Error && "commitError" in thrown)) return thrown;
  return Promise.resolve(thrown.commitError).then(
    () => thrown,
    (reason: unknown) => reason,
  );
}

function storeError(thrown: unknown, what: string, full = false): TributaryError {
  if (thrown instanceof TributaryError) return thrown;
  const code = full || /no space left|ENOSPC/i.test(messageOf(thrown)) ? "DISK_FULL" : "LOG_UNAVAILABLE";
  return new TributaryError(code, `${what}: ${messageOf(thrown)}`, { cause: thrown });
}
