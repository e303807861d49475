import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { assign, leastLoaded, topicPartitionName, topicPartitionOf, type Member } from "../groups/assignment.ts";
import { EmbeddedReader } from "./reader.ts";
import type { EmbeddedStore, StoredPartition } from "./store.ts";
import type { AssignedPartition, ConsumeOptions, Consumer, GroupMember, PartitionHandler } from "../event-log.ts";
import { PartitionRunner, type RecordSource } from "../groups/partition-runner.ts";
import { subscribes, type Subscription } from "../groups/subscription.ts";

const FETCH_BYTES_MAX = 4 * 1024 * 1024;

/** The consumer groups of one embedded log: their members and the partitions that each member owns. */
export class EmbeddedGroups {
  readonly #store: EmbeddedStore;
  readonly #clock: Clock;
  readonly #members = new Map<string, EmbeddedConsumer[]>();

  constructor(store: EmbeddedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws LOG_TOPIC_UNKNOWN for an unknown topic name (not for a pattern) */
  join(options: ConsumeOptions, assigned: (partition: AssignedPartition) => PartitionHandler): EmbeddedConsumer {
    if (!(options.topics instanceof RegExp)) for (const topic of options.topics) this.#store.topic(topic);
    const member = new EmbeddedConsumer(options, {
      runner: (partition) =>
        new PartitionRunner({
          topic: partition.topic,
          partition: partition.partition,
          clock: this.#clock,
          source: recordSource(this.#store, partition, options),
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

  /**
   * Assigns the partitions of new topics to the members with the fewest. The other partitions stay where
   * they are, so a new topic costs the same whatever the number of topics.
   */
  topicsAdded(names: readonly string[]): void {
    const added = names.flatMap((name) => this.#store.topic(name).partitions);
    for (const members of this.#members.values()) {
      for (const partition of added) {
        if (members.some((member) => member.owns(partition))) continue;
        leastLoaded(members, partition.topic, (member) => member.load)?.onAssigned(partition);
      }
    }
  }

  members(group: string): GroupMember[] {
    return this.#membersOf(group).map((member, at) => ({
      id: `${group}-${at + 1}`,
      host: undefined,
      partitions: member.assigned().map(topicPartitionOf),
    }));
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
    const stored = [...this.#store.topics.values()].flatMap(({ partitions }) => partitions);
    const before = new Map(members.flatMap((member) => member.assigned().map((name) => [name, member] as const)));
    const after = assign(members, stored, before);
    for (const [name, member] of before) if (after.get(name) !== member) member.onRevoked(name);
    for (const partition of stored) after.get(topicPartitionName(partition))?.onAssigned(partition);
  }
}

export class EmbeddedConsumer implements Consumer, Member {
  readonly subscription: Subscription;
  draining = false;
  readonly #runners = new Map<string, PartitionRunner>();
  readonly #hooks: { runner: (partition: StoredPartition) => PartitionRunner; leave: () => void };
  #closing: Promise<void> | undefined;

  constructor(
    options: ConsumeOptions,
    hooks: { runner: (partition: StoredPartition) => PartitionRunner; leave: () => void },
  ) {
    this.subscription = options.topics;
    this.#hooks = hooks;
  }

  assigned(): string[] {
    return [...this.#runners.keys()];
  }

  /** The number of assigned partitions. */
  get load(): number {
    return this.#runners.size;
  }

  owns(partition: StoredPartition): boolean {
    return this.#runners.has(topicPartitionName(partition));
  }

  onAssigned(partition: StoredPartition): void {
    const name = topicPartitionName(partition);
    if (!this.#runners.has(name)) this.#runners.set(name, this.#hooks.runner(partition));
  }

  onRevoked(name: string): void {
    this.#runners.get(name)?.revoke();
    this.#runners.delete(name);
  }

  /** Joining is synchronous here. */
  async joined(): Promise<void> {
    await Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.draining = true;
    await Promise.all([...this.#runners.values()].map((runner) => runner.drain()));
    for (const name of this.assigned()) this.onRevoked(name);
    this.#hooks.leave();
  }
}

function recordSource(store: EmbeddedStore, partition: StoredPartition, options: ConsumeOptions): RecordSource {
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
          `cannot ack ${nextOffset}: ${topicPartitionName(partition)} ends at ${partition.durable.next}`,
        );
      }
      await store.ack(options.group, partition, nextOffset);
    },
    // All members are in this process, so ownership is always current.
    confirm: () => Promise.resolve(),
  };
}
