import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import type { AssignedPartition, ConsumeOptions, LogRecord, PartitionHandler } from "../event-log.ts";

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 10_000;

/** Where a lane's records come from and its acks go: one partition as seen by one group. */
export interface RecordSource {
  /** Makes the next `take` begin at the group's ack. */
  rewind(): Promise<void>;
  /** The next records, in order; waits while there are none. Returns nothing once the signal aborts. */
  take(signal: AbortSignal): Promise<LogRecord[]>;
  /** Durably; a lower offset than before changes nothing. */
  ack(nextOffset: number): Promise<void>;
  /** What AssignedPartition.confirm says. */
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
 * One partition for as long as one consumer owns it: assignment after assignment, each from the group's ack, until the lane is
 * lost or drained. A handler that throws ends its assignment; the next one follows after a pause that doubles until the
 * group's ack moves on.
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

  /** The partition belongs to another from now on: acks throw, nothing is waited for. */
  revoke(): void {
    this.#stopping.abort();
    this.#assignment?.end();
  }

  /** Hands out no more records and waits for the handler that runs. Acks still work until `lose`. */
  async drain(): Promise<void> {
    this.#stopping.abort();
    this.#assignment?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, onError, topic, partition } = this.#options;
    // Not at once: whoever makes the lane must be able to finish what it is at.
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

  /** One assignment. Returns when the lane stops; throws when the handler, or reading, fails. */
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
      // A handler that never really waits must not starve the rest of the process.
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
    if (!Number.isSafeInteger(nextOffset) || nextOffset < 0) throw new Error(`no offset to ack: ${nextOffset}`);
    if (this.#ended) throw assignmentLost(this.topic, this.partition);
    await this.#source.ack(nextOffset);
  }

  async confirm(): Promise<void> {
    if (!this.#ended) await this.#source.confirm();
    if (this.#ended) throw assignmentLost(this.topic, this.partition);
  }

  /** The consumer closes: no more records, but what is in hand may still be acked. */
  close(): void {
    this.#over.abort(new TributaryError("ASSIGNMENT_LOST", `the consumer of ${this.topic}/${this.partition} closes`));
  }

  end(): void {
    this.#ended = true;
    this.#over.abort(assignmentLost(this.topic, this.partition));
  }
}

export function assignmentLost(topic: string, partition: number): TributaryError {
  return new TributaryError("ASSIGNMENT_LOST", `${topic}/${partition} is no longer assigned to this consumer`);
}
