import type { SemaphoreInterface } from "async-mutex";
import { randomUUID } from "node:crypto";
import type { Clock } from "../../../lib/clock.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { codeOf, hasCode, messageOf } from "../../../lib/errors.ts";
import type { AssignedPartition, EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { commitEvents, rowMessages } from "../../../lib/messages/avro.ts";
import type { Command, CommitEvent, RowMessage } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { retry } from "../../../lib/retry.ts";
import { assertLogKeptItsPast } from "../../../lib/event-log/recreation/log-past.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { Tracer } from "../../../lib/process/tracing.ts";
import type { TableDescription, Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { commitFiles, type WriterContext } from "../commit/commit.ts";
import { countCommit } from "./count.ts";
import { deadLetterOf } from "../commit/dead-letter.ts";
import { Signal } from "./signal.ts";
import type { CommitterMetrics } from "../metrics.ts";
import { batchLength, dueLimit, hasRoom, type BatchLimits, type Limit } from "./micro-batch.ts";
import { outcomeOf, type Failure } from "../commit/outcome.ts";
import { LedgerWrite, type ReadyFile } from "./ledger-write.ts";
import { ParseAttempts, type EndedFile } from "./parse-attempts.ts";
import { FileTraces } from "./traces.ts";

export interface TableWriterSettings extends BatchLimits {
  /** After so many attempts in a row a failing step makes the lane "stuck". It goes on trying. */
  attemptsMax: number;
  backoffMsMin: number;
  backoffMsMax: number;
}

/** What a lane asks of the commands: the next one for its table, and how to carry it out. */
export interface TableCommands {
  next(table: string): Command | undefined;
  /** Carries out one step of it, and publishes what came of it after the last. Throws only when `writer.signal` aborts. */
  carryOut(command: Command, writer: WriterContext): Promise<void>;
}

export interface TableWriterDeps {
  log: EventLog;
  warehouse: Warehouse;
  clock: Clock;
  logger: Logger;
  metrics: CommitterMetrics;
  tracer: Tracer;
  commands: TableCommands;
  /** Only so many lanes commit at a time; while one waits for its turn, files gather. */
  turns: Pick<SemaphoreInterface, "acquire">;
  settings: TableWriterSettings;
}

/**
 * The one writer of a table. A lane's life is an assignment's life: it begins with what the warehouse has on record, and ends with the
 * assignment; all it holds in memory can be had again from the log.
 *
 *     opening ──watermark known──▶ waiting ⇄ committing ⇄ commanding ──assignment ends, or drained──▶ closed
 *                                     each of them, while a step keeps failing: stuck (tries on, takes no more)
 *
 * Two activities go on side by side: `feed` stages what the log hands over, and one writer loop commits and carries out commands,
 * one at a time. While it commits, complete files gather for the next micro-batch; when two are full, `feed` waits.
 *
 * A micro-batch goes: commit → CommitEvent → dead letters → record → ack → stages discarded; from the record on beside the next commit, where
 * that is safe (recording.ts). Each step may happen again after a crash, and none is lost: what is not on record is redelivered,
 * commits and records are idempotent, commit events may come twice.
 */
export class TableWriter implements WriterContext {
  readonly contract: Contract;
  readonly warehouse: Warehouse;
  /** Resolves once the writer has stopped and the stages are let go: only then may another lane write this table. */
  readonly closed: Promise<void>;
  description: TableDescription | undefined | "unknown" = "unknown";
  readonly #deps: TableWriterDeps;
  readonly #partition: AssignedPartition;
  readonly #stop = new AbortController();
  readonly #work = new Signal();
  readonly #room = new Signal();
  readonly #opened: Promise<ParseAttempts | undefined>;
  readonly #traces: FileTraces;
  #ready: ReadyFile[] = [];
  readonly #recording = new LedgerWrite();
  #feeding = false;
  #draining = false;
  #acked = 0;
  #lastCommitAtMs: number | undefined;
  #trouble: unknown;
  #endTurn = (): void => undefined;

  /** `previous` is when the lane that had this table before, in this process, has closed. */
  constructor(deps: TableWriterDeps, contract: Contract, partition: AssignedPartition, previous: Promise<void>) {
    this.#deps = deps;
    this.warehouse = deps.warehouse;
    this.contract = contract;
    this.#partition = partition;
    this.#traces = new FileTraces(deps.tracer);
    if (partition.signal.aborted) this.#end();
    else partition.signal.addEventListener("abort", () => this.#end(), { once: true });
    this.#opened = previous.then(() => this.#open());
    this.closed = this.#opened.then((runs) => this.#close(runs));
  }

  get table(): string {
    return this.contract.table;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  confirmOwner(): Promise<void> {
    return this.#partition.confirm();
  }

  /** What keeps the lane from its work, if something does for longer than a few attempts. */
  get trouble(): unknown {
    return this.#trouble;
  }

  /** Stages records; resolves when the lane has room for more. A failure to stage ends the assignment: all comes again, to a new lane. */
  async feed(records: readonly LogRecord[]): Promise<void> {
    const runs = await this.#opened;
    this.#feeding = true;
    try {
      for (const record of records) {
        await this.#untilRoom();
        if (!runs || this.#over) return;
        await this.#take(runs, record);
      }
    } catch (thrown) {
      if (this.#over) return;
      this.#end();
      throw thrown;
    } finally {
      this.#feeding = false;
      this.#work.notify();
    }
    await this.#untilRoom();
  }

  /** Says that there may be a command. */
  trigger(): void {
    this.#work.notify();
  }

  /** Takes no more; commits the files that are complete, unless the warehouse makes trouble; then closes. Idempotent. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#trouble !== undefined) this.#end();
    this.#ring();
    await this.closed;
  }

  /** TableWriter: does the lane drain, or has a complete file waited for longer than this? */
  mustYield(afterMs: number): boolean {
    const [oldest] = this.#ready;
    return this.#draining || (oldest !== undefined && this.#deps.clock.monotonicMs() - oldest.readyAtMs > afterMs);
  }

  /** TableWriter: tries until it succeeds, the error is not `retryable`, or the lane ends. */
  persist = async <T>(step: string, attempt: () => Promise<T>, retryable = anyButLoss): Promise<T> => {
    const { clock, settings, logger, metrics } = this.#deps;
    const { attemptsMax, backoffMsMin, backoffMsMax } = settings;
    let stuck = false;
    const onRetry = (thrown: unknown, attempts: number): void => {
      // Whoever has trouble does not keep the others waiting.
      this.#endTurn();
      metrics.retries.inc({ step });
      metrics.throughput.error(codeOf(thrown));
      logger.warn({ table: this.table, step, attempts, err: thrown }, `${step} failed, trying again`);
      if (attempts >= attemptsMax) this.#setTrouble(thrown);
      stuck ||= attempts >= attemptsMax;
      if (this.#draining) this.#end();
    };
    const options = { attemptsMax: Infinity, backoffMsMin, backoffMsMax, signal: this.signal, retryable, onRetry };
    try {
      return await retry(clock, options, attempt);
    } finally {
      if (stuck) this.#setTrouble(undefined);
    }
  };

  get #over(): boolean {
    return this.#draining || this.signal.aborted;
  }

  async #untilRoom(): Promise<void> {
    const { clock, settings } = this.#deps;
    const held = (): ReadyFile[] => [...this.#recording.batch, ...this.#ready];
    while (!this.#over && !hasRoom(held(), settings)) await this.#room.wait(clock);
  }

  async #take(runs: ParseAttempts, record: LogRecord): Promise<void> {
    const { metrics, logger } = this.#deps;
    let message: RowMessage;
    try {
      message = rowMessages.decode(record.value);
    } catch (thrown) {
      // Not lost in silence: the run it belonged to has a gap now, and its file ends as ROWS_MISSING.
      logger.error({ table: this.table, offset: record.offset, err: thrown }, "record is not a row message: skipped");
      return metrics.throughput.dropped("undecodable");
    }
    const step = runs.accept(record.offset, message);
    metrics.throughput.received("row_message");
    if (step.do === "end") this.#traces.note(record);
    if (step.do === "append") await step.stage.append(step.batch);
    else if (step.do === "reject") await step.stage.reject(step.rejects);
    else if (step.do === "skip") metrics.throughput.dropped(step.because);
    else this.#enqueue(runs);
    await Promise.all(runs.takeDiscarded().map((stage) => stage.discard()));
  }

  #enqueue(runs: ParseAttempts): void {
    const readyAtMs = this.#deps.clock.monotonicMs();
    this.#ready.push(...runs.release().map((file) => ({ file, stage: file.stage, readyAtMs })));
    this.#work.notify();
  }

  async #open(): Promise<ParseAttempts | undefined> {
    this.#deps.metrics.lanes.inc();
    try {
      const watermark = await this.persist("open", async () => {
        const known = await this.warehouse.watermark(this.table);
        if (known !== undefined) await assertLogKeptItsPast(this.#deps.log, new Map([[this.table, known]]));
        return known;
      });
      return new ParseAttempts(watermark, (runId) => this.warehouse.stage(this.table, runId));
    } catch (thrown) {
      if (!this.signal.aborted) throw thrown;
      return undefined;
    }
  }

  async #close(runs: ParseAttempts | undefined): Promise<void> {
    try {
      if (runs) await this.#write(runs);
    } catch (thrown) {
      // What is left undone is redelivered to the next owner.
      if (!this.signal.aborted && !hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
    } finally {
      this.#end();
      await this.#recording.done().catch(() => undefined);
      await Promise.allSettled((runs?.stages() ?? []).map((stage) => stage.discard()));
      this.#deps.metrics.lanes.dec();
    }
  }

  /** The writer loop. Commits and commands take turns, so that neither starves the other. */
  async #write(runs: ParseAttempts): Promise<void> {
    const { clock, settings, commands, turns } = this.#deps;
    while (!this.signal.aborted) {
      if (this.#recording.batch.length === 0) await this.#recording.done();
      await this.#ack(runs);
      const moment = {
        nowMs: clock.monotonicMs(),
        lastCommitAtMs: this.#lastCommitAtMs,
        moreComing: this.#feeding || runs.hasOpenFiles,
      };
      const due = dueLimit(this.#ready, settings, moment);
      const limit = "limit" in due ? due.limit : this.#draining && this.#ready.length > 0 ? "drain" : undefined;
      if (limit) {
        [, this.#endTurn] = await turns.acquire();
        try {
          if (!this.signal.aborted) await this.#commit(runs, limit);
        } finally {
          this.#endTurn();
        }
      }
      const command = this.#draining ? undefined : commands.next(this.table);
      if (command || (this.#draining && !limit)) await this.#recording.done();
      if (command) await commands.carryOut(command, this);
      else if (this.#draining && !limit) return this.#ack(runs);
      else if (!limit) await this.#work.wait(clock, "inMs" in due ? due.inMs : undefined);
    }
  }

  async #commit(runs: ParseAttempts, limit: Limit): Promise<void> {
    const { clock, log, settings } = this.#deps;
    const batch = this.#ready.slice(0, batchLength(this.#ready, settings));
    if (!this.#recording.allows(batch, this.contract)) await this.#recording.done();
    const files = batch.map(({ file }) => file);
    const startedMs = clock.monotonicMs();
    this.#lastCommitAtMs = startedMs;
    const { receipts, failures } = await commitFiles(this, files);
    this.#endTurn();
    const total = (field: "rowsInserted" | "rowsUpdated" | "rowsDeleted"): number =>
      receipts.reduce((sum, receipt) => sum + receipt[field], 0);
    const event: CommitEvent = {
      commitId: randomUUID(),
      table: this.table,
      snapshotId: receipts.at(-1)?.snapshotId ?? null,
      committedAtMs: clock.nowMs(),
      commitMs: Math.round(clock.monotonicMs() - startedMs),
      limit,
      strategy: receipts.at(-1)?.strategy ?? "none",
      rowsInserted: total("rowsInserted"),
      rowsUpdated: total("rowsUpdated"),
      rowsDeleted: total("rowsDeleted"),
      tableFiles: receipts.at(-1)?.files ?? null,
      files: files.map((file) => outcomeOf(file, failures.get(file))),
    };
    const value = commitEvents.encode(event);
    await this.persist("publish", () => log.publish(TOPICS.commits.name, [{ key: this.table, value }]));
    await this.#bury(files, failures);
    await this.#recording.done();
    this.#ready = this.#ready.slice(batch.length);
    this.#recording.begin(
      batch,
      () => this.#record(runs, files, event),
      () => this.#ring(),
    );
  }

  async #record(runs: ParseAttempts, files: readonly EndedFile[], event: CommitEvent): Promise<void> {
    const ended = event.files.map((outcome, index) => ({ outcome, stage: files[index]!.stage }));
    await this.persist("record", () => this.warehouse.record(this.table, ended, event.committedAtMs));
    runs.recorded(files);
    await this.#ack(runs);
    await Promise.all(files.map(({ stage }) => stage.discard()));
    const { metrics, clock, logger } = this.#deps;
    countCommit(metrics, event, clock.nowMs());
    this.#traces.recorded(event, clock.nowMs());
    logger.info({ ...event, files: event.files.length }, "committed");
  }

  /** Files that failed here, not in their parser, become dead letters: they can be replayed from there. */
  async #bury(files: readonly EndedFile[], failures: ReadonlyMap<EndedFile, Failure>): Promise<void> {
    const { clock, log } = this.#deps;
    for (const file of files) {
      const failure = failures.get(file);
      if (!failure || file.end.outcome === "failed") continue;
      await this.persist("publish", async () => {
        const value = await deadLetterOf(log, this.table, file, failure, clock.nowMs());
        await log.publish(TOPICS.deadLetters.name, [{ key: this.table, value }]);
      });
      this.#deps.metrics.throughput.sent("dead_letter");
    }
  }

  async #ack(runs: ParseAttempts): Promise<void> {
    const position = runs.ackable;
    if (position === undefined || position <= this.#acked) return;
    await this.persist("ack", () => this.#partition.ack(position));
    this.#acked = Math.max(this.#acked, position);
  }

  #setTrouble(thrown: unknown): void {
    if (thrown === this.#trouble) return;
    const { metrics, logger } = this.#deps;
    if (thrown === undefined) metrics.laneStuck.remove({ table: this.table });
    else metrics.laneStuck.set({ table: this.table }, 1);
    if (thrown !== undefined && this.#trouble === undefined) {
      logger.error({ table: this.table, err: thrown }, `the table's writer is stuck: ${messageOf(thrown)}`);
    }
    this.#trouble = thrown;
  }

  #end(): void {
    this.#stop.abort();
    this.#ring();
  }

  #ring(): void {
    this.#work.notify();
    this.#room.notify();
  }
}

/** The default of what is worth trying again: everything, as long as the partition is ours. */
const anyButLoss = (thrown: unknown): boolean => !hasCode(thrown, "ASSIGNMENT_LOST");
