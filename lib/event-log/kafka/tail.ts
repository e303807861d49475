import { TributaryError } from "../../errors.ts";
import type { LogRecord, Tail } from "../event-log.ts";
import type { KafkaConnection } from "./connection.ts";
import { KafkaFetcher, type Cursor } from "./fetcher.ts";

const FETCH_BYTES_MAX = 1024 * 1024;

/** Delivers every record of some topics from the earliest on, without a group. It owns its connection. */
export class KafkaTail implements Tail {
  readonly #connection: KafkaConnection;
  readonly #fetcher: KafkaFetcher;
  readonly #topics: readonly string[];
  readonly #cursors: Cursor[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #onError: (thrown: unknown) => void;
  #closed = false;

  constructor(connection: KafkaConnection, topics: readonly string[], onError: (thrown: unknown) => void) {
    this.#connection = connection;
    this.#topics = topics;
    this.#onError = onError;
    this.#fetcher = new KafkaFetcher(connection, onError);
  }

  /** @throws LOG_TOPIC_UNKNOWN */
  async start(onRecord: (record: LogRecord) => void): Promise<void> {
    const earliest = await Promise.all(this.#topics.map((topic) => this.#connection.listOffsets(topic, "earliest")));
    for (const [index, topic] of this.#topics.entries()) {
      for (const [partition, position] of earliest[index]!.entries()) {
        const deliver = (records: LogRecord[]): void => {
          for (const record of records) if (!this.#closed) this.#handOver(record, onRecord);
          this.#wake();
        };
        this.#cursors.push({ topic, partition, position, room: () => FETCH_BYTES_MAX, deliver });
      }
    }
    for (const cursor of this.#cursors) this.#fetcher.add(cursor);
  }

  async caughtUp(): Promise<void> {
    const ends = new Map<string, number[]>();
    for (const topic of this.#topics) ends.set(topic, await this.#connection.listOffsets(topic, "next"));
    while (this.#cursors.some(({ topic, partition, position }) => position < ends.get(topic)![partition]!)) {
      if (this.#closed) throw new TributaryError("LOG_UNAVAILABLE", "the tail was closed");
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    await this.#fetcher.close();
    await this.#connection.close();
  }

  /** The fetcher's position is after all fetched records, so a failure of one must not hide the others. */
  #handOver(record: LogRecord, onRecord: (record: LogRecord) => void): void {
    try {
      onRecord(record);
    } catch (thrown) {
      this.#onError(thrown);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
