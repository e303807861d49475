import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import type { TopicSpec } from "../../messages/topics.ts";
import { ROWS_TOPICS } from "../../tables.ts";
import { EmbeddedGroups } from "./groups.ts";
import { applyTopicRetention } from "./retention.ts";
import { EmbeddedStore, type AppendRecord, type StoredTopic } from "./store.ts";
import type { DiskFreeBytes } from "./space.ts";
import { EmbeddedTail } from "./tail.ts";
import type {
  AssignedPartition,
  ConsumeOptions,
  Consumer,
  EventLog,
  GroupMember,
  LogRecord,
  NewRecord,
  PartitionHandler,
  Position,
  Tail,
} from "../event-log.ts";
import { partitionOfKey } from "../partitioner.ts";

const RECORD_BYTES_MAX = 8 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const RETENTION_EVERY_MS = 60_000;

export interface EmbeddedEventLogOptions {
  clock: Clock;
  /** Called when the periodic retention or a tail's `onRecord` fails. */
  onError?: (thrown: unknown) => void;
  /** Rows that would leave less free space are refused, so that the other topics can continue. Default: 0. */
  rowsFreeBytesMin?: number;
  /** Default: of the file system. */
  diskFreeBytes?: DiskFreeBytes;
}

/**
 * An event log for one process, stored in a folder: durable, with Kafka's group semantics, without a server.
 */
export class EmbeddedEventLog implements EventLog {
  readonly url: string;
  readonly recordBytesMax = RECORD_BYTES_MAX;
  readonly #store: EmbeddedStore;
  readonly #groups: EmbeddedGroups;
  readonly #clock: Clock;
  readonly #onError: (thrown: unknown) => void;
  readonly #tails = new Set<EmbeddedTail>();
  readonly #stopping = new AbortController();
  readonly #retention: Promise<void>;
  readonly #rowsFreeBytesMin: number;
  #spread = 0;
  #closing: Promise<void> | undefined;

  /** @throws LOG_IN_USE, LOG_UNAVAILABLE */
  constructor(folder: string, options: EmbeddedEventLogOptions) {
    this.#store = new EmbeddedStore(folder, options.diskFreeBytes);
    this.#rowsFreeBytesMin = options.rowsFreeBytesMin ?? 0;
    this.#clock = options.clock;
    this.#onError = options.onError ?? (() => undefined);
    this.#groups = new EmbeddedGroups(this.#store, options.clock);
    this.url = `embedded:${this.#store.folder}`;
    this.#retention = this.#runRetention();
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    this.#groups.topicsAdded(await this.#store.createTopics(specs));
  }

  async topics(): Promise<string[]> {
    return [...this.#store.topics.keys()];
  }

  async partitionCounts(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.#store.topics].map(([name, { partitions }]) => [name, partitions.length]));
  }

  async publish(topic: string, records: readonly NewRecord[]): Promise<Position[]> {
    if (records.length === 0) return [];
    const stored = this.#store.topic(topic);
    const routed = records.map((record) => this.#route(stored, record));
    if (ROWS_TOPICS.test(topic)) this.#refuseRowsWithoutRoom(records);
    const offsets = await this.#store.append(routed, this.#clock.nowMs());
    return routed.map(({ partition }, index) => ({ partition: partition.partition, offset: offsets[index]! }));
  }

  /** Rows are nearly all of the log's bytes: without them, the small records of other topics have room. */
  #refuseRowsWithoutRoom(records: readonly NewRecord[]): void {
    if (this.#rowsFreeBytesMin === 0) return;
    const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
    const freeBytes = this.#store.freeBytes();
    if (freeBytes - bytes >= this.#rowsFreeBytesMin) return;
    const what = `the event log in ${this.#store.folder} has ${freeBytes} bytes free`;
    throw new TributaryError("DISK_FULL", `${what}; rows must leave ${this.#rowsFreeBytesMin} of them free`);
  }

  #route({ spec, partitions }: StoredTopic, record: NewRecord): AppendRecord {
    const { key, value } = record;
    const bytes = value.length + (key === null ? 0 : Buffer.byteLength(key));
    if (bytes > RECORD_BYTES_MAX) {
      const what = `a record for ${spec.name} has ${bytes} bytes; the limit is ${RECORD_BYTES_MAX}`;
      throw new TributaryError("LOG_RECORD_TOO_LARGE", what);
    }
    const partition = key === null ? this.#spread++ % partitions.length : partitionOfKey(key, partitions.length);
    return { ...record, partition: partitions[partition]! };
  }

  async consume(
    options: ConsumeOptions,
    assigned: (partition: AssignedPartition) => PartitionHandler,
  ): Promise<Consumer> {
    this.#refuseIfClosed();
    return this.#groups.join(options, assigned);
  }

  async tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail> {
    this.#refuseIfClosed();
    const tail = new EmbeddedTail(this.#store, topics, onRecord, this.#onError);
    this.#tails.add(tail);
    return {
      caughtUp: () => tail.caughtUp(),
      close: () => {
        this.#tails.delete(tail);
        return tail.close();
      },
    };
  }

  read(topic: string, partition: number, from: number, to = Infinity): AsyncIterable<LogRecord> {
    const end = this.#store.topics.get(topic)?.partitions[partition]?.durable.next ?? 0;
    return this.#read(topic, partition, from, Math.min(to, end));
  }

  async *#read(topic: string, partition: number, from: number, to: number): AsyncGenerator<LogRecord> {
    const stored = this.#store.partition(topic, partition);
    for (let at = from; at < to;) {
      const { records, nextOffset } = this.#store.scan(stored, at, to, READ_BYTES);
      yield* records;
      at = nextOffset;
    }
  }

  async offsets(topic: string): Promise<{ partition: number; earliest: number; next: number }[]> {
    const { partitions } = this.#store.topic(topic);
    return partitions.map(({ partition, durable: { earliest, next } }) => ({ partition, earliest, next }));
  }

  async groupOffsets(group: string, topic: string): Promise<Position[]> {
    return this.#store.topic(topic).partitions.flatMap((partition) => {
      const offset = this.#store.acked(group, partition);
      return offset === undefined ? [] : [{ partition: partition.partition, offset }];
    });
  }

  async groupMembers(group: string): Promise<GroupMember[]> {
    return this.#groups.members(group);
  }

  async resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void> {
    const targets = positions.map(({ partition, offset }) => {
      const stored = this.#store.partition(topic, partition);
      const { next } = stored.durable;
      if (!Number.isSafeInteger(offset) || offset < 0 || offset > next) {
        throw new TributaryError("BAD_REQUEST", `${topic}/${partition} has offsets 0 to ${next}, not ${offset}`);
      }
      return { stored, offset };
    });
    if (this.#groups.hasMember(group, topic)) {
      throw new TributaryError("BAD_REQUEST", `group ${group} is reading ${topic}: stop its members first`);
    }
    await Promise.all(targets.map(({ stored, offset }) => this.#store.ack(group, stored, offset, true)));
  }

  async freeBytes(): Promise<number> {
    return this.#store.freeBytes();
  }

  async ready(): Promise<void> {
    this.#refuseIfClosed();
  }

  /** Applies each topic's retention or compaction. Runs automatically once a minute. */
  async applyRetention(nowMs: number): Promise<void> {
    for (const topic of [...this.#store.topics.values()]) await applyTopicRetention(this.#store, topic, nowMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    await this.#groups.close();
    await Promise.all([...this.#tails].map((tail) => tail.close()));
    await this.#retention;
    await this.#store.close();
  }

  async #runRetention(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#clock.sleep(RETENTION_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        await this.applyRetention(this.#clock.nowMs());
      } catch (thrown) {
        this.#onError(thrown);
      }
    }
  }

  #refuseIfClosed(): void {
    if (this.#stopping.signal.aborted) {
      throw new TributaryError("LOG_UNAVAILABLE", `the event log in ${this.#store.folder} is closed`);
    }
  }
}
