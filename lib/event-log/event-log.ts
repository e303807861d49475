import type { TopicSpec } from "../messages/topics.ts";

/** Short texts that travel with a record and mean nothing to the log, such as a trace's context. */
export type RecordHeaders = Readonly<Record<string, string>>;

/** Offsets are safe integers (2^53 is beyond any log's life); an adapter that meets a larger one crashes. */
export interface LogRecord {
  topic: string;
  partition: number;
  offset: number;
  key: string | null;
  value: Buffer;
  timestampMs: number;
  /** Absent where there are none. */
  headers?: RecordHeaders;
}

export interface NewRecord {
  key: string | null;
  value: Buffer;
  headers?: RecordHeaders;
}

export interface Position {
  partition: number;
  offset: number;
}

/**
 * One partition, as long as this consumer owns it. When it moves away or the consumer closes, `signal` aborts: with the same
 * reason, ASSIGNMENT_LOST, but after a move acks throw at once, while a closing consumer still takes them until `close` resolves.
 */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly signal: AbortSignal;
  /**
   * Says that every record before `nextOffset` is done with, for the whole group, durably. Never goes back.
   * Throws ASSIGNMENT_LOST once the partition belongs to another: its owner will see the unacked records again.
   */
  ack(nextOffset: number): Promise<void>;
  /** Asks the log itself whether the partition is still this consumer's. Throws ASSIGNMENT_LOST if not, LOG_UNAVAILABLE if it cannot tell. */
  confirm(): Promise<void>;
}

/** Gets records in offset order. Until the promise resolves no further records of this partition come: that is the backpressure. */
export type PartitionHandler = (records: LogRecord[]) => Promise<void>;

export interface ConsumeOptions {
  group: string;
  /** Names, or a pattern: topics made later that match join by themselves, within a second or so. */
  topics: readonly string[] | RegExp;
  /** At most about this many bytes of records wait in memory for one partition's handler. Default 4 MiB. */
  fetchBytesMax?: number;
  /** Told of every handler failure and broker trouble, for logs and metrics. */
  onError?: (thrown: unknown, where: { topic?: string; partition?: number }) => void;
}

export interface Consumer {
  /** Waits until it has had a first assignment (maybe of nothing). */
  joined(): Promise<void>;
  /**
   * Drain: hands out no more records, waits for running handlers, leaves the group. Acks remain possible until it resolves.
   * Idempotent. Not to be awaited by a handler, which it waits for.
   */
  close(): Promise<void>;
}

export interface Tail {
  /** Resolves when every record that was in the topics at the moment of the call has been handed over. @throws LOG_UNAVAILABLE */
  caughtUp(): Promise<void>;
  close(): Promise<void>;
}

/**
 * An ordered, partitioned, durable log with consumer groups: Kafka's model, no more.
 *
 * - `publish` resolves when the records are durable, with their places, in the order given. Records of one call and one key keep
 *   their order; offsets within a partition are contiguous from 0. Same key → same partition, for ever. All of a call's records
 *   that fall into one partition are written or none. Retried internally without making duplicates where the log can
 *   (otherwise: at least once; readers are idempotent).
 * - `consume`: at any time at most one live consumer of a group owns a partition. `assigned` is called when a partition is gained;
 *   the handler it returns lives exactly as long as the assignment, hence so may its state. A new assignment begins at the group's
 *   ack (or the earliest record). After *any* interruption (a move, handler failure, lost connection) unacked records come again,
 *   through a new assignment. A rebalance interrupts only what it moves. A handler that throws ends its assignment; a new one
 *   follows after a growing pause (100 ms to 10 s).
 * - `tail` hands over every record of the topics from the earliest, then for ever, belonging to no group: for views. Compacted
 *   topics may skip superseded records.
 * - Headers come back as they were given.
 * - Records of compacted topics: the newest of each key stays; older ones may go. Empty value = the key is gone.
 * - `offsets` and `groupOffsets` work with no live member: lag = next − acked.
 * - Failures are LOG_UNAVAILABLE (retryable), LOG_TOPIC_UNKNOWN, LOG_RECORD_TOO_LARGE, DISK_FULL.
 * - `close` closes its consumers and tails, is idempotent and leaves no handle open.
 */
export interface EventLog {
  readonly url: string;
  /** Bytes of one record, key and value, that publish takes. At least 1,000,000. */
  readonly recordBytesMax: number;
  /** Makes those that do not exist; leaves existing ones as they are. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>;
  topics(): Promise<string[]>;
  publish(topic: string, records: readonly NewRecord[]): Promise<Position[]>;
  consume(options: ConsumeOptions, assigned: (partition: AssignedPartition) => PartitionHandler): Promise<Consumer>;
  tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail>;
  /** Reads existing records of one partition from `from` up to `to` (not included) or the end at the moment of the call. For replays. */
  read(topic: string, partition: number, from: number, to?: number): AsyncIterable<LogRecord>;
  /** Earliest kept and next offset of each partition, and when the earliest unread record (at `offset`) was written, if asked. */
  offsets(topic: string): Promise<{ partition: number; earliest: number; next: number }[]>;
  /** What a group has acked; partitions it never acked are absent. */
  groupOffsets(group: string, topic: string): Promise<Position[]>;
  /**
   * Sets a group's position by hand (replay). Only while the group has no live member on that topic (with Kafka: on any topic);
   * otherwise, and for offsets that the topic does not have, throws BAD_REQUEST.
   */
  resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void>;
  /** Resolves if the log answers; throws LOG_UNAVAILABLE otherwise. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
