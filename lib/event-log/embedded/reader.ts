import type { LogRecord } from "../event-log.ts";
import type { EmbeddedStore, StoredPartition } from "./store.ts";

/** Reads one partition forward and waits at its end for new records. */
export class EmbeddedReader {
  /** The offset at which the next `take` starts. */
  position = 0;
  readonly partition: StoredPartition;
  readonly #store: EmbeddedStore;

  constructor(store: EmbeddedStore, partition: StoredPartition) {
    this.#store = store;
    this.partition = partition;
  }

  /** The next records, about `bytesMax` bytes; waits while there are none. Empty when the signal aborts. */
  async take(signal: AbortSignal, bytesMax: number): Promise<LogRecord[]> {
    while (!signal.aborted) {
      const to = this.partition.durable.next;
      const { records, nextOffset } = this.#store.scan(this.partition, this.position, to, bytesMax);
      this.position = nextOffset;
      if (records.length > 0) return records;
      if (this.position >= this.partition.durable.next) await appended(this.partition, signal);
    }
    return [];
  }
}

/** Resolves at the partition's next append, or when the signal aborts. */
function appended({ waiting }: StoredPartition, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      waiting.delete(go);
      signal.removeEventListener("abort", go);
      resolve();
    };
    if (signal.aborted) return go();
    waiting.add(go);
    signal.addEventListener("abort", go);
  });
}
