import { setMaxListeners } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { TributaryError } from "../../errors.ts";
import { EmbeddedReader } from "./reader.ts";
import type { EmbeddedStore } from "./store.ts";
import type { LogRecord, Tail } from "../event-log.ts";

const FETCH_BYTES_MAX = 1024 * 1024;

/** Delivers every record of some topics from the earliest on until closed. */
export class EmbeddedTail implements Tail {
  readonly #readers: EmbeddedReader[];
  readonly #handedOver: Map<EmbeddedReader, number>;
  readonly #stopping = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  readonly #onError: (thrown: unknown) => void;

  /** @throws LOG_TOPIC_UNKNOWN */
  constructor(
    store: EmbeddedStore,
    topics: readonly string[],
    onRecord: (record: LogRecord) => void,
    onError: (thrown: unknown) => void,
  ) {
    this.#onError = onError;
    // Each partition that waits has a listener.
    setMaxListeners(0, this.#stopping.signal);
    const partitions = topics.flatMap((topic) => store.topic(topic).partitions);
    this.#readers = partitions.map((partition) => new EmbeddedReader(store, partition));
    this.#handedOver = new Map(this.#readers.map((reader) => [reader, 0]));
    this.#running = Promise.all(this.#readers.map((reader) => this.#follow(reader, onRecord)));
  }

  async caughtUp(): Promise<void> {
    const targets = this.#readers.map((reader) => [reader, reader.partition.durable.next] as const);
    while (targets.some(([reader, next]) => this.#handedOver.get(reader)! < next)) {
      if (this.#stopping.signal.aborted) throw new TributaryError("LOG_UNAVAILABLE", "the tail was closed");
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    await this.#running;
  }

  async #follow(reader: EmbeddedReader, onRecord: (record: LogRecord) => void): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const records = await reader.take(signal, FETCH_BYTES_MAX);
      for (const record of records) if (!signal.aborted) this.#handOver(record, onRecord);
      this.#handedOver.set(reader, reader.position);
      this.#wake();
      await nextTurn();
    }
  }

  #handOver(record: LogRecord, onRecord: (record: LogRecord) => void): void {
    try {
      onRecord(record);
    } catch (thrown) {
      this.#onError(thrown);
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
