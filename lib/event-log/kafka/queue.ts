import type { LogRecord } from "../event-log.ts";
import type { Cursor } from "./fetcher.ts";

/**
 * A cursor that queues fetched records for its partition runner: at most about `bytesMax` and one Kafka
 * batch.
 */
export class KafkaQueue implements Cursor {
  readonly topic: string;
  readonly partition: number;
  position = 0;
  readonly #bytesMax: number;
  readonly #wake: () => void;
  #records: LogRecord[] = [];
  #bytes = 0;
  #arrived: () => void = () => undefined;

  /** Calls `wake` when there is room again. */
  constructor(topic: string, partition: number, bytesMax: number, wake: () => void) {
    this.topic = topic;
    this.partition = partition;
    this.#bytesMax = bytesMax;
    this.#wake = wake;
  }

  room(): number {
    return this.#bytes > this.#bytesMax / 2 ? 0 : this.#bytesMax - this.#bytes;
  }

  deliver(records: LogRecord[]): void {
    this.#records.push(...records);
    for (const record of records) this.#bytes += record.value.length;
    if (records.length > 0) this.#arrived();
  }

  /** Clears the queue. The next record taken is the first one at or after `offset`. */
  moveTo(offset: number): void {
    this.#records = [];
    this.#bytes = 0;
    this.position = offset;
    this.#wake();
  }

  /** The next records, about `bytesMax` bytes; waits while there are none. Empty when the signal aborts. */
  async take(signal: AbortSignal): Promise<LogRecord[]> {
    if (this.#records.length === 0) await this.#arrival(signal);
    if (signal.aborted) return [];
    let bytes = 0;
    const full = this.#records.findIndex(({ value }) => (bytes += value.length) >= this.#bytesMax);
    const taken = this.#records.splice(0, full < 0 ? this.#records.length : full + 1);
    for (const record of taken) this.#bytes -= record.value.length;
    this.#wake();
    return taken;
  }

  #arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        signal.removeEventListener("abort", go);
        resolve();
      };
      if (signal.aborted) return go();
      this.#arrived = go;
      signal.addEventListener("abort", go);
    });
  }
}
