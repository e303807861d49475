import type { Kafka, Message, Producer } from "kafkajs";
import type { Clock } from "../../clock.ts";
import { hasCode, TributaryError } from "../../errors.ts";
import type { NewRecord, Position } from "../event-log.ts";
import { retry } from "../../retry.ts";
import { kafkaError } from "./errors.ts";

/** Limit for combining several calls in one request. A single call may be larger. */
const REQUEST_BYTES_MAX = 900_000;
/** About 20 seconds in total, including kafkajs's own retries in each attempt. */
const RETRY = { attemptsMax: 9, backoffMsMin: 100, backoffMsMax: 3_000 };

export interface RoutedRecord extends NewRecord {
  partition: number;
}

interface Call {
  records: readonly RoutedRecord[];
  bytes: number;
  resolve: (positions: Position[]) => void;
  reject: (error: unknown) => void;
}

/**
 * Publishes to one topic, one request at a time. Calls made during a request share the next one. The records
 * of a call for one partition are in one Kafka record batch, so all of them are written or none.
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
        const positions = await this.#send(calls.flatMap(({ records }) => records));
        let at = 0;
        for (const { records, resolve } of calls) resolve(positions.slice(at, (at += records.length)));
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

/** A kafkajs producer and the number of its running sends. */
interface Session {
  producer: Producer;
  sends: number;
  retired: boolean;
}

/** Publishes durably and without duplicates: acks from all replicas, idempotent producer, retries. */
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

  /** Finishes the running sends without retries. */
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
      // The topic's batch limit is below BATCH_BYTES_MAX: send each record as its own batch.
      if (!hasCode(error, "LOG_RECORD_TOO_LARGE") || records.length === 1) throw error;
    }
    const positions: Position[] = [];
    for (const record of records) positions.push(...(await this.#sendBatch(topic, [record])));
    return positions;
  }

  async #sendBatch(topic: string, records: readonly RoutedRecord[]): Promise<Position[]> {
    const timestamp = String(this.#clock.nowMs());
    const messages = records.map(({ key, value, partition, headers }): Message => ({
      key,
      // A Kafka tombstone has a null value.
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
   * After a failure it can be unknown whether the batch was written. A retry by the same producer uses the
   * same sequence numbers, so the broker drops a duplicate. After the last retry, the next batch would get
   * these numbers and could be dropped by mistake, so a new producer replaces this one.
   */
  async #inSession<T>(topic: string, action: (producer: Producer) => Promise<T>): Promise<T> {
    const opening = (this.#session ??= this.#open());
    let session: Session | undefined;
    try {
      session = await opening;
      session.sends++;
      const { producer } = session;
      return await this.#retry(() => action(producer), `cannot publish to ${topic}`);
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
      // The partitions are already chosen. A partitioner also avoids kafkajs's warning about its default one.
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    });
    await this.#retry(() => producer.connect(), "cannot connect to Kafka for publishing");
    return { producer, sends: 0, retired: false };
  }
}
