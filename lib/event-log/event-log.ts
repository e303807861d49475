import type { TopicSpec } from "../messages/topics.ts";

/** Short texts stored with a record, such as a trace context. The log does not interpret them. */
export type RecordHeaders = Readonly<Record<string, string>>;

/** Offsets are safe integers (at most 2^53); an adapter that reads a larger one crashes. */
export interface LogRecord {
  topic: string;
  partition: number;
  offset: number;
  key: string | null;
  value: Buffer;
  timestampMs: number;
  /** Absent if the record has no headers. */
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
 * One partition while this consumer owns it. `signal` aborts with the reason ASSIGNMENT_LOST when the
 * partition moves to another consumer or this consumer closes. After a move, acks throw immediately; a
 * closing consumer accepts acks until `close` resolves.
 */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly signal: AbortSignal;
  /**
   * Marks every record before `nextOffset` as processed, durably, for the whole group. A lower offset changes
   * nothing. Throws ASSIGNMENT_LOST if another consumer owns the partition; that consumer receives the
   * unacked records again.
   */
  ack(nextOffset: number): Promise<void>;
  /**
   * Asks the log whether this consumer still owns the partition.
   * @throws ASSIGNMENT_LOST if it does not, LOG_UNAVAILABLE if the log does not answer
   */
  confirm(): Promise<void>;
}

/** Receives records in offset order. Backpressure: the next records follow when the promise resolves. */
export type PartitionHandler = (records: LogRecord[]) => Promise<void>;

export interface ConsumeOptions {
  group: string;
  /** Names or a pattern. New topics that match a pattern are added automatically within about a second. */
  topics: readonly string[] | RegExp;
  /** Approximate limit for the bytes of records queued in memory per partition. Default 4 MiB. */
  fetchBytesMax?: number;
  /** Called for every handler failure and every failure of the log. */
  onError?: (thrown: unknown, where: { topic?: string; partition?: number }) => void;
}

/** A live consumer of a group. */
export interface GroupMember {
  id: string;
  /** The address that the log sees; undefined: it is in this process. */
  host: string | undefined;
  partitions: readonly { topic: string; partition: number }[];
}

export interface Consumer {
  /** Resolves after the first assignment (which may be empty). */
  joined(): Promise<void>;
  /**
   * Delivers no more records, waits for running handlers and leaves the group. Acks are accepted until it
   * resolves. Idempotent. A handler must not await it, because it waits for the handler.
   */
  close(): Promise<void>;
}

export interface Tail {
  /**
   * Resolves when every record that was in the topics at the call has been delivered.
   * @throws LOG_UNAVAILABLE
   */
  caughtUp(): Promise<void>;
  close(): Promise<void>;
}

/**
 * An ordered, partitioned, durable log with consumer groups: a subset of Kafka's model.
 *
 * - `publish` resolves when the records are durable, with their positions in the order given. Records of one
 *   call and one key keep their order; offsets within a partition are contiguous from 0. A key always maps to
 *   the same partition. All records of a call for one partition are written, or none. Internal retries create
 *   no duplicates if the log supports that (otherwise delivery is at least once; readers are idempotent).
 * - `consume`: at most one live consumer of a group owns a partition at any time. `assigned` is called when a
 *   partition is gained; the handler that it returns, and the handler's state, live exactly as long as the
 *   assignment. A new assignment starts at the group's ack (or at the earliest record). After any
 *   interruption (a move, a handler failure, a lost connection), unacked records are delivered again through
 *   a new assignment. A rebalance interrupts only the partitions that it moves. A handler that throws ends
 *   its assignment; a new assignment follows after a backoff (100 ms to 10 s).
 * - `tail` delivers every record of the topics from the earliest on and continues until closed. It belongs to
 *   no group. It may skip superseded records of compacted topics. An error thrown by `onRecord` is reported
 *   as the log's failures are, and concerns that record alone.
 * - Headers are returned unchanged.
 * - Compacted topics keep the newest record of each key and may delete older ones. An empty value deletes the
 *   key.
 * - `offsets` and `groupOffsets` need no live member: lag = next − acked.
 * - Failures are LOG_UNAVAILABLE (retryable), LOG_TOPIC_UNKNOWN, LOG_RECORD_TOO_LARGE, DISK_FULL (retryable).
 *   A log may refuse rows with DISK_FULL while it still accepts the small records of other topics.
 * - `close` closes its consumers and tails, is idempotent and leaves no handle open.
 */
export interface EventLog {
  readonly url: string;
  /** Size limit of one record (key and value) in bytes. At least 1,000,000. */
  readonly recordBytesMax: number;
  /** Creates missing topics; does not change existing ones. */
  createTopics(specs: readonly TopicSpec[]): Promise<void>;
  topics(): Promise<string[]>;
  /** Every topic and its number of partitions. */
  partitionCounts(): Promise<ReadonlyMap<string, number>>;
  publish(topic: string, records: readonly NewRecord[]): Promise<Position[]>;
  consume(options: ConsumeOptions, assigned: (partition: AssignedPartition) => PartitionHandler): Promise<Consumer>;
  tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail>;
  /**
   * Reads existing records of one partition from `from` to `to` (exclusive), or to the end at the time of the
   * call.
   */
  read(topic: string, partition: number, from: number, to?: number): AsyncIterable<LogRecord>;
  /** The earliest kept offset and the next offset of each partition. */
  offsets(topic: string): Promise<{ partition: number; earliest: number; next: number }[]>;
  /** The group's acked offsets. Partitions without an ack are absent. */
  groupOffsets(group: string, topic: string): Promise<Position[]>;
  /** The group's live members, on every process, with the partitions that each one owns. */
  groupMembers(group: string): Promise<GroupMember[]>;
  /**
   * Sets a group's acked offsets. Allowed only while the group has no live member on the topic (Kafka: on any
   * topic).
   * @throws BAD_REQUEST if the group has a live member or the topic does not have the offset
   */
  resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void>;
  /**
   * Bytes that can still be written: free space of the disk, and space in the log's own files that deleted
   * records left. Undefined: not known, because the log is not on this machine.
   */
  freeBytes(): Promise<number | undefined>;
  /** Resolves if the log responds. @throws LOG_UNAVAILABLE otherwise */
  ready(): Promise<void>;
  close(): Promise<void>;
}
