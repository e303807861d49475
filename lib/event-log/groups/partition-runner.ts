import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import type { AssignedPartition, ConsumeOptions, LogRecord, PartitionHandler } from "../event-log.ts";

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 10_000;

/** One partition as seen by one group: the source of its records and the target of its acks. */
export interface RecordSource {
  /** Makes the next `take` start at the group's ack. */
  rewind(): Promise<void>;
  /** The next records in order; waits while there are none. Returns an empty array when the signal aborts. */
  take(signal: AbortSignal): Promise<LogRecord[]>;
  /** Acks durably. A lower offset than before changes nothing. */
  ack(nextOffset: number): Promise<void>;
  /** See AssignedPartition.confirm. */
  confirm(): Promise<void>;
}

export interface PartitionRunnerOptions {
  topic: string;
  partition: number;
  clock: Clock;
  source: RecordSource;
  assigned: (partition: AssignedPartition) => PartitionHandler;
  onError: ConsumeOptions["onError"];
}

/**
 * Runs one partition while one consumer owns it: successive assignments, each from the group's ack, until the
 * runner is revoked or drained. A handler that throws ends its assignment. The next one follows after a
 * backoff that doubles until the group's ack advances.
 */
export class PartitionRunner {
  readonly #options: PartitionRunnerOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #assignment: Assignment | undefined;
  #failures = 0;

  constructor(options: PartitionRunnerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  get topic(): string {
    return this.#options.topic;
  }

  get partition(): number {
    return this.#options.partition;
  }

  /** Another consumer owns the partition now: acks throw. Does not wait for the handler. */
  revoke(): void {
    this.#stopping.abort();
    this.#assignment?.end();
  }

  /** Delivers no more records and waits for the running handler. Acks are accepted until `revoke`. */
  async drain(): Promise<void> {
    this.#stopping.abort();
    this.#assignment?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, onError, topic, partition } = this.#options;
    // Start in the next turn, after the caller has stored the new runner.
    await nextTurn();
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#serve();
      } catch (thrown) {
        if (this.#stopping.signal.aborted) return;
        this.#assignment?.end();
        onError?.(thrown, { topic, partition });
        const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** this.#failures++);
        await clock.sleep(pauseMs, this.#stopping.signal);
      }
    }
  }

  /** One assignment. Returns when the runner stops; throws when the handler or the source fails. */
  async #serve(): Promise<void> {
    const { source, topic, partition, assigned } = this.#options;
    await source.rewind();
    if (this.#stopping.signal.aborted) return;
    const ack = async (nextOffset: number): Promise<void> => {
      await source.ack(nextOffset);
      this.#failures = 0;
    };
    const assignment = new Assignment(topic, partition, { ack, confirm: () => source.confirm() });
    this.#assignment = assignment;
    const handle = assigned(assignment);
    for (;;) {
      const records = await source.take(assignment.signal);
      if (assignment.signal.aborted) return;
      await handle(records);
      // A handler that never waits for I/O must not starve the process.
      await nextTurn();
    }
  }
}

class Assignment implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #over = new AbortController();
  readonly #source: Pick<RecordSource, "ack" | "confirm">;
  #ended = false;

  constructor(topic: string, partition: number, source: Pick<RecordSource, "ack" | "confirm">) {
    this.topic = topic;
    this.partition = partition;
    this.#source = source;
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  async ack(nextOffset: number): Promise<void> {
    if (!Number.isSafeInteger(nextOffset) || nextOffset < 0) throw new Error(`invalid ack: ${nextOffset}`);
    if (this.#ended) throw assignmentLost(this.topic, this.partition);
    await this.#source.ack(nextOffset);
  }

  async confirm(): Promise<void> {
    if (!this.#ended) await this.#source.confirm();
    if (this.#ended) throw assignmentLost(this.topic, this.partition);
  }

  /** The consumer closes: no more records are delivered, but delivered ones can still be acked. */
  close(): void {
    this.#over.abort(new TributaryError("ASSIGNMENT_LOST", `${this.topic}/${this.partition}: the consumer closes`));
  }

  end(): void {
    this.#ended = true;
    this.#over.abort(assignmentLost(this.topic, this.partition));
  }
}

export function assignmentLost(topic: string, partition: number): TributaryError {
  return new TributaryError("ASSIGNMENT_LOST", `${topic}/${partition} is no longer assigned to this consumer`);
}
