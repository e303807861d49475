import { messageOf } from "../../errors.ts";
import type { LogRecord } from "../event-log.ts";
import type { Fetched, KafkaConnection } from "./connection.ts";
import { kafkaError, kafkaErrorType } from "./errors.ts";

/** A long poll: how long a broker may wait for a first new record. */
const WAIT_MS = 100;
const RETRY_MS = 200;

/** One partition that is being followed. The fetcher moves `position`; whoever sets it back must set it while no `deliver` runs. */
export interface Cursor {
  readonly topic: string;
  readonly partition: number;
  /** What is fetched next. */
  position: number;
  /** Bytes it can take now; 0: none, and `wake` will be called when that changes. */
  room(): number;
  /** The next records, possibly none; `position` stands behind them already. */
  deliver(records: LogRecord[]): void;
}

/** Follows any number of partitions: one long poll per broker that leads some of them, over one connection. */
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

  /** Some cursor has room again. */
  wake(): void {
    this.#again = true;
    this.#scheduling ??= this.#schedule().finally(() => {
      this.#scheduling = undefined;
      if (this.#again && !this.#stopping.signal.aborted) this.wake();
    });
  }

  /** Delivers nothing more. */
  async close(): Promise<void> {
    this.#stopping.abort();
    this.#cursors.clear();
    await this.#scheduling;
    await Promise.all(this.#polls.values());
  }

  #hungry(): Cursor[] {
    return [...this.#cursors].filter((cursor) => cursor.room() > 0);
  }

  /** Sees to it that every broker that leads a hungry cursor is polled. */
  async #schedule(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      const hungry = this.#hungry();
      if (hungry.length === 0) return;
      try {
        const led = await this.#connection.leaders(hungry);
        for (const nodeId of led.keys()) if (!this.#polls.has(nodeId)) this.#polls.set(nodeId, this.#poll(nodeId));
        if ([...led.values()].flat().length < hungry.length)
          await this.#recover(new Error("partitions have no leader"));
      } catch (thrown) {
        await this.#recover(thrown);
      }
    }
  }

  /** Polls one broker for as long as it leads hungry cursors. */
  async #poll(nodeId: number): Promise<void> {
    try {
      for (;;) {
        const cursors = (await this.#connection.leaders(this.#hungry())).get(nodeId) ?? [];
        if (cursors.length === 0 || this.#stopping.signal.aborted) return;
        await this.#fetch(nodeId, cursors);
      }
    } catch (thrown) {
      await this.#recover(thrown);
    } finally {
      this.#polls.delete(nodeId);
      if (this.#hungry().length > 0) this.wake();
    }
  }

  async #fetch(nodeId: number, cursors: readonly Cursor[]): Promise<void> {
    const wanted = cursors.map((cursor) => ({ ...place(cursor), offset: cursor.position, bytesMax: cursor.room() }));
    let fetched: Fetched[];
    try {
      fetched = await this.#connection.fetch(nodeId, wanted, WAIT_MS);
    } catch (thrown) {
      if (kafkaErrorType(thrown) !== "OFFSET_OUT_OF_RANGE") throw thrown;
      return this.#toEarliest(cursors, thrown);
    }
    for (const [index, cursor] of cursors.entries()) {
      const got = fetched.find(({ topic, partition }) => topic === cursor.topic && partition === cursor.partition);
      // Whoever moved the cursor meanwhile wants something else.
      if (!got || !this.#cursors.has(cursor) || cursor.position !== wanted[index]!.offset) continue;
      await this.#advance(nodeId, cursor, got);
    }
  }

  async #advance(nodeId: number, cursor: Cursor, got: Fetched): Promise<void> {
    const from = cursor.position;
    let { nextOffset } = got;
    if (nextOffset === from && got.end > from) {
      // Compaction may leave a batch without records, of which kafkajs shows nothing. Asked for alone, nothing means just that.
      const wanted = { ...place(cursor), offset: from, bytesMax: Math.max(1, cursor.room()) };
      const [alone] = await this.#connection.fetch(nodeId, [wanted], 0);
      if (!alone || !this.#cursors.has(cursor) || cursor.position !== from) return;
      got = alone;
      nextOffset = alone.nextOffset === from && alone.end > from ? from + 1 : alone.nextOffset;
    }
    if (nextOffset === from) return;
    cursor.position = nextOffset;
    cursor.deliver(got.records);
  }

  /** Retention has taken what some cursor wanted next, or the log was made anew: it goes on from the earliest there is. */
  async #toEarliest(cursors: readonly Cursor[], thrown: unknown): Promise<void> {
    this.#onError(kafkaError(thrown, "records that were to be read next are gone; going on from the earliest"));
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
    this.#onError(kafkaError(thrown, `fetching is interrupted (${messageOf(thrown)})`));
    await this.#connection.clock.sleep(RETRY_MS, signal);
    if (!signal.aborted) await this.#connection.refresh().catch(() => undefined);
    this.#again = true;
  }
}

const place = ({ topic, partition }: Cursor): { topic: string; partition: number } => ({ topic, partition });
