import type { Kafka, Message, Producer } from "kafkajs";
import type { Clock } from "../../clock.ts";
import { hasCode, TributaryError } from "../../errors.ts";
import type { NewRecord, Position } from "../event-log.ts";
import { retry } from "../../retry.ts";
import { kafkaError } from "./errors.ts";

/** So much of different calls goes into one request. A call alone may be larger. */
const REQUEST_BYTES_MAX = 900_000;
/** About 20 seconds of trying, what kafkajs tries by itself each time included. */
const RETRY = { attemptsMax: 9, backoffMsMin: 100, backoffMsMax: 3_000 };

export interface RoutedRecord extends NewRecord {
  partition: number;
}

interface Call {
  records: readonly RoutedRecord[];
  bytes: number;
  resolve: (places: Position[]) => void;
  reject: (error: unknown) => void;
}

/**
 * Publishes to one topic, one request at a time; calls made meanwhile share the next. What a call has for one partition is one
 * Kafka record batch: written whole or not at all.
 */
class TopicPublisher {
  readonly #send: (records: readonly RoutedRecord[]) => Promise<Position[]>;
  readonly #calls: Call[] = [];
  #sending: Promise<void> | undefined;

  constructor(send: (records: readonly RoutedRecord[]) => Promise<Position[]>) {
    this.#send = send;
  }

  publish(records: readonly RoutedRecord[]): Promise<Position[]> {
    return new Promise((resolve, reject) => {
      const bytes = records.reduce((sum, { key, value }) => sum + value.length + (key?.length ?? 0) + 70, 0);
      this.#calls.push({ records, bytes, resolve, reject });
      this.#sending ??= this.#sendAll();
    });
  }

  async flush(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    await Promise.resolve();
    while (this.#calls.length > 0) {
      const calls = this.#takeCalls();
      try {
        const places = await this.#send(calls.flatMap(({ records }) => records));
        let at = 0;
        for (const { records, resolve } of calls) resolve(places.slice(at, (at += records.length)));
      } catch (thrown) {
        for (const { reject } of calls) reject(thrown);
      }
    }
    this.#sending = undefined;
  }

  #takeCalls(): Call[] {
    let bytes = 0;
    const tooMany = this.#calls.findIndex((call, index) => (bytes += call.bytes) > REQUEST_BYTES_MAX && index > 0);
    return this.#calls.splice(0, tooMany < 0 ? this.#calls.length : tooMany);
  }
}

/** A kafkajs producer, and how many of its sends are under way. */
interface Session {
  producer: Producer;
  sends: number;
  retired: boolean;
}

/** Publishes durably and without duplicates of its own making: acks of all replicas, idempotent, retried. */
export class KafkaPublisher {
  readonly #kafka: Kafka;
  readonly #clock: Clock;
  readonly #topics = new Map<string, TopicPublisher>();
  #session: Promise<Session> | undefined;
  readonly #stopping = new AbortController();

  constructor(kafka: Kafka, clock: Clock) {
    this.#kafka = kafka;
    this.#clock = clock;
  }

  async publish(topic: string, records: readonly RoutedRecord[]): Promise<Position[]> {
    if (this.#stopping.signal.aborted) throw new TributaryError("LOG_UNAVAILABLE", "the event log is closed");
    let publisher = this.#topics.get(topic);
    if (!publisher) {
      publisher = new TopicPublisher((batch) => this.#send(topic, batch));
      this.#topics.set(topic, publisher);
    }
    return publisher.publish(records);
  }

  /** What is being sent is still sent, if that works at once. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#topics.values()].map((publisher) => publisher.flush()));
    const session = await this.#session?.catch(() => undefined);
    await session?.producer.disconnect();
  }

  async #send(topic: string, records: readonly RoutedRecord[]): Promise<Position[]> {
    try {
      return await this.#sendBatch(topic, records);
    } catch (error) {
      // A topic that takes smaller batches than those this adapter makes: then each record is a batch.
      if (!hasCode(error, "LOG_RECORD_TOO_LARGE") || records.length === 1) throw error;
    }
    const places: Position[] = [];
    for (const record of records) places.push(...(await this.#sendBatch(topic, [record])));
    return places;
  }

  async #sendBatch(topic: string, records: readonly RoutedRecord[]): Promise<Position[]> {
    const timestamp = String(this.#clock.nowMs());
    const messages = records.map(({ key, value, partition, headers }): Message => ({
      key,
      // Kafka says that a key is gone with no value at all.
      value: value.length === 0 ? null : value,
      partition,
      timestamp,
      ...(headers ? { headers } : {}),
    }));
    const written = await this.#inSession(topic, (producer) => producer.send({ topic, messages, acks: -1 }));
    const next = new Map(written.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]));
    return records.map(({ partition }) => {
      const offset = next.get(partition)!;
      next.set(partition, offset + 1);
      return { partition, offset };
    });
  }

  /**
   * After a failure it may be unknown whether the batch was written. Sent again by the same producer it has the same sequence
   * numbers, and the broker drops it if it has it. But once it is given up, the next batch would get those numbers and might be
   * dropped in its place: so then a new producer takes over.
   */
  async #inSession<T>(topic: string, action: (producer: Producer) => Promise<T>): Promise<T> {
    const opening = (this.#session ??= this.#open());
    let session: Session | undefined;
    try {
      session = await opening;
      session.sends++;
      const { producer } = session;
      return await this.#retry(() => action(producer), `publishing to ${topic} failed`);
    } catch (error) {
      if (!hasCode(error, "LOG_RECORD_TOO_LARGE")) {
        if (this.#session === opening) this.#session = undefined;
        if (session) session.retired = true;
      }
      throw error;
    } finally {
      if (session && --session.sends === 0 && session.retired)
        await session.producer.disconnect().catch(() => undefined);
    }
  }

  #retry<T>(action: () => Promise<T>, what: string): Promise<T> {
    return retry(this.#clock, { ...RETRY, signal: this.#stopping.signal }, async () => {
      try {
        return await action();
      } catch (thrown) {
        throw kafkaError(thrown, what);
      }
    });
  }

  async #open(): Promise<Session> {
    const producer = this.#kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      // Partitions are chosen before; naming a partitioner also keeps kafkajs from warning about its default one.
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    });
    await this.#retry(() => producer.connect(), "Kafka cannot be reached for publishing");
    return { producer, sends: 0, retired: false };
  }
}
