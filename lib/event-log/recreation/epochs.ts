import { logEpochs } from "../../messages/avro.ts";
import { TOPICS } from "../../messages/topics.ts";
import { TributaryError } from "../../errors.ts";
import { guardedTail, type GuardedTail, type OnUnreadable } from "../guarded-tail.ts";
import type {
  AssignedPartition,
  ConsumeOptions,
  Consumer,
  EventLog,
  LogRecord,
  PartitionHandler,
  Position,
  Tail,
} from "../event-log.ts";

/** The only key of the topic `log-epochs`. */
export const EPOCH_KEY = "epoch";

const REBASED_TOPIC = TOPICS.fileEvents.name;

/**
 * Wraps the log and adds a base to every offset of `file-events`. The base is 0 unless the log was recreated
 * and adopted (docs/decisions/0011). No other code knows about it. The base follows the topic `log-epochs`;
 * when it changes, assignments of file-events end and start again with the new base before their handler
 * receives another record. Closing the wrapper closes `log`. While an epoch cannot be read because a newer
 * version wrote it, offsets are unknown: the wrapper is not ready and serves nothing of file-events.
 */
export async function withEpochs(log: EventLog, onUnreadable: OnUnreadable = () => undefined): Promise<EventLog> {
  await log.createTopics([TOPICS.logEpochs]);
  let base = 0;
  const onRecord = ({ value }: LogRecord): void => {
    if (value.length > 0) base = logEpochs.decode(value).base;
  };
  const epochs = await guardedTail(log, [TOPICS.logEpochs.name], onRecord, onUnreadable);
  await epochs.caughtUp();
  return new RebasedLog(log, epochs, () => base);
}

class RebasedLog implements EventLog {
  readonly url: string;
  readonly recordBytesMax: number;
  readonly #log: EventLog;
  readonly #epochs: GuardedTail;
  readonly #base: () => number;

  constructor(log: EventLog, epochs: GuardedTail, base: () => number) {
    this.url = log.url;
    this.recordBytesMax = log.recordBytesMax;
    this.#log = log;
    this.#epochs = epochs;
    this.#base = base;
  }

  createTopics: EventLog["createTopics"] = (specs) => this.#log.createTopics(specs);
  topics: EventLog["topics"] = () => this.#log.topics();
  partitionCounts: EventLog["partitionCounts"] = () => this.#log.partitionCounts();
  groupMembers: EventLog["groupMembers"] = (group) => this.#log.groupMembers(group);
  freeBytes: EventLog["freeBytes"] = () => this.#log.freeBytes();
  ready: EventLog["ready"] = async () => {
    this.#epochs.assertReadable();
    await this.#log.ready();
  };

  publish: EventLog["publish"] = async (topic, records) => {
    this.#baseOf(topic);
    const positions = await this.#log.publish(topic, records);
    return positions.map((position) => shifted(position, this.#baseOf(topic)));
  };

  consume(options: ConsumeOptions, assigned: (partition: AssignedPartition) => PartitionHandler): Promise<Consumer> {
    return this.#log.consume(options, (partition) =>
      partition.topic === REBASED_TOPIC ? this.#rebased(partition, assigned) : assigned(partition),
    );
  }

  tail(topics: readonly string[], onRecord: (record: LogRecord) => void): Promise<Tail> {
    return this.#log.tail(topics, (record) => onRecord(shifted(record, this.#baseOf(record.topic))));
  }

  async *read(topic: string, partition: number, from: number, to?: number): AsyncGenerator<LogRecord> {
    const base = await this.#currentBaseOf(topic);
    const end = to === undefined ? [] : [Math.max(0, to - base)];
    for await (const record of this.#log.read(topic, partition, Math.max(0, from - base), ...end)) {
      yield shifted(record, base);
    }
  }

  offsets: EventLog["offsets"] = async (topic) => {
    const base = await this.#currentBaseOf(topic);
    const offsets = await this.#log.offsets(topic);
    return offsets.map(({ partition, earliest, next }) => ({
      partition,
      earliest: earliest + base,
      next: next + base,
    }));
  };

  groupOffsets: EventLog["groupOffsets"] = async (group, topic) => {
    const base = await this.#currentBaseOf(topic);
    return (await this.#log.groupOffsets(group, topic)).map((position) => shifted(position, base));
  };

  async resetGroup(group: string, topic: string, positions: readonly Position[]): Promise<void> {
    const base = await this.#currentBaseOf(topic);
    await this.#log.resetGroup(
      group,
      topic,
      positions.map((position) => shifted(position, -base)),
    );
  }

  async close(): Promise<void> {
    await this.#epochs.close();
    await this.#log.close();
  }

  #rebased(
    partition: AssignedPartition,
    assigned: (partition: AssignedPartition) => PartitionHandler,
  ): PartitionHandler {
    const base = this.#base();
    const handle = assigned({
      topic: partition.topic,
      partition: partition.partition,
      signal: partition.signal,
      ack: (nextOffset) => partition.ack(nextOffset - base),
      confirm: () => partition.confirm(),
    });
    return async (records) => {
      if ((await this.#currentBaseOf(partition.topic)) !== base) {
        throw new TributaryError(
          "ASSIGNMENT_LOST",
          `the offset base of ${partition.topic} changed because a recreated log was adopted`,
        );
      }
      await handle(records.map((record) => shifted(record, base)));
    };
  }

  #baseOf(topic: string): number {
    if (topic !== REBASED_TOPIC) return 0;
    this.#epochs.assertReadable();
    return this.#base();
  }

  /** Reflects every adoption published before the call. */
  async #currentBaseOf(topic: string): Promise<number> {
    if (topic === REBASED_TOPIC) await this.#epochs.caughtUp();
    return this.#baseOf(topic);
  }
}

const shifted = <T extends { offset: number }>(one: T, by: number): T =>
  by === 0 ? one : { ...one, offset: one.offset + by };
