import { messageOf, TributaryError } from "../../errors.ts";
import type { Clock } from "../../clock.ts";
import type { TopicSpec } from "../../messages/topics.ts";
import { retry } from "../../retry.ts";
import type { Admin, Kafka, KafkaConfig, LogEntry, SASLOptions } from "kafkajs";
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
import { KafkaConnection, makeKafka } from "./connection.ts";
import { KafkaConsumer } from "./consumer.ts";
import { kafkaError, kafkaErrorType } from "./errors.ts";
import { decodeAssignment } from "./protocol.ts";
import { KafkaPublisher } from "./publisher.ts";
import { KafkaTail } from "./tail.ts";
import { partitionOfKey } from "../partitioner.ts";

/** The broker's default limit (message.max.bytes 1,048,588) minus Kafka's overhead per record. */
const RECORD_BYTES_MAX = 1_000_000;
/** Limit of one record batch on topics created here: the records of one call for one partition. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

export interface KafkaEventLogOptions {
  clock: Clock;
  /** For SASL. Never part of the URL, never logged. */
  username?: string;
  password?: string;
  saslMechanism?: string;
  /** `true`: TLS with Node's built-in certificates. */
  tls?: boolean | KafkaTls;
  clientId?: string;
  /** Called when a tail fails to read. Consumers have their own `onError`. */
  onError?: (thrown: unknown) => void;
  /** Receives kafkajs's log entries. Without it they are dropped. */
  onLog?: (entry: LogEntry) => void;
}

/** PEM texts. */
export interface KafkaTls {
  /** Trusted instead of Node's built-in certificates. */
  ca?: string[];
  /** The client certificate. */
  cert?: string;
  key?: string;
}

/**
 * Kafka or a compatible broker (Redpanda).
 * URL: kafka://host:port[,host:port…][?tls=true&saslMechanism=scram-sha-512]
 */
export class KafkaEventLog implements EventLog {
  readonly url: string;
  readonly recordBytesMax = RECORD_BYTES_MAX;
  readonly #clock: Clock;
  readonly #kafka: Kafka;
  readonly #connection: KafkaConnection;
  readonly #publisher: KafkaPublisher;
  readonly #onError: (thrown: unknown) => void;
  /** Open consumers and tails. */
  readonly #open = new Set<{ close(): Promise<void> }>();
  #closing: Promise<void> | undefined;
  #spread = 0;

  /** Connects on first use. @throws CONFIG_INVALID */
  constructor(url: string, options: KafkaEventLogOptions) {
    this.url = url;
    this.#clock = options.clock;
    this.#onError = options.onError ?? (() => undefined);
    this.#kafka = makeKafka(configOf(url, options), options.onLog);
    this.#connection = new KafkaConnection(this.#kafka, options.clock);
    this.#publisher = new KafkaPublisher(this.#kafka, options.clock);
  }

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    const existing = await this.#connection.topics();
    const missing = specs.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return;
    await this.#withAdmin("cannot create topics", async (admin) => {
      for (const spec of missing) await createTopic(admin, spec);
    });
    // A broker learns of a new topic shortly after the controller. (kafkajs's `waitForLeaders` fails during
    // that time.)
    const waiting = { attemptsMax: 60, backoffMsMin: 50, backoffMsMax: 500, retryable: () => true };
    await retry(this.#clock, waiting, async () => {
      const visible = await this.#connection.topics();
      const absent = missing.find(({ name }) => !visible.has(name));
      if (absent) throw new TributaryError("LOG_UNAVAILABLE", `new topic ${absent.name} is not visible yet`);
    });
  }

  async topics(): Promise<string[]> {
    return [...(await this.#connection.topics()).keys()];
  }

  partitionCounts(): Promise<ReadonlyMap<string, number>> {
    return this.#connection.topics();
  }

  async publish(topic: string, records: readonly NewRecord[]): Promise<Position[]> {
    if (records.length === 0) return [];
    this.#refuseIfClosed();
    const partitions = await this.#connection.partitionCount(topic);
    const routed = records.map((record) => {
      const { key, value } = record;
      const bytes = value.length + (key === null ? 0 : Buffer.byteLength(key));
      if (bytes > RECORD_BYTES_MAX) {
        const what = `a record for ${topic} has ${bytes} bytes; the limit is ${RECORD_BYTES_MAX}`;
        throw new TributaryError("LOG_RECORD_TOO_LARGE", what);
      }
      const partition = key === null ? this.#spread++ % partitions : partitionOfKey(key, partitions);
      return { ...record, partition };
    });
    return this.#publisher.publish(topic, routed);
  }

  async consume(
    options: ConsumeOptions,
    assigned: (partition: AssignedPartition) => PartitionHandler,
  ): Promise<Consumer> {
    this.#refuseIfClosed();
    if (!(options.topics instanceof RegExp)) {
      for (const topic of options.topics) await this.#connection.partitionCount(topic);
    }
    const connection = new KafkaConnection(this.#kafka, this.#clock);
    return this.#keep(new KafkaConsumer(connection, options, assigned));
  }

  async tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail> {
    this.#refuseIfClosed();
    const connection = new KafkaConnection(this.#kafka, this.#clock);
    const tail = this.#keep(new KafkaTail(connection, topics, this.#onError));
    try {
      await tail.start(onRecord);
      return tail;
    } catch (thrown) {
      await tail.close();
      throw thrown;
    }
  }

  /** Registers a resource for `close`. */
  #keep<T extends { close(): Promise<void> }>(resource: T): T {
    this.#open.add(resource);
    const close = resource.close.bind(resource);
    resource.close = async () => {
      await close();
      this.#open.delete(resource);
    };
    return resource;
  }

  read(topic: string, partition: number, from: number, to = Infinity): AsyncIterable<LogRecord> {
    const end = this.#connection.listOffsets(topic, "next");
    end.catch(() => undefined);
    return this.#read(topic, partition, from, to, end);
  }

  async *#read(
    topic: string,
    partition: number,
    from: number,
    to: number,
    ends: Promise<number[]>,
  ): AsyncGenerator<LogRecord> {
    await this.#connection.assertPartition(topic, partition);
    const end = Math.min(to, (await ends)[partition]!);
    let at = from;
    if (at < end) at = Math.max(at, (await this.#connection.listOffsets(topic, "earliest"))[partition]!);
    while (at < end) {
      const { records, nextOffset } = await this.#fetchOne(topic, partition, at);
      for (const record of records) {
        if (record.offset >= end) return;
        yield record;
      }
      // The partition was fetched alone, so an empty response is a gap left by compaction.
      at = nextOffset === at ? at + 1 : nextOffset;
    }
  }

  async #fetchOne(
    topic: string,
    partition: number,
    offset: number,
  ): Promise<{ records: LogRecord[]; nextOffset: number }> {
    const wanted = { topic, partition, offset, bytesMax: READ_BYTES };
    const what = `cannot read ${topic}/${partition}`;
    const [fetched] = await this.#connection.request(what, async () => {
      const [nodeId] = [...(await this.#connection.leaders([wanted])).keys()];
      if (nodeId === undefined) throw new TributaryError("LOG_UNAVAILABLE", `${what}: it has no leader`);
      return this.#connection.fetch(nodeId, [wanted], 0);
    });
    if (!fetched) throw new TributaryError("LOG_UNAVAILABLE", `${what}: missing in the broker's response`);
    return fetched;
  }

  async offsets(topic: string): Promise<{ partition: number; earliest: number; next: number }[]> {
    const [earliest, next] = await Promise.all([
      this.#connection.listOffsets(topic, "earliest"),
      this.#connection.listOffsets(topic, "next"),
    ]);
    return earliest.map((first, partition) => ({ partition, earliest: first, next: next[partition]! }));
  }

  async groupOffsets(group: string, topic: string): Promise<Position[]> {
    const count = await this.#connection.partitionCount(topic);
    return this.#connection.acked(group, topic, [...Array(count).keys()]);
  }

  async groupMembers(group: string): Promise<GroupMember[]> {
    const { groups } = await this.#connection.request(`cannot describe group ${group}`, async (cluster) => {
      const coordinator = await cluster.findGroupCoordinator({ groupId: group });
      return coordinator.describeGroups({ groupIds: [group] });
    });
    return groups.flatMap(({ members }) =>
      members.map(({ memberId: id, clientHost, memberAssignment }) => ({
        id,
        // Kafka writes it as "/172.18.0.5".
        host: clientHost.replace(/^\//, ""),
        partitions: decodeAssignment(memberAssignment),
      })),
    );
  }

  /** Kafka refuses it while the group has a live member on any topic. */
  async resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void> {
    const bounds = await this.offsets(topic);
    for (const { partition, offset } of positions) {
      const next = bounds[partition]?.next;
      if (next === undefined)
        throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${topic} has no partition ${partition}`);
      if (Number.isSafeInteger(offset) && offset >= 0 && offset <= next) continue;
      throw new TributaryError("BAD_REQUEST", `${topic}/${partition} has offsets 0 to ${next}, not ${offset}`);
    }
    const partitions = positions.map(({ partition, offset }) => ({ partition, offset: String(offset) }));
    await this.#connection.request(`cannot reset group ${group}`, async (cluster) => {
      const coordinator = await cluster.findGroupCoordinator({ groupId: group });
      const { groups } = await coordinator.describeGroups({ groupIds: [group] });
      if (groups.some(({ state }) => state !== "Empty" && state !== "Dead")) {
        throw new TributaryError("BAD_REQUEST", `group ${group} has live members: stop them first`);
      }
      const topics = [{ topic, partitions }];
      await coordinator.offsetCommit({ groupId: group, groupGenerationId: -1, memberId: "", topics });
    });
  }

  async freeBytes(): Promise<undefined> {
    return undefined;
  }

  async ready(): Promise<void> {
    this.#refuseIfClosed();
    await this.#connection.request("Kafka does not respond", (cluster) => cluster.refreshMetadata(), 1);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#open].map((resource) => resource.close()));
    await this.#publisher.close();
    await this.#connection.close();
  }

  async #withAdmin(what: string, action: (admin: Admin) => Promise<void>): Promise<void> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      await action(admin);
    } catch (thrown) {
      throw kafkaError(thrown, what);
    } finally {
      await admin.disconnect();
    }
  }

  #refuseIfClosed(): void {
    if (this.#closing) throw new TributaryError("LOG_UNAVAILABLE", "the event log is closed");
  }
}

async function createTopic(admin: Admin, spec: TopicSpec): Promise<void> {
  const { name, partitions, cleanup, retentionMs = -1, retentionBytes = -1 } = spec;
  const configEntries = [
    { name: "cleanup.policy", value: cleanup },
    { name: "retention.ms", value: String(retentionMs) },
    { name: "retention.bytes", value: String(retentionBytes) },
    { name: "max.message.bytes", value: String(BATCH_BYTES_MAX) },
  ];
  try {
    await admin.createTopics({
      topics: [{ topic: name, numPartitions: partitions, configEntries }],
      waitForLeaders: false,
    });
  } catch (thrown) {
    const errors: unknown[] = thrown instanceof AggregateError || hasErrors(thrown) ? thrown.errors : [thrown];
    if (!errors.every((error) => kafkaErrorType(error) === "TOPIC_ALREADY_EXISTS")) throw thrown;
  }
}

function hasErrors(thrown: unknown): thrown is Error & { errors: unknown[] } {
  return thrown instanceof Error && "errors" in thrown && Array.isArray(thrown.errors);
}

function configOf(url: string, options: KafkaEventLogOptions): KafkaConfig {
  const match = /^kafka:\/\/([^/?#]+)\/?(?:\?(.*))?$/.exec(url);
  // The message omits the URL because it may contain a password.
  if (url.includes("@")) {
    throw new TributaryError(
      "CONFIG_INVALID",
      "do not put the user in the Kafka URL: set TRIBUTARY_KAFKA_USERNAME and TRIBUTARY_KAFKA_PASSWORD",
    );
  }
  if (!match) {
    throw new TributaryError("CONFIG_INVALID", `invalid Kafka URL '${url}': use kafka://host:port,host:port`);
  }
  const query = new URLSearchParams(match[2] ?? "");
  const mechanism = query.get("saslMechanism") ?? options.saslMechanism;
  const tls = options.tls ?? false;
  if (mechanism === "plain" && tls === false && query.get("tls") !== "true" && !isLocal(match[1]!)) {
    throw new TributaryError("CONFIG_INVALID", "saslMechanism plain sends the password in clear: enable TLS");
  }
  return {
    clientId: options.clientId ?? "tributary",
    brokers: match[1]!.split(","),
    connectionTimeout: 3_000,
    requestTimeout: 30_000,
    retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 },
    ...(tls !== false || query.get("tls") === "true" ? { ssl: typeof tls === "object" ? tls : true } : {}),
    ...(mechanism ? { sasl: saslOf(mechanism, options) } : {}),
  };
}

/** True if all brokers are on this machine, so that no password crosses the network. */
const isLocal = (brokers: string): boolean =>
  brokers.split(",").every((broker) => /^(localhost|127\.[\d.]+|\[::1\])(:\d+)?$/.test(broker));

function saslOf(mechanism: string, { username, password }: KafkaEventLogOptions): SASLOptions {
  if (mechanism !== "plain" && mechanism !== "scram-sha-256" && mechanism !== "scram-sha-512") {
    const known = "plain, scram-sha-256 or scram-sha-512";
    throw new TributaryError("CONFIG_INVALID", `unknown saslMechanism '${messageOf(mechanism)}': use ${known}`);
  }
  if (username === undefined || password === undefined) {
    throw new TributaryError("CONFIG_INVALID", `saslMechanism ${mechanism} needs a user name and a password`);
  }
  // Separate literals, because the type is a union with one member for each mechanism.
  if (mechanism === "plain") return { mechanism, username, password };
  return mechanism === "scram-sha-256" ? { mechanism, username, password } : { mechanism, username, password };
}
