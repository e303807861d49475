import type { LogRecord } from "../event-log.ts";
import { topicPartitionName } from "../groups/assignment.ts";
import type { Fetched, KafkaConnection } from "./connection.ts";
import { kafkaError, kafkaErrorType } from "./errors.ts";

/** Long poll: how long a broker may wait for a first record. */
const WAIT_MS = 100;
const RETRY_MS = 200;

/** A partition being read. The fetcher advances `position`; reset it only while no `deliver` runs. */
export interface Cursor {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to fetch. */
  position: number;
  /** Bytes it can take now. When 0 changes to more, the cursor's owner calls `wake`. */
  room(): number;
  /** Receives the next records, possibly none; `position` is already after them. */
  deliver(records: LogRecord[]): void;
}

/**
 * Reads any number of partitions over one connection, with one long poll for each broker that leads some of
 * them.
 */
export class KafkaFetcher {
  readonly #connection: KafkaConnection;
  readonly #onError: (thrown: unknown) => void;
  readonly #cursors = new Set<Cursor>();
  readonly #polls = new Map<number, Promise<void>>();
  readonly #stopping = new AbortController();
  #scheduling: Promise<void> | undefined;
  #again = false;

  constructor(connection: KafkaConnection, onError: (thrown: unknown) => void) {
    this.#connection = connection;
    this.#onError = onError;
  }

  add(cursor: Cursor): void {
    this.#cursors.add(cursor);
    this.wake();
  }

  remove(cursor: Cursor): void {
    this.#cursors.delete(cursor);
  }

  /** Call when a cursor has room again. */
  wake(): void {
    this.#again = true;
    this.#scheduling ??= this.#schedule().finally(() => {
      this.#scheduling = undefined;
      if (this.#again && !this.#stopping.signal.aborted) this.wake();
    });
  }

  /** Delivers no records after the call. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#cursors.clear();
    await this.#scheduling;
    await Promise.all(this.#polls.values());
  }

  #readyCursors(): Cursor[] {
    return [...this.#cursors].filter((cursor) => cursor.room() > 0);
  }

  /** Starts a poll for every broker that leads a ready cursor. */
  async #schedule(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      const ready = this.#readyCursors();
      if (ready.length === 0) return;
      try {
        const led = await this.#connection.leaders(ready);
        for (const nodeId of led.keys()) if (!this.#polls.has(nodeId)) this.#polls.set(nodeId, this.#poll(nodeId));
        if ([...led.values()].flat().length < ready.length) await this.#recover(new Error("partitions have no leader"));
      } catch (thrown) {
        await this.#recover(thrown);
      }
    }
  }

  /** Polls one broker while it leads ready cursors. */
  async #poll(nodeId: number): Promise<void> {
    try {
      for (;;) {
        const cursors = (await this.#connection.leaders(this.#readyCursors())).get(nodeId) ?? [];
        if (cursors.length === 0 || this.#stopping.signal.aborted) return;
        await this.#fetch(nodeId, cursors);
      }
    } catch (thrown) {
      await this.#recover(thrown);
    } finally {
      this.#polls.delete(nodeId);
      if (this.#readyCursors().length > 0) this.wake();
    }
  }

  async #fetch(nodeId: number, cursors: readonly Cursor[]): Promise<void> {
    const wanted = cursors.map((cursor) => ({
      ...partitionOf(cursor),
      offset: cursor.position,
      bytesMax: cursor.room(),
    }));
    let fetched: Fetched[];
    try {
      fetched = await this.#connection.fetch(nodeId, wanted, WAIT_MS);
    } catch (thrown) {
      if (kafkaErrorType(thrown) !== "OFFSET_OUT_OF_RANGE") throw thrown;
      return this.#toEarliest(cursors, thrown);
    }
    const answers = new Map(fetched.map((one) => [topicPartitionName(one), one]));
    for (const [index, cursor] of cursors.entries()) {
      const got = answers.get(topicPartitionName(cursor));
      // Skip cursors that were moved during the fetch: these records are not the next ones.
      if (!got || !this.#cursors.has(cursor) || cursor.position !== wanted[index]!.offset) continue;
      await this.#advance(nodeId, cursor, got);
    }
  }

  async #advance(nodeId: number, cursor: Cursor, got: Fetched): Promise<void> {
    const from = cursor.position;
    let { nextOffset } = got;
    if (nextOffset === from && got.end > from) {
      // Compaction can leave an empty batch, which kafkajs hides. Fetch the partition alone: an empty
      // response then means that there is no record at this offset, not that other partitions used up the
      // byte limit.
      const wanted = { ...partitionOf(cursor), offset: from, bytesMax: Math.max(1, cursor.room()) };
      const [alone] = await this.#connection.fetch(nodeId, [wanted], 0);
      if (!alone || !this.#cursors.has(cursor) || cursor.position !== from) return;
      got = alone;
      nextOffset = alone.nextOffset === from && alone.end > from ? from + 1 : alone.nextOffset;
    }
    if (nextOffset === from) return;
    cursor.position = nextOffset;
    cursor.deliver(got.records);
  }

  /**
   * Retention deleted a cursor's next record, or the log was recreated: continue from the earliest record.
   */
  async #toEarliest(cursors: readonly Cursor[], thrown: unknown): Promise<void> {
    this.#onError(kafkaError(thrown, "the next records were deleted; continuing from the earliest record"));
    for (const topic of new Set(cursors.map((cursor) => cursor.topic))) {
      const [earliest, next] = await Promise.all([
        this.#connection.listOffsets(topic, "earliest"),
        this.#connection.listOffsets(topic, "next"),
      ]);
      for (const cursor of cursors.filter((other) => other.topic === topic)) {
        const [first, end] = [earliest[cursor.partition]!, next[cursor.partition]!];
        if (cursor.position < first || cursor.position > end) {
          cursor.position = first;
          cursor.deliver([]);
        }
      }
    }
  }

  async #recover(thrown: unknown): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    this.#onError(kafkaError(thrown, "fetch failed; retrying"));
    await this.#connection.clock.sleep(RETRY_MS, signal);
    if (!signal.aborted) await this.#connection.refresh().catch(() => undefined);
    this.#again = true;
  }
}

const partitionOf = ({ topic, partition }: Cursor): { topic: string; partition: number } => ({ topic, partition });
