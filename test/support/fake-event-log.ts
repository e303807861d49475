import { EventEmitter, once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { TributaryError } from "../../lib/errors.ts";
import type {
  ConsumeOptions,
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  AssignedPartition,
  Position,
  Tail,
} from "../../lib/event-log/event-log.ts";
import { partitionOfKey } from "../../lib/event-log/partitioner.ts";
import type { TopicSpec } from "../../lib/events/topics.ts";

/** Records a handler gets at once, at most. */
const FETCH_RECORDS_MAX = 50;

interface Member {
  options: ConsumeOptions;
  assigned: (partition: AssignedPartition) => PartitionHandler;
  owned: Map<string, { lost: AbortController; running: Promise<void> }>;
  closed: boolean;
}

/**
 * An EventLog in memory, true to the port's contract, for tests of services: one process, nothing durable. A group's partitions all
 * belong to its first live member, until it closes or `rebalance` hands them on.
 */
export class FakeEventLog implements EventLog {
  readonly url = "fake:";
  readonly recordBytesMax = 1_000_000;
  readonly #topics = new Map<string, LogRecord[][]>();
  readonly #acks = new Map<string, number>();
  readonly #changed = new EventEmitter().setMaxListeners(0);
  #members: Member[] = [];

  async createTopics(specs: readonly TopicSpec[]): Promise<void> {
    for (const { name, partitions } of specs) {
      if (!this.#topics.has(name))
        this.#topics.set(
          name,
          Array.from({ length: partitions }, () => []),
        );
    }
    this.#assign();
  }

  async topics(): Promise<string[]> {
    return [...this.#topics.keys()];
  }

  async publish(topic: string, records: readonly NewRecord[]): Promise<Position[]> {
    const partitions = this.#partitions(topic);
    const positions = records.map(({ key, value }): Position => {
      const partition = partitionOfKey(key ?? "", partitions.length);
      const offset = partitions[partition]!.length;
      partitions[partition]!.push({ topic, partition, offset, key, value, timestampMs: Date.now() });
      return { partition, offset };
    });
    this.#changed.emit("change");
    return positions;
  }

  async consume(options: ConsumeOptions, assigned: Member["assigned"]): Promise<Consumer> {
    const member: Member = { options, assigned, owned: new Map(), closed: false };
    this.#members.push(member);
    this.#assign();
    return {
      joined: async () => undefined,
      close: async () => {
        member.closed = true;
        this.#changed.emit("change");
        await Promise.all([...member.owned.values()].map(({ running }) => running));
        this.#drop(member);
        this.#assign();
      },
    };
  }

  async tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail> {
    const closing = new AbortController();
    const seen = new Map<string, number>();
    const pump = (): void => {
      for (const topic of topics) {
        this.#partitions(topic).forEach((records, partition) => {
          const place = `${topic}/${partition}`;
          for (const record of records.slice(seen.get(place) ?? 0)) {
            seen.set(place, record.offset + 1);
            if (!closing.signal.aborted) onRecord(record);
          }
        });
      }
    };
    const later = (): void => void setImmediate(pump);
    this.#changed.on("change", later);
    later();
    return {
      caughtUp: async () => pump(),
      close: async () => {
        closing.abort();
        this.#changed.off("change", later);
      },
    };
  }

  async *read(topic: string, partition: number, from: number, to?: number): AsyncIterable<LogRecord> {
    yield* this.#partitions(topic)[partition]!.slice(from, to);
  }

  async offsets(topic: string): Promise<{ partition: number; earliest: number; next: number }[]> {
    return this.#partitions(topic).map((records, partition) => ({ partition, earliest: 0, next: records.length }));
  }

  async groupOffsets(group: string, topic: string): Promise<Position[]> {
    return this.#partitions(topic).flatMap((_, partition) => {
      const offset = this.#acks.get(`${group} ${topic}/${partition}`);
      return offset === undefined ? [] : [{ partition, offset }];
    });
  }

  async resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void> {
    for (const { partition, offset } of positions) this.#acks.set(`${group} ${topic}/${partition}`, offset);
  }

  async ready(): Promise<void> {
    return undefined;
  }

  async close(): Promise<void> {
    for (const member of this.#members) this.#drop(member);
  }

  /** The members of a group die where they stand: they lose their partitions without a word, and live ones take over. */
  kill(group: string): void {
    for (const member of this.#members.filter(({ options }) => options.group === group)) this.#drop(member);
    this.#assign();
  }

  /** A group's partitions are taken from their owners and given out again, to the same members. */
  rebalance(group: string): void {
    for (const member of this.#members.filter(({ options }) => options.group === group)) {
      for (const { lost } of member.owned.values()) lost.abort();
      member.owned.clear();
    }
    this.#assign();
  }

  #partitions(topic: string): LogRecord[][] {
    const partitions = this.#topics.get(topic);
    if (!partitions) throw new TributaryError("LOG_TOPIC_UNKNOWN", `no topic ${topic}`);
    return partitions;
  }

  #drop(member: Member): void {
    member.closed = true;
    this.#members = this.#members.filter((other) => other !== member);
    for (const { lost } of member.owned.values()) lost.abort();
    member.owned.clear();
    this.#changed.emit("change");
  }

  #assign(): void {
    for (const [topic, partitions] of this.#topics) {
      for (const group of new Set(this.#members.map(({ options }) => options.group))) {
        const members = this.#members.filter(({ options }) => options.group === group && wants(options, topic));
        const owner = members.find(({ closed }) => !closed);
        if (!owner) continue;
        partitions.forEach((_, partition) => {
          const place = `${topic}/${partition}`;
          if (!members.some(({ owned }) => owned.has(place))) this.#give(owner, topic, partition);
        });
      }
    }
  }

  #give(member: Member, topic: string, partition: number, pauseMs = 100): void {
    const { group } = member.options;
    const place = `${topic}/${partition}`;
    const lost = new AbortController();
    const handle = member.assigned({
      topic,
      partition,
      signal: lost.signal,
      ack: async (nextOffset) => {
        if (lost.signal.aborted) throw new TributaryError("ASSIGNMENT_LOST", `${place} is lost`);
        this.#acks.set(`${group} ${place}`, Math.max(this.#acks.get(`${group} ${place}`) ?? 0, nextOffset));
      },
    });
    const running = this.#pump(member, topic, partition, handle, lost.signal).catch(async (thrown: unknown) => {
      member.options.onError?.(thrown, { topic, partition });
      lost.abort();
      await delay(pauseMs);
      if (member.closed || member.owned.get(place)?.lost !== lost) return;
      this.#give(member, topic, partition, Math.min(10_000, pauseMs * 2));
    });
    member.owned.set(place, { lost, running });
  }

  async #pump(
    member: Member,
    topic: string,
    partition: number,
    handle: PartitionHandler,
    lost: AbortSignal,
  ): Promise<void> {
    const records = this.#partitions(topic)[partition]!;
    let next = this.#acks.get(`${member.options.group} ${topic}/${partition}`) ?? 0;
    await delay(0);
    while (!lost.aborted && !member.closed) {
      const fetched = records.slice(next, next + FETCH_RECORDS_MAX);
      if (fetched.length > 0) await handle(fetched);
      else await once(this.#changed, "change");
      next += fetched.length;
    }
  }
}

const wants = ({ topics }: ConsumeOptions, topic: string): boolean =>
  topics instanceof RegExp ? topics.test(topic) : topics.includes(topic);
