import type { Clock } from "../../clock.ts";
import { topicPartitionName, type TopicPartition } from "../groups/assignment.ts";
import type { AssignedPartition, ConsumeOptions, Consumer, PartitionHandler } from "../event-log.ts";
import type { KafkaConnection } from "./connection.ts";
import { KafkaFetcher } from "./fetcher.ts";
import { KafkaMember } from "./member.ts";
import { KafkaQueue } from "./queue.ts";
import { PartitionRunner, type RecordSource } from "../groups/partition-runner.ts";
import { subscribes } from "../groups/subscription.ts";

const FETCH_BYTES_MAX = 4 * 1024 * 1024;

interface Owned {
  runner: PartitionRunner;
  queue: KafkaQueue;
}

/** One member of a group and its partition runners. It owns its connection. */
export class KafkaConsumer implements Consumer {
  readonly #options: ConsumeOptions;
  readonly #assigned: (partition: AssignedPartition) => PartitionHandler;
  readonly #connection: KafkaConnection;
  readonly #clock: Clock;
  readonly #fetcher: KafkaFetcher;
  readonly #member: KafkaMember;
  readonly #owned = new Map<string, Owned>();
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(
    connection: KafkaConnection,
    options: ConsumeOptions,
    assigned: (partition: AssignedPartition) => PartitionHandler,
  ) {
    this.#connection = connection;
    this.#clock = connection.clock;
    this.#options = options;
    this.#assigned = assigned;
    const onError = (thrown: unknown): void => options.onError?.(thrown, {});
    this.#fetcher = new KafkaFetcher(connection, onError);
    this.#member = new KafkaMember({
      group: options.group,
      connection,
      clock: connection.clock,
      topics: () => this.#topics(),
      topicsChange: options.topics instanceof RegExp,
      owned: () => [...this.#owned.keys()],
      assigned: (partitions) => this.#onAssigned(partitions),
      onError,
    });
  }

  joined(): Promise<void> {
    return this.#member.settled();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#draining = true;
    this.#member.drain();
    await Promise.all([...this.#owned.values()].map(({ runner }) => runner.drain()));
    this.#onAssigned([]);
    await this.#member.leave();
    await this.#fetcher.close();
    await this.#connection.close();
  }

  async #topics(): Promise<string[]> {
    const { topics } = this.#options;
    if (!(topics instanceof RegExp)) return [...topics];
    return [...(await this.#connection.topics()).keys()].filter((topic) => subscribes(topics, topic));
  }

  #onAssigned(partitions: readonly TopicPartition[]): void {
    const names = new Set(partitions.map(topicPartitionName));
    for (const [name, { runner, queue }] of this.#owned) {
      if (names.has(name)) continue;
      runner.revoke();
      this.#fetcher.remove(queue);
      this.#owned.delete(name);
    }
    if (this.#draining) return;
    for (const partition of partitions) {
      const name = topicPartitionName(partition);
      if (!this.#owned.has(name)) this.#owned.set(name, this.#start(partition));
    }
  }

  #start({ topic, partition }: TopicPartition): Owned {
    const { fetchBytesMax = FETCH_BYTES_MAX, onError } = this.#options;
    const queue = new KafkaQueue(topic, partition, fetchBytesMax, () => this.#fetcher.wake());
    const source = this.#source(queue);
    const runner = new PartitionRunner({
      topic,
      partition,
      clock: this.#clock,
      source,
      assigned: this.#assigned,
      onError,
    });
    return { runner, queue };
  }

  #source(queue: KafkaQueue): RecordSource {
    const { topic, partition } = queue;
    const isOwned = (): boolean => this.#owned.get(topicPartitionName(queue))?.queue === queue;
    let acked = 0;
    let acking: Promise<void> = Promise.resolve();
    const commit = async (nextOffset: number): Promise<void> => {
      if (nextOffset <= acked) return;
      await this.#member.commit(queue, nextOffset, isOwned);
      acked = nextOffset;
    };
    return {
      rewind: async () => {
        const [position] = await this.#connection.acked(this.#options.group, topic, [partition]);
        const ends = await this.#connection.listOffsets(topic, "next");
        // A position beyond the end is one of an older topic of this name: acks must be able to fall.
        const known = position && position.offset <= ends[partition]! ? position.offset : undefined;
        acked = known ?? -1;
        const start = known ?? (await this.#connection.listOffsets(topic, "earliest"))[partition]!;
        if (!isOwned()) return;
        queue.moveTo(start);
        this.#fetcher.add(queue);
      },
      take: (signal) => queue.take(signal),
      ack: (nextOffset) => {
        // Serialised, so that a later call never overtakes an earlier one with a higher offset.
        const done = acking.then(() => commit(nextOffset));
        acking = done.catch(() => undefined);
        return done;
      },
      confirm: () => this.#member.confirm(queue, isOwned),
    };
  }
}
