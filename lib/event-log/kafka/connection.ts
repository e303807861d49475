import { Kafka, type IHeaders, type KafkaConfig, type LogEntry } from "kafkajs";
import Batch, { type FetchedPartition } from "kafkajs/src/consumer/batch.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { retry } from "../../retry.ts";
import type { LogRecord, Position, RecordHeaders } from "../event-log.ts";
import { kafkaError } from "./errors.ts";

/** A partition to fetch from, and the offset to start at. */
export interface Wanted extends Position {
  topic: string;
  bytesMax: number;
}

export interface Fetched {
  topic: string;
  partition: number;
  records: LogRecord[];
  /** The offset to continue at. Also skips control records. */
  nextOffset: number;
  /** The partition's end: no message at or after it exists yet. */
  end: number;
}

export interface GroupMember {
  memberId: string;
  memberMetadata: Buffer;
}

export interface DescribedGroup {
  groupId: string;
  state: string;
  members: { memberId: string; clientHost: string; memberAssignment: Buffer }[];
}

/** kafkajs's connection to one broker, which has no public type. */
export interface Broker {
  fetch(request: {
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    isolationLevel: number;
    topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
  }): Promise<{ responses: { topicName: string; partitions: FetchedPartition[] }[] }>;
  metadata(topics: string[]): Promise<{ topicMetadata: { topic: string; partitionMetadata: PartitionMetadata[] }[] }>;
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: { name: string; metadata: Buffer }[];
  }): Promise<{ generationId: number; leaderId: string; memberId: string; members: GroupMember[] }>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
  describeGroups(request: { groupIds: string[] }): Promise<{ groups: DescribedGroup[] }>;
  offsetCommit(request: {
    groupId: string;
    groupGenerationId: number;
    memberId: string;
    topics: { topic: string; partitions: { partition: number; offset: string }[] }[];
  }): Promise<unknown>;
  offsetFetch(request: {
    groupId: string;
    topics: { topic: string; partitions: { partition: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
}

interface PartitionMetadata {
  partitionId: number;
  leader: number;
}

/** A new object after each load. */
interface ClusterMetadata {
  topicMetadata: { topic: string; partitionMetadata: PartitionMetadata[] }[];
}

interface Cluster {
  readonly brokerPool: { metadata: ClusterMetadata | null };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: string[]): Promise<void>;
  metadata(options?: { topics: string[] }): ReturnType<Broker["metadata"]>;
  findBroker(options: { nodeId: number | string }): Promise<Broker>;
  findGroupCoordinator(options: { groupId: string }): Promise<Broker>;
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

const READ_COMMITTED = 1;
const FETCH_BYTES_MAX = 10 * 1024 * 1024;
const ATTEMPTS_MAX = 6;

// kafkajs checks the queue of every connection each millisecond, also when nothing waits in it: 3 % of a core
// for an idle service. A request that has to wait schedules the check itself.
const scheduleCheck = Object.getOwnPropertyDescriptor(RequestQueue.prototype, "scheduleCheckPendingRequests");
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0) (scheduleCheck!.value as () => void).call(this);
};

/** A kafkajs instance. Its log entries go to `onLog`; without it they are dropped. */
export function makeKafka(config: KafkaConfig, onLog?: (entry: LogEntry) => void): Kafka {
  return new Kafka({ ...config, logCreator: () => (entry) => onLog?.(entry) });
}

/**
 * A set of connections to a Kafka cluster. It sends requests that kafkajs's public clients do not offer
 * (fetching without a group, group membership) through kafkajs's internal protocol code. This file and
 * internals.d.ts are the only ones that use kafkajs internals. A fetch does not block other requests.
 */
export class KafkaConnection {
  readonly clock: Clock;
  readonly #cluster: Cluster;
  readonly #stopping = new AbortController();
  readonly #partitionCounts = new Map<string, number>();
  /** Topics whose metadata kafkajs keeps. */
  readonly #followed = new Set<string>();
  #lastLoad: Promise<void> = Promise.resolve();
  #nextLoad: { wanted: Set<string>; done: Promise<void> } | undefined;
  #leaders: { metadata: ClusterMetadata | null; byTopic: Map<string, Map<number, number>> } | undefined;

  constructor(kafka: Kafka, clock: Clock) {
    this.clock = clock;
    this.#cluster = makeCluster(kafka);
  }

  /** Retries `action` on retryable errors. @throws the errors of kafkaError; LOG_UNAVAILABLE after `close` */
  async request<T>(what: string, action: (cluster: Cluster) => Promise<T>, attemptsMax = ATTEMPTS_MAX): Promise<T> {
    const { signal } = this.#stopping;
    const options = { attemptsMax, backoffMsMin: 50, backoffMsMax: 2000, signal };
    return retry(this.clock, options, async (attempt) => {
      if (signal.aborted) throw new TributaryError("LOG_UNAVAILABLE", `${what}: the event log is closed`);
      try {
        await this.#cluster.connect();
        if (attempt > 1) await this.#cluster.refreshMetadata();
        return await action(this.#cluster);
      } catch (thrown) {
        throw kafkaError(thrown, what);
      }
    });
  }

  /** Every topic and its number of partitions, without Kafka's internal topics. */
  async topics(): Promise<Map<string, number>> {
    const { topicMetadata } = await this.request("cannot list topics", (cluster) => cluster.metadata());
    const visible = topicMetadata.filter(({ topic }) => !topic.startsWith("__"));
    const counts = new Map(visible.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length]));
    // The first count stays: if a topic is expanded, its records keep going where they went.
    for (const [topic, count] of counts) if (!this.#partitionCounts.has(topic)) this.#partitionCounts.set(topic, count);
    return counts;
  }

  /** @throws LOG_TOPIC_UNKNOWN */
  async partitionCount(topic: string): Promise<number> {
    const known = this.#partitionCounts.get(topic);
    if (known !== undefined) return known;
    const count = (await this.topics()).get(topic);
    if (count === undefined) throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${topic} does not exist`);
    return count;
  }

  /** @throws LOG_TOPIC_UNKNOWN if the topic or the partition does not exist */
  async assertPartition(topic: string, partition: number): Promise<void> {
    if (partition >= 0 && partition < (await this.partitionCount(topic))) return;
    throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${topic} has no partition ${partition}`);
  }

  /**
   * The earliest kept or the next offset of every partition, indexed by partition. Excludes open
   * transactions.
   */
  async listOffsets(topic: string, which: "earliest" | "next"): Promise<number[]> {
    const count = await this.partitionCount(topic);
    const partitions = Array.from({ length: count }, (_, partition) => ({ partition }));
    const found = await this.request(`cannot read the offsets of ${topic}`, async (cluster) => {
      await this.#follow(cluster, [topic]);
      return cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: which === "earliest" }]);
    });
    const offsets = new Map(found[0]?.partitions.map(({ partition, offset }) => [partition, safeOffset(offset)]));
    return partitions.map(({ partition }) => {
      const offset = offsets.get(partition);
      if (offset !== undefined) return offset;
      throw new TributaryError("LOG_UNAVAILABLE", `${topic}/${partition} has no leader`);
    });
  }

  /** Groups partitions by the broker (node id) that leads them. Partitions without a leader are absent. */
  async leaders<P extends { topic: string; partition: number }>(wanted: readonly P[]): Promise<Map<number, P[]>> {
    const topics = [...new Set(wanted.map(({ topic }) => topic))];
    return this.request("cannot find partition leaders", async (cluster) => {
      await this.#follow(cluster, topics);
      const leaderOf = this.#leadersIn(cluster.brokerPool.metadata);
      const led = new Map<number, P[]>();
      for (const one of wanted) {
        const leader = leaderOf.get(one.topic)?.get(one.partition) ?? -1;
        if (leader < 0) continue;
        const known = led.get(leader);
        if (known) known.push(one);
        else led.set(leader, [one]);
      }
      return led;
    });
  }

  /**
   * Loads the metadata of topics that were not asked for before. kafkajs then loads that of all topics
   * again, so topics that are asked for during a load share the next one.
   */
  async #follow(cluster: Cluster, topics: readonly string[]): Promise<void> {
    if (cluster.brokerPool.metadata && topics.every((topic) => this.#followed.has(topic))) return;
    this.#nextLoad ??= this.#planLoad(cluster);
    const { wanted, done } = this.#nextLoad;
    for (const topic of topics) wanted.add(topic);
    // A topic that does not exist makes the load of all fail. Only those who asked for it may notice.
    await done.catch(() => cluster.addMultipleTargetTopics([...topics]));
  }

  /** A load that begins when the one before it has ended. Until then `wanted` takes more topics. */
  #planLoad(cluster: Cluster): { wanted: Set<string>; done: Promise<void> } {
    const wanted = new Set<string>();
    const done = this.#lastLoad.then(async () => {
      this.#nextLoad = undefined;
      await cluster.addMultipleTargetTopics([...wanted]);
      for (const topic of wanted) this.#followed.add(topic);
    });
    this.#lastLoad = done.catch(() => undefined);
    return { wanted, done };
  }

  /** The leaders by topic and partition. kafkajs searches its metadata from the beginning for each topic. */
  #leadersIn(metadata: ClusterMetadata | null): ReadonlyMap<string, ReadonlyMap<number, number>> {
    if (this.#leaders?.metadata === metadata) return this.#leaders.byTopic;
    const byTopic = new Map(
      metadata?.topicMetadata.map(({ topic, partitionMetadata }) => [
        topic,
        new Map(partitionMetadata.map(({ partitionId, leader }) => [partitionId, leader])),
      ]),
    );
    this.#leaders = { metadata, byTopic };
    return byTopic;
  }

  async refresh(): Promise<void> {
    await this.request("cannot refresh metadata", (cluster) => cluster.refreshMetadata());
  }

  /** One fetch from one broker, which waits up to `waitMs` for a first byte. @throws kafkajs's errors */
  async fetch(nodeId: number, wanted: readonly Wanted[], waitMs: number): Promise<Fetched[]> {
    const byTopic = new Map<string, Wanted[]>();
    for (const one of wanted) byTopic.set(one.topic, [...(byTopic.get(one.topic) ?? []), one]);
    const broker = await this.#cluster.findBroker({ nodeId });
    const { responses } = await broker.fetch({
      maxWaitTime: waitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      isolationLevel: READ_COMMITTED,
      topics: [...byTopic].map(([topic, partitions]) => ({
        topic,
        partitions: partitions.map(({ partition, offset, bytesMax }) => ({
          partition,
          fetchOffset: String(offset),
          maxBytes: bytesMax,
        })),
      })),
    });
    return responses.flatMap(({ topicName, partitions }) =>
      partitions.map((data) => {
        const from = byTopic.get(topicName)!.find(({ partition }) => partition === data.partition)!.offset;
        return decodeFetched(topicName, from, data);
      }),
    );
  }

  /** The group's acked offsets of these partitions. Partitions without an ack are absent. */
  async acked(group: string, topic: string, partitions: readonly number[]): Promise<Position[]> {
    const topics = [{ topic, partitions: partitions.map((partition) => ({ partition })) }];
    const found = await this.request(`cannot read acks of ${group} on ${topic}`, async (cluster) => {
      const coordinator = await cluster.findGroupCoordinator({ groupId: group });
      return coordinator.offsetFetch({ groupId: group, topics });
    });
    const positions = found.responses[0]?.partitions ?? [];
    return positions
      .map(({ partition, offset }) => ({ partition, offset: Number(offset) }))
      .filter(({ offset }) => offset >= 0)
      .sort((a, b) => a.partition - b.partition);
  }

  async coordinator(group: string): Promise<Broker> {
    return this.request(`cannot find the coordinator of group ${group}`, (cluster) =>
      cluster.findGroupCoordinator({ groupId: group }),
    );
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#cluster.disconnect();
  }
}

/** kafkajs stores the function that creates its cluster connection under a private symbol. */
function makeCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find((at) => at.description === "private:Kafka:createCluster");
  if (!symbol) throw new Error("kafkajs internals changed: this adapter needs kafkajs 2.2.4");
  const make = Reflect.get(kafka, symbol) as (options: object) => Cluster;
  return make({ allowAutoTopicCreation: false, metadataMaxAge: 60_000, isolationLevel: READ_COMMITTED });
}

function decodeFetched(topic: string, from: number, data: FetchedPartition): Fetched {
  const { partition, highWatermark, lastStableOffset } = data;
  const batch = new Batch(topic, String(from), data);
  const records = batch.messages.map(({ key, value, offset, timestamp, headers }): LogRecord => ({
    topic,
    partition,
    offset: safeOffset(offset),
    key: key === null ? null : key.toString("utf8"),
    value: value ?? Buffer.alloc(0),
    timestampMs: Number(timestamp),
    ...headersOf(headers),
  }));
  const nextOffset = batch.rawMessages.length === 0 ? from : Math.max(from, safeOffset(batch.lastOffset()) + 1);
  return { topic, partition, records, nextOffset, end: safeOffset(lastStableOffset ?? highWatermark) };
}

/** Header values as text. If a header occurs several times, the last value is used. */
function headersOf(headers: IHeaders | undefined): { headers?: RecordHeaders } {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return {};
  const text = (value: IHeaders[string]): string =>
    (Array.isArray(value) ? (value.at(-1) ?? "") : (value ?? "")).toString();
  return { headers: Object.fromEntries(entries.map(([name, value]) => [name, text(value)])) };
}

function safeOffset(text: string): number {
  const offset = Number(text);
  if (!Number.isSafeInteger(offset)) throw new Error(`offset ${text} exceeds the largest safe integer`);
  return offset;
}
