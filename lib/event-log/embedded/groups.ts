import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { assign, topicPartitionName, type Member } from "../groups/assignment.ts";
import { EmbeddedReader } from "./reader.ts";
import type { EmbeddedStore, StoredPartition } from "./store.ts";
import type { AssignedPartition, ConsumeOptions, Consumer, PartitionHandler } from "../event-log.ts";
import { PartitionRunner, type RecordSource } from "../groups/partition-runner.ts";
import { subscribes, type Subscription } from "../groups/subscription.ts";

const FETCH_BYTES_MAX = 4 * 1024 * 1024;

/** The consumer groups of one embedded log: who is a member, and which member owns which partition. */
export class EmbeddedGroups {
  readonly #store: EmbeddedStore;
  readonly #clock: Clock;
  readonly #members = new Map<string, EmbeddedConsumer[]>();

  constructor(store: EmbeddedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws LOG_TOPIC_UNKNOWN for a topic asked for by name. */
  join(options: ConsumeOptions, assigned: (partition: AssignedPartition) => PartitionHandler): EmbeddedConsumer {
    if (!(options.topics instanceof RegExp)) for (const topic of options.topics) this.#store.topic(topic);
    const member = new EmbeddedConsumer(options, {
      lane: (partition) =>
        new PartitionRunner({
          topic: partition.topic,
          partition: partition.partition,
          clock: this.#clock,
          source: laneSource(this.#store, partition, options),
          assigned,
          onError: options.onError,
        }),
      leave: () => {
        this.#members.set(
          options.group,
          this.#membersOf(options.group).filter((other) => other !== member),
        );
        this.#rebalance(options.group);
      },
    });
    this.#members.set(options.group, [...this.#membersOf(options.group), member]);
    this.#rebalance(options.group);
    return member;
  }

  /** Topics were made: whoever subscribes to them gets them now. */
  topicsAdded(): void {
    for (const group of this.#members.keys()) this.#rebalance(group);
  }

  hasMember(group: string, topic: string): boolean {
    return this.#membersOf(group).some(({ subscription }) => subscribes(subscription, topic));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members.values()].flat().map((member) => member.close()));
  }

  #membersOf(group: string): EmbeddedConsumer[] {
    return this.#members.get(group) ?? [];
  }

  #rebalance(group: string): void {
    const members = this.#membersOf(group);
    const places = [...this.#store.topics.values()].flatMap(({ partitions }) => partitions);
    const before = new Map(members.flatMap((member) => member.assigned().map((name) => [name, member] as const)));
    const after = assign(members, places, before);
    for (const [name, member] of before) if (after.get(name) !== member) member.onRevoked(name);
    for (const place of places) after.get(topicPartitionName(place))?.onAssigned(place);
  }
}

/** A member of a group. */
export class EmbeddedConsumer implements Consumer, Member {
  readonly subscription: Subscription;
  draining = false;
  readonly #lanes = new Map<string, PartitionRunner>();
  readonly #hooks: { lane: (partition: StoredPartition) => PartitionRunner; leave: () => void };
  #closing: Promise<void> | undefined;

  constructor(
    options: ConsumeOptions,
    hooks: { lane: (partition: StoredPartition) => PartitionRunner; leave: () => void },
  ) {
    this.subscription = options.topics;
    this.#hooks = hooks;
  }

  assigned(): string[] {
    return [...this.#lanes.keys()];
  }

  onAssigned(partition: StoredPartition): void {
    const name = topicPartitionName(partition);
    if (!this.#lanes.has(name)) this.#lanes.set(name, this.#hooks.lane(partition));
  }

  onRevoked(name: string): void {
    this.#lanes.get(name)?.revoke();
    this.#lanes.delete(name);
  }

  /** Joining takes no time here. */
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
    for (const name of this.assigned()) this.onRevoked(name);
    this.#hooks.leave();
  }
}

function laneSource(store: EmbeddedStore, partition: StoredPartition, options: ConsumeOptions): RecordSource {
  const reader = new EmbeddedReader(store, partition);
  return {
    async rewind() {
      reader.position = Math.max(store.acked(options.group, partition) ?? 0, partition.durable.earliest);
    },
    take: (signal) => reader.take(signal, options.fetchBytesMax ?? FETCH_BYTES_MAX),
    async ack(nextOffset) {
      if (nextOffset > partition.durable.next) {
        throw new TributaryError(
          "BAD_REQUEST",
          `${topicPartitionName(partition)} ends at ${partition.durable.next}, ${nextOffset} cannot be acked`,
        );
      }
      await store.ack(options.group, partition, nextOffset);
    },
    // One process: who loses a partition knows at once.
    confirm: () => Promise.resolve(),
  };
}
