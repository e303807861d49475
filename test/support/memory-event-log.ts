import { setImmediate as nextTurn } from "node:timers/promises";
import { systemClock, type Clock } from "../../lib/clock.ts";
import { TributaryError } from "../../lib/errors.ts";
import {
  assign,
  topicPartitionName,
  topicPartitionOf,
  type Member,
  type TopicPartition,
} from "../../lib/event-log/groups/assignment.ts";
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
} from "../../lib/event-log/event-log.ts";
import { assignmentLost, PartitionRunner, type RecordSource } from "../../lib/event-log/groups/partition-runner.ts";
import { partitionOfKey } from "../../lib/event-log/partitioner.ts";
import { subscribes, type Subscription } from "../../lib/event-log/groups/subscription.ts";
import type { TopicSpec } from "../../lib/messages/topics.ts";

/** One partition: all its records, also those that expired. */
export interface MemoryPartition extends TopicPartition {
  readonly records: LogRecord[];
  /** Records before this offset have expired: nobody can read them. */
  earliest: number;
}

/**
 * A client's call to its broker. `effect` is the atomic effect on the broker. A simulation decides when and
 * whether it happens, and whether the client gets the result. `deliver` and `tail` deliver records; `revoke`
 * notifies a member of lost partitions.
 */
export type Call = <T>(method: string, effect: () => T | Promise<T>, detail?: CallDetail) => Promise<T>;

export interface CallDetail {
  topic?: string;
  partition?: number;
  nextOffset?: number;
}

export interface ClientOptions {
  clock?: Clock;
  call?: Call;
  /** Maximum number of records per batch of a handler. Called for each batch. */
  fetchRecordsMax?: () => number;
}

const FETCH_BYTES_MAX = 4 * 1024 * 1024;
const FETCH_RECORDS_MAX = 50;

/** Delivers records one event-loop turn later; all other calls happen immediately. */
const atOnce: Call = async (method, effect) => {
  if (method === "deliver" || method === "tail") await nextTurn();
  return effect();
};

/** State that survives the clients: topics, acks and assignments. Every call has its effect immediately. */
export class MemoryBroker {
  readonly topics = new Map<string, { spec: TopicSpec; partitions: MemoryPartition[] }>();
  readonly acks = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #members: MemoryMember[] = [];
  #spread = 0;

  client(options: ClientOptions = {}): MemoryEventLog {
    return new MemoryEventLog(this, options);
  }

  topic(name: string): { spec: TopicSpec; partitions: MemoryPartition[] } {
    const topic = this.topics.get(name);
    if (!topic) throw new TributaryError("LOG_TOPIC_UNKNOWN", `topic ${name} does not exist`);
    return topic;
  }

  partition(topic: string, partition: number): MemoryPartition {
    const found = this.topic(topic).partitions[partition];
    if (!found) throw new TributaryError("LOG_TOPIC_UNKNOWN", `${topic} has no partition ${partition}`);
    return found;
  }

  createTopics(specs: readonly TopicSpec[]): void {
    for (const spec of specs) {
      if (this.topics.has(spec.name)) continue;
      const partitions = Array.from({ length: spec.partitions }, (_, partition): MemoryPartition => ({
        topic: spec.name,
        partition,
        records: [],
        earliest: 0,
      }));
      this.topics.set(spec.name, { spec, partitions });
    }
    for (const group of new Set(this.#members.map(({ group }) => group))) this.rebalance(group);
  }

  /** Removes records by retention, as Kafka does: whoever has not read them. */
  expire(topic: string, partition: number, before: number): void {
    const found = this.partition(topic, partition);
    found.earliest = Math.max(found.earliest, Math.min(before, found.records.length));
  }

  append(topic: string, records: readonly NewRecord[], timestampMs: number): Position[] {
    const { partitions } = this.topic(topic);
    const positions = records.map(({ key, value, headers }): Position => {
      const partition = key === null ? this.#spread++ % partitions.length : partitionOfKey(key, partitions.length);
      const { records } = partitions[partition]!;
      const record = { topic, partition, offset: records.length, key, value: Buffer.from(value), timestampMs };
      records.push(headers ? { ...record, headers } : record);
      return { partition, offset: records.length - 1 };
    });
    for (const wake of [...this.#waiting]) wake();
    return positions;
  }

  /** Resolves at the next append, or when the signal aborts. */
  appended(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#waiting.delete(go);
        signal.removeEventListener("abort", go);
        resolve();
      };
      if (signal.aborted) return go();
      this.#waiting.add(go);
      signal.addEventListener("abort", go);
    });
  }

  acked(group: string, place: TopicPartition): number | undefined {
    return this.acks.get(`${group} ${topicPartitionName(place)}`);
  }

  setAck(group: string, place: TopicPartition, nextOffset: number): void {
    this.acks.set(`${group} ${topicPartitionName(place)}`, nextOffset);
  }

  members(group: string): MemoryMember[] {
    return this.#members.filter((member) => member.group === group);
  }

  membersOf(client: MemoryEventLog): MemoryMember[] {
    return this.#members.filter((member) => member.client === client);
  }

  join(member: MemoryMember): void {
    if (!this.#members.includes(member)) this.#members.push(member);
    this.rebalance(member.group);
  }

  /**
   * Removes a member from the group and reassigns its partitions. Resolves once the member has been notified.
   */
  async evict(member: MemoryMember): Promise<void> {
    this.#members = this.#members.filter((other) => other !== member);
    const notified = member.loseAll();
    this.rebalance(member.group);
    await notified;
  }

  rebalance(group: string): void {
    const members = this.members(group);
    const places = [...this.topics.values()].flatMap(({ partitions }) => partitions);
    const before = new Map(members.flatMap((member) => [...member.owned].map((name) => [name, member] as const)));
    const after = assign(members, places, before);
    for (const [name, member] of before) if (after.get(name) !== member) void member.lose(name);
    for (const place of places) after.get(topicPartitionName(place))?.own(place);
  }
}

/**
 * A member of a group: the partitions that the broker has assigned, and its own lanes, which learn of a loss
 * later.
 */
export class MemoryMember implements Consumer, Member {
  readonly group: string;
  readonly subscription: Subscription;
  readonly client: MemoryEventLog;
  readonly owned = new Set<string>();
  draining = false;
  readonly #options: ConsumeOptions;
  readonly #assigned: (partition: AssignedPartition) => PartitionHandler;
  readonly #lanes = new Map<string, PartitionRunner>();
  #closing: Promise<void> | undefined;

  constructor(
    client: MemoryEventLog,
    options: ConsumeOptions,
    assigned: (partition: AssignedPartition) => PartitionHandler,
  ) {
    this.client = client;
    this.group = options.group;
    this.subscription = options.topics;
    this.#options = options;
    this.#assigned = assigned;
  }

  own(partition: MemoryPartition): void {
    const name = topicPartitionName(partition);
    if (this.owned.has(name)) return;
    this.owned.add(name);
    const { topic, partition: index } = partition;
    const lane = new PartitionRunner({
      topic,
      partition: index,
      clock: this.client.clock,
      source: this.#sourceOf(partition),
      assigned: this.#assigned,
      onError: this.#options.onError,
    });
    this.#lanes.set(name, lane);
  }

  /** Revokes in the broker; the lane is notified by a call. */
  async lose(name: string): Promise<void> {
    this.owned.delete(name);
    const lane = this.#lanes.get(name);
    this.#lanes.delete(name);
    if (lane) await this.client.call("revoke", () => lane.revoke());
  }

  async loseAll(): Promise<void> {
    await Promise.all([...this.owned].map((name) => this.lose(name)));
  }

  async joined(): Promise<void> {
    await Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.draining = true;
    await Promise.all([...this.#lanes.values()].map((lane) => lane.drain()));
    for (const [name, lane] of this.#lanes) {
      lane.revoke();
      this.#lanes.delete(name);
      this.owned.delete(name);
    }
    await this.client.broker.evict(this);
  }

  #sourceOf(partition: MemoryPartition): RecordSource {
    const { broker, call } = this.client;
    const { group } = this;
    const detail = { topic: partition.topic, partition: partition.partition };
    let position = 0;
    const assertOwned = (): void => {
      if (!this.owned.has(topicPartitionName(partition))) throw assignmentLost(partition.topic, partition.partition);
    };
    return {
      rewind: () => call("rewind", () => void (position = broker.acked(group, partition) ?? 0), detail),
      take: async (signal) => {
        while (!signal.aborted) {
          position = Math.max(position, partition.earliest);
          if (position >= partition.records.length) await broker.appended(signal);
          else {
            const taken = await call("deliver", () => this.#batchAt(partition, position), detail);
            position += taken.length;
            return signal.aborted ? [] : taken;
          }
        }
        return [];
      },
      ack: (nextOffset) =>
        call(
          "ack",
          () => {
            if (nextOffset > partition.records.length) {
              throw new TributaryError("BAD_REQUEST", `${topicPartitionName(partition)} has no offset ${nextOffset}`);
            }
            assertOwned();
            broker.setAck(group, partition, Math.max(broker.acked(group, partition) ?? 0, nextOffset));
          },
          { ...detail, nextOffset },
        ),
      confirm: () => call("confirm", assertOwned, detail),
    };
  }

  #batchAt({ records }: MemoryPartition, from: number): LogRecord[] {
    const bytesMax = this.#options.fetchBytesMax ?? FETCH_BYTES_MAX;
    const most = records.slice(from, from + this.client.fetchRecordsMax());
    let bytes = 0;
    const length = most.findIndex(({ value }) => (bytes += value.length) > bytesMax);
    return length < 0 ? most : most.slice(0, Math.max(1, length));
  }
}

/**
 * A process's connection to a broker in memory: an EventLog that follows the port's contract, but is not
 * durable.
 */
export class MemoryEventLog implements EventLog {
  readonly url = "memory:";
  readonly recordBytesMax = 1_000_000;
  readonly broker: MemoryBroker;
  readonly clock: Clock;
  readonly call: Call;
  readonly fetchRecordsMax: () => number;
  readonly #closing = new AbortController();
  readonly #members = new Set<MemoryMember>();
  readonly #tails = new Set<Tail>();

  constructor(broker: MemoryBroker, options: ClientOptions = {}) {
    this.broker = broker;
    this.clock = options.clock ?? systemClock;
    this.fetchRecordsMax = options.fetchRecordsMax ?? (() => FETCH_RECORDS_MAX);
    const call = options.call ?? atOnce;
    this.call = async (method, effect, detail) => {
      if (ASKS.has(method)) this.#refuseIfClosed();
      return call(method, effect, detail);
    };
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return this.call("createTopics", () => this.broker.createTopics(specs));
  }

  topics(): Promise<string[]> {
    return this.call("topics", () => [...this.broker.topics.keys()]);
  }

  partitionCounts(): Promise<ReadonlyMap<string, number>> {
    return this.call("topics", () => {
      return new Map([...this.broker.topics].map(([name, { partitions }]) => [name, partitions.length]));
    });
  }

  publish(topic: string, records: readonly NewRecord[]): Promise<Position[]> {
    const tooLarge = records.find(({ key, value }) => value.length + (key?.length ?? 0) > this.recordBytesMax);
    const publish = (): Position[] => {
      if (tooLarge) throw new TributaryError("LOG_RECORD_TOO_LARGE", `${tooLarge.value.length} bytes for ${topic}`);
      return this.broker.append(topic, records, this.clock.nowMs());
    };
    return this.call("publish", publish, { topic });
  }

  async consume(
    options: ConsumeOptions,
    assigned: (partition: AssignedPartition) => PartitionHandler,
  ): Promise<Consumer> {
    return this.call("consume", () => {
      if (!(options.topics instanceof RegExp)) for (const topic of options.topics) this.broker.topic(topic);
      const member = new MemoryMember(this, options, assigned);
      this.#members.add(member);
      this.broker.join(member);
      return member;
    });
  }

  tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail> {
    return this.call("openTail", () => {
      const partitions = topics.flatMap((topic) => this.broker.topic(topic).partitions);
      const tail = new MemoryTail(this, partitions, onRecord);
      this.#tails.add(tail);
      return tail;
    });
  }

  async *read(topic: string, partition: number, from: number, to?: number): AsyncGenerator<LogRecord> {
    const records = (): LogRecord[] => {
      const found = this.broker.partition(topic, partition);
      return found.records.slice(Math.max(from, found.earliest), to);
    };
    yield* await this.call("read", records, { topic });
  }

  offsets(topic: string): Promise<{ partition: number; earliest: number; next: number }[]> {
    return this.call("offsets", () =>
      this.broker
        .topic(topic)
        .partitions.map(({ partition, records, earliest }) => ({ partition, earliest, next: records.length })),
    );
  }

  groupOffsets(group: string, topic: string): Promise<Position[]> {
    return this.call("groupOffsets", () =>
      this.broker.topic(topic).partitions.flatMap((place) => {
        const offset = this.broker.acked(group, place);
        return offset === undefined ? [] : [{ partition: place.partition, offset }];
      }),
    );
  }

  groupMembers(group: string): Promise<GroupMember[]> {
    return this.call("groupMembers", () =>
      this.broker.members(group).map(({ owned }, at) => ({
        id: `${group}-${at + 1}`,
        host: undefined,
        partitions: [...owned].map(topicPartitionOf),
      })),
    );
  }

  resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void> {
    return this.call("resetGroup", () => {
      const targets = positions.map((position) => {
        const place = this.broker.partition(topic, position.partition);
        const { offset } = position;
        if (!Number.isSafeInteger(offset) || offset < 0 || offset > place.records.length) {
          throw new TributaryError("BAD_REQUEST", `${topicPartitionName(place)} has no offset ${offset}`);
        }
        return { place, offset };
      });
      if (this.broker.members(group).some(({ subscription }) => subscribes(subscription, topic))) {
        throw new TributaryError("BAD_REQUEST", `group ${group} is reading ${topic}`);
      }
      for (const { place, offset } of targets) this.broker.setAck(group, place, offset);
    });
  }

  async freeBytes(): Promise<undefined> {
    return undefined;
  }

  ready(): Promise<void> {
    return this.call("ready", () => undefined);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#members].map((member) => member.close()));
    await Promise.all([...this.#tails].map((tail) => tail.close()));
  }

  #refuseIfClosed(): void {
    if (this.#closing.signal.aborted) throw new TributaryError("LOG_UNAVAILABLE", "the event log is closed");
  }
}

/** Calls that a closed log refuses; acks, deliveries and revocations are part of the close. */
const ASKS = new Set([
  ...["createTopics", "topics", "publish", "consume", "openTail", "read", "offsets", "groupOffsets", "resetGroup"],
  "ready",
]);

class MemoryTail implements Tail {
  readonly #client: MemoryEventLog;
  readonly #positions: Map<MemoryPartition, number>;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  readonly #progress = new Set<() => void>();

  constructor(client: MemoryEventLog, partitions: readonly MemoryPartition[], onRecord: (record: LogRecord) => void) {
    this.#client = client;
    this.#positions = new Map(partitions.map((partition) => [partition, 0]));
    this.#running = this.#run(onRecord);
  }

  async caughtUp(): Promise<void> {
    const targets = await this.#client.call("offsets", () =>
      [...this.#positions.keys()].map((partition) => [partition, partition.records.length] as const),
    );
    while (targets.some(([partition, end]) => this.#positions.get(partition)! < end)) {
      if (this.#closing.signal.aborted) throw new TributaryError("LOG_UNAVAILABLE", "the tail was closed");
      await new Promise<void>((resolve) => this.#progress.add(resolve));
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake();
    await this.#running;
  }

  async #run(onRecord: (record: LogRecord) => void): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const behind = [...this.#positions].find(([partition, position]) => position < partition.records.length);
      if (!behind) {
        await this.#client.broker.appended(signal);
        continue;
      }
      const [partition, position] = behind;
      const records = await this.#client.call("tail", () => partition.records.slice(position));
      for (const record of records) if (!signal.aborted) handOver(record, onRecord);
      this.#positions.set(partition, position + records.length);
      this.#wake();
    }
  }

  #wake(): void {
    const waiting = [...this.#progress];
    this.#progress.clear();
    for (const resolve of waiting) resolve();
  }
}

/** The failure of one record must not hide the next ones. */
function handOver(record: LogRecord, onRecord: (record: LogRecord) => void): void {
  try {
    onRecord(record);
  } catch {
    // Readers of a tail report what they cannot read.
  }
}
