import { Kafka, type IHeaders, type KafkaConfig, type LogEntry } from "kafkajs";
import Batch, { type FetchedPartition } from "kafkajs/src/consumer/batch.js";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { retry } from "../../retry.ts";
import type { LogRecord, Position, RecordHeaders } from "../event-log.ts";
import { kafkaError } from "./errors.ts";

/** One partition to fetch from. */
export interface Wanted extends Position {
  topic: string;
  bytesMax: number;
}

export interface Fetched {
  topic: string;
  partition: number;
  records: LogRecord[];
  /** Where to go on: past records that are no messages too. */
  nextOffset: number;
  /** No message lies at or beyond it yet. */
  end: number;
}

export interface GroupMember {
  memberId: string;
  memberMetadata: Buffer;
}

/** kafkajs's connection to one broker. It has no public type. */
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
  describeGroups(request: { groupIds: string[] }): Promise<{ groups: { groupId: string; state: string }[] }>;
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

interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  addMultipleTargetTopics(topics: string[]): Promise<void>;
  metadata(options?: { topics: string[] }): ReturnType<Broker["metadata"]>;
  findBroker(options: { nodeId: number | string }): Promise<Broker>;
  findGroupCoordinator(options: { groupId: string }): Promise<Broker>;
  findTopicPartitionMetadata(topic: string): PartitionMetadata[];
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

const READ_COMMITTED = 1;
const FETCH_BYTES_MAX = 10 * 1024 * 1024;
const ATTEMPTS_MAX = 6;

/** A Kafka whose log goes to `onLog`, or nowhere. */
export function makeKafka(config: KafkaConfig, onLog?: (entry: LogEntry) => void): Kafka {
  return new Kafka({ ...config, logCreator: () => (entry) => onLog?.(entry) });
}

/**
 * One set of connections to a Kafka cluster: the requests that kafkajs's public clients do not offer by themselves (fetching
 * without a group, being a member of a group), by kafkajs's own protocol code. Fetches do not hold up other requests.
 */
export class KafkaConnection {
  readonly clock: Clock;
  readonly #cluster: Cluster;
  readonly #stopping = new AbortController();
  readonly #partitionCounts = new Map<string, number>();

  constructor(kafka: Kafka, clock: Clock) {
    this.clock = clock;
    this.#cluster = makeCluster(kafka);
  }

  /** Calls `action` again while what it fails with may pass. @throws what kafkaError says, LOG_UNAVAILABLE after `close`. */
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

  /** Every topic and its number of partitions, Kafka's own left out. */
  async topics(): Promise<Map<string, number>> {
    const { topicMetadata } = await this.request("topics cannot be listed", (cluster) => cluster.metadata());
    const visible = topicMetadata.filter(({ topic }) => !topic.startsWith("__"));
    return new Map(visible.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length]));
  }

  /** @throws LOG_TOPIC_UNKNOWN */
  async partitionCount(topic: string): Promise<number> {
    const known = this.#partitionCounts.get(topic);
    if (known !== undefined) return known;
    const count = (await this.topics()).get(topic);
    if (count === undefined) throw new TributaryError("LOG_TOPIC_UNKNOWN", `there is no topic ${topic}`);
    this.#partitionCounts.set(topic, count);
    return count;
  }

  /** @throws LOG_TOPIC_UNKNOWN, also for a partition that the topic does not have. */
  async assertPartition(topic: string, partition: number): Promise<void> {
    if (partition >= 0 && partition < (await this.partitionCount(topic))) return;
    throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${topic} has no partition ${partition}`);
  }

  /** The earliest kept, or the next, offset of every partition, by partition. Records of unfinished transactions do not count. */
  async listOffsets(topic: string, which: "earliest" | "next"): Promise<number[]> {
    const count = await this.partitionCount(topic);
    const partitions = Array.from({ length: count }, (_, partition) => ({ partition }));
    const found = await this.request(`offsets of ${topic} cannot be read`, async (cluster) => {
      await cluster.addMultipleTargetTopics([topic]);
      return cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: which === "earliest" }]);
    });
    const offsets = new Map(found[0]?.partitions.map(({ partition, offset }) => [partition, safeOffset(offset)]));
    return partitions.map(({ partition }) => {
      const offset = offsets.get(partition);
      if (offset !== undefined) return offset;
      throw new TributaryError("LOG_UNAVAILABLE", `${topic}/${partition} has no leader at the moment`);
    });
  }

  /** Which broker leads each partition now. Partitions without a leader are absent. */
  async leaders<P extends { topic: string; partition: number }>(places: readonly P[]): Promise<Map<number, P[]>> {
    const topics = [...new Set(places.map(({ topic }) => topic))];
    return this.request("partition leaders cannot be found", async (cluster) => {
      await cluster.addMultipleTargetTopics(topics);
      const led = new Map<number, P[]>();
      for (const place of places) {
        const found = cluster.findTopicPartitionMetadata(place.topic).find((p) => p.partitionId === place.partition);
        if (found && found.leader >= 0) led.set(found.leader, [...(led.get(found.leader) ?? []), place]);
      }
      return led;
    });
  }

  async refresh(): Promise<void> {
    await this.request("metadata cannot be refreshed", (cluster) => cluster.refreshMetadata());
  }

  /** One fetch from one broker, waiting up to `waitMs` for a first byte. Throws what kafkajs throws. */
  async fetch(nodeId: number, wanted: readonly Wanted[], waitMs: number): Promise<Fetched[]> {
    const byTopic = new Map<string, Wanted[]>();
    for (const place of wanted) byTopic.set(place.topic, [...(byTopic.get(place.topic) ?? []), place]);
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

  /** Of what was asked, what the group has acked. */
  async acked(group: string, topic: string, partitions: readonly number[]): Promise<Position[]> {
    const topics = [{ topic, partitions: partitions.map((partition) => ({ partition })) }];
    const found = await this.request(`acks of ${group} on ${topic} cannot be read`, async (cluster) => {
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
    return this.request(`the coordinator of group ${group} cannot be found`, (cluster) =>
      cluster.findGroupCoordinator({ groupId: group }),
    );
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#cluster.disconnect();
  }
}

/** kafkajs keeps the function that makes its connections under a private symbol. */
function makeCluster(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find((at) => at.description === "private:Kafka:createCluster");
  if (!symbol) throw new Error("kafkajs has changed inside: this adapter is written for 2.2.4");
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

/** Ours are texts; of a header that stands several times the last counts. */
function headersOf(headers: IHeaders | undefined): { headers?: RecordHeaders } {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return {};
  const text = (value: IHeaders[string]): string =>
    (Array.isArray(value) ? (value.at(-1) ?? "") : (value ?? "")).toString();
  return { headers: Object.fromEntries(entries.map(([name, value]) => [name, text(value)])) };
}

function safeOffset(text: string): number {
  const offset = Number(text);
  if (!Number.isSafeInteger(offset)) throw new Error(`offset ${text} is beyond what Tributary counts to`);
  return offset;
}
