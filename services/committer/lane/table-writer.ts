import type { SemaphoreInterface } from "async-mutex";
import type { Clock } from "../../../lib/clock.ts";
import type { Contract, Contracts } from "../../../lib/contract/contract.ts";
import { hasCode } from "../../../lib/errors.ts";
import type { AssignedPartition, EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import type { FileSkip, RowMessage } from "../../../lib/messages/generated.ts";
import { readRowMessage } from "../../../lib/messages/operation.ts";
import { reportUnreadable } from "../../../lib/observability/unreadable.ts";
import { assertLogKeptItsPast } from "../../../lib/event-log/recreation/log-past.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { Tracer } from "../../../lib/process/tracing.ts";
import type { TableDescription, Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { commitFiles } from "../commit/commit.ts";
import type { CommittingWriter } from "../commit/writer.ts";
import type { RebuildDeps } from "../rebuild/deps.ts";
import { publishCommit } from "../commit/event-parts.ts";
import { countCommit } from "./count.ts";
import { AbsorbedFiles } from "../commit/absorbed.ts";
import type { TableCommands } from "../commands/table-commands.ts";
import { expiredOf, ExpiryCheck } from "./expired.ts";
import { publishDeadLetters } from "../commit/dead-letter.ts";
import { isPublished, publishAfter, publishAtOpen } from "../commit/published-columns.ts";
import { withoutRepeats } from "../commit/repeated.ts";
import { assertOneLane } from "./one-lane.ts";
import { loadReported } from "../load-plan/load-planned.ts";
import { LostFiles, waitMs } from "./lost-files.ts";
import type { FollowedSchemas } from "../../../lib/table-schemas/followed-schemas.ts";
import { Signal } from "./signal.ts";
import type { CommitterMetrics } from "../metrics.ts";
import { batchLength, dueLimit, hasRoom, type BatchLimits, type Limit } from "./micro-batch.ts";
import { commitEventOf, lastOfEachFile, recordOf, withoutRepeated, type DoneBatch } from "../commit/outcome.ts";
import { LedgerWrite, readyFile, type ReadyFile } from "./ledger-write.ts";
import { Retries, type Persist, type RetrySettings } from "./retries.ts";
import { ParseAttempts, type EndedFile } from "./parse-attempts.ts";
import { FileTraces } from "./traces.ts";
import { Cancels, type CancelDeps } from "../set-aside/cancels.ts";

export type TableWriterSettings = BatchLimits & RetrySettings & { announcedRowsMin?: number };

export interface TableWriterDeps {
  log: EventLog;
  contracts: Pick<Contracts, "of">;
  warehouse: Warehouse;
  clock: Clock;
  logger: Logger;
  metrics: CommitterMetrics;
  tracer: Tracer;
  commands: TableCommands;
  skips: CancelDeps["skips"];
  schemas: FollowedSchemas;
  rebuilding: RebuildDeps;
  /** Limits concurrent commits. While a writer waits for a slot, its files gather. */
  commitSlots: Pick<SemaphoreInterface, "acquire">;
  /** Limits concurrent attempts of blocked tables, which must not take the slots of the others. */
  blockedSlots: Pick<SemaphoreInterface, "acquire">;
  settings: TableWriterSettings;
}

/**
 * The only writer of a table. It lives as long as its partition assignment: it starts from the state
 * recorded in the warehouse, and everything in its memory can be read again from the log.
 *
 *     opening ──watermark known──▶ waiting ⇄ committing ⇄ commanding ──assignment ends, or drained──▶ closed
 *                                in each state, while a step keeps failing: stuck (retries, accepts no rows)
 *
 * Two activities run concurrently: `feed` stages records of the log, and one writer loop commits and carries
 * out commands, one at a time. During a commit, complete files gather for the next micro-batch; when two are
 * full, `feed` waits.
 *
 * Steps of a micro-batch: commit → CommitEvent → dead letters → ledger write → ack → discard stages. From
 * the ledger write on, the next commit may run concurrently if that is safe (ledger-write.ts). A crash may
 * repeat steps but loses none: unrecorded messages are redelivered, commits and ledger writes are
 * idempotent, commit events may be duplicated. A commit may itself write the ledger (commit/absorbed.ts).
 */
export class TableWriter implements CommittingWriter {
  readonly table: string;
  /** The contract in force when the current round of the writer loop began. */
  contract!: Contract;
  readonly warehouse: Warehouse;
  /** Resolves once the writer has stopped and discarded its stages: another may write the table then. */
  readonly closed: Promise<void>;
  description: TableDescription | undefined | "unknown" = "unknown";
  incomplete: number | undefined | "unknown" = "unknown";
  readonly rebuilding: RebuildDeps;
  readonly cancels: Cancels;
  readonly #deps: TableWriterDeps;
  readonly #partition: AssignedPartition;
  readonly #stop = new AbortController();
  readonly #work = new Signal();
  readonly #room = new Signal();
  readonly #opened: Promise<ParseAttempts | undefined>;
  readonly #traces: FileTraces;
  #ready: ReadyFile[] = [];
  readonly #ledgerWrite = new LedgerWrite();
  #feeding = false;
  #draining = false;
  #acked = 0;
  readonly #expiry: ExpiryCheck;
  readonly #lostFiles: LostFiles;
  #absorbed: AbsorbedFiles | undefined;
  #lastCommitAtMs: number | undefined;
  readonly #retries: Retries;
  #releaseSlot = (): void => undefined;

  releaseSlot = (): void => this.#releaseSlot();

  /** `previous` resolves when this process's previous writer of the table has closed. */
  constructor(deps: TableWriterDeps, table: string, partition: AssignedPartition, previous: Promise<void>) {
    this.#deps = deps;
    this.warehouse = deps.warehouse;
    this.rebuilding = deps.rebuilding;
    this.cancels = new Cancels(deps, table);
    this.table = table;
    this.#partition = partition;
    this.#expiry = new ExpiryCheck(deps.log, partition.topic);
    this.#lostFiles = new LostFiles(deps.log, table);
    this.#traces = new FileTraces(deps.tracer);
    this.#retries = new Retries(deps, {
      table,
      signal: this.signal,
      failed: () => this.#onFailure(),
      resuming: (step, isBlocked) => this.#reacquire(step, isBlocked),
    });
    if (partition.signal.aborted) this.#end();
    else partition.signal.addEventListener("abort", () => this.#end(), { once: true });
    this.#opened = previous.then(() => this.#open());
    this.closed = this.#opened.then((attempts) => this.#close(attempts));
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  confirmOwner(): Promise<void> {
    return this.#partition.confirm();
  }

  get stuckError(): unknown {
    return this.#retries.stuckError;
  }

  /**
   * Stages records; resolves when there is room for more. A staging failure ends the assignment: a new
   * writer gets all again.
   */
  async feed(records: readonly LogRecord[]): Promise<void> {
    const attempts = await this.#opened;
    this.#feeding = true;
    try {
      for (const record of records) {
        await this.#untilRoom();
        if (!attempts || this.#over) return;
        await this.#expiry.check(record.offset);
        await this.#take(attempts, record);
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

  trigger(): void {
    this.#work.notify();
  }

  /** A file was set aside or cancelled: ends its load, and the wait of a failing step. */
  setAside(skip: FileSkip): void {
    this.cancels.notice(skip);
    this.#retries.wake();
  }

  /** Stops feeding, commits complete files unless the writer is stuck, then closes. Idempotent. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.stuckError !== undefined) this.#end();
    this.#notifyAll();
    await this.closed;
  }

  mustYield(afterMs: number): boolean {
    const [oldest] = this.#ready;
    return this.#draining || (oldest !== undefined && this.#deps.clock.monotonicMs() - oldest.readyAtMs > afterMs);
  }

  /** Retries until success, an error that is not `retryable`, or the end of the assignment. */
  persist: Persist = (step, attempt, options) => this.#retries.run(step, attempt, options);

  #onFailure(): void {
    // Other tables can commit during the wait.
    this.#releaseSlot();
    if (this.#draining) this.#end();
  }

  async #reacquire(step: string, isBlocked: boolean): Promise<void> {
    if (step !== "commit") return;
    const { commitSlots, blockedSlots } = this.#deps;
    [, this.#releaseSlot] = await (isBlocked ? blockedSlots : commitSlots).acquire();
  }

  get #over(): boolean {
    return this.#draining || this.signal.aborted;
  }

  async #untilRoom(): Promise<void> {
    const { clock, settings } = this.#deps;
    const held = (): ReadyFile[] => [...this.#ledgerWrite.batch, ...this.#ready];
    while (!this.#over && !hasRoom(held(), settings)) await this.#room.wait(clock);
  }

  async #take(attempts: ParseAttempts, record: LogRecord): Promise<void> {
    const { metrics } = this.#deps;
    let message: RowMessage;
    try {
      message = readRowMessage(record.value);
    } catch (thrown) {
      if (hasCode(thrown, "MESSAGE_TOO_NEW")) await this.persist("read", () => Promise.reject(thrown));
      reportUnreadable(this.#deps.logger, metrics.throughput)(thrown, record);
      return attempts.skipUnreadable(record.offset);
    }
    const step = attempts.accept(record.offset, message);
    if (step.do === "skip" && step.because === "absorbed") this.#absorbed?.note(message);
    metrics.throughput.received("row_message");
    if (step.do === "end") this.#traces.note(record);
    if (step.do === "append") await step.stage.append(step.batch);
    else if (step.do === "reject") await step.stage.reject(step.rejects);
    else if (step.do === "load") await loadReported(this, this.#deps, message, step);
    else if (step.do === "skip") metrics.throughput.dropped(step.because);
    else this.#enqueue(attempts);
    await Promise.all(attempts.takeDiscarded().map((stage) => stage.discard()));
  }

  /** Ends files whose end will never come, so that they do not hold up the others. */
  async #endLost(attempts: ParseAttempts): Promise<void> {
    const ends = await this.persist("read", () => this.#lostFiles.ends(attempts, this.#deps.clock.nowMs()));
    for (const end of ends) attempts.accept(attempts.nextOffset - 1, end);
    this.#deps.metrics.throughput.dropped("incomplete", ends.length);
    if (ends.length > 0 || !attempts.isHeldUp) this.#enqueue(attempts);
  }

  #enqueue(attempts: ParseAttempts): void {
    const readyAtMs = this.#deps.clock.monotonicMs();
    this.#ready.push(...attempts.release().map((file) => ({ ...readyFile(file), readyAtMs })));
    this.#work.notify();
  }

  async #open(): Promise<ParseAttempts | undefined> {
    this.#deps.metrics.writers.inc();
    try {
      // While its contract is faulty, the table waits: the default contract could write its rows wrongly.
      this.contract = await this.persist("open", async () => this.#deps.contracts.of(this.table));
      await this.persist("open", () => this.cancels.open());
      const watermark = await this.persist("open", async () => {
        await assertOneLane(this.#deps.log, this.#partition);
        await this.warehouse.recover(this.table, { confirmOwner: () => this.confirmOwner() });
        const known = await this.warehouse.watermark(this.table);
        if (known !== undefined) await assertLogKeptItsPast(this.#deps.log, new Map([[this.table, known]]));
        return known;
      });
      await publishAtOpen(this, this.#deps, watermark);
      this.#absorbed = new AbsorbedFiles({ ...this.#deps, persist: this.persist }, this.table, watermark);
      const attempts = new ParseAttempts(watermark, (runId) => this.warehouse.stage(this.table, runId));
      await this.#endExpired(attempts);
      return attempts;
    } catch (thrown) {
      if (!this.signal.aborted && !hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
      return undefined;
    }
  }

  async #endExpired(attempts: ParseAttempts): Promise<void> {
    const { log, clock, logger, metrics } = this.#deps;
    const expired = await this.persist("open", () => expiredOf(log, this.table, attempts.watermark, clock.nowMs()));
    if (!expired) return;
    logger.error({ table: this.table, keptFrom: expired.keptFrom }, "rows expired before they were committed");
    metrics.throughput.dropped("expired");
    for (const message of expired.ends) attempts.accept(expired.keptFrom - 1, message);
    this.#enqueue(attempts);
  }

  async #close(attempts: ParseAttempts | undefined): Promise<void> {
    try {
      if (attempts) await this.#write(attempts);
    } catch (thrown) {
      // Unfinished work is redelivered to the next owner.
      if (!this.signal.aborted && !hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
    } finally {
      this.#end();
      await this.#ledgerWrite.done().catch(() => undefined);
      await Promise.allSettled((attempts?.stages() ?? []).map((stage) => stage.discard()));
      await this.#retries.settled();
      this.#deps.metrics.writers.dec();
    }
  }

  /** The writer loop. Alternates commits and commands, so that neither starves the other. */
  async #write(attempts: ParseAttempts): Promise<void> {
    const { clock, contracts, settings, commands, commitSlots } = this.#deps;
    while (!this.signal.aborted) {
      this.contract = await this.persist("contract", async () => contracts.of(this.table));
      if (this.#ledgerWrite.batch.length === 0) await this.#ledgerWrite.done();
      await this.#ack(attempts);
      if (attempts.isHeldUp && !this.#draining) await this.#endLost(attempts);
      const state = {
        nowMs: clock.monotonicMs(),
        lastCommitAtMs: this.#lastCommitAtMs,
        moreComing: this.#feeding || attempts.hasOpenFiles,
      };
      const due = dueLimit(this.#ready, settings, state);
      const limit = "limit" in due ? due.limit : this.#draining && this.#ready.length > 0 ? "drain" : undefined;
      if (limit) {
        [, this.#releaseSlot] = await commitSlots.acquire();
        try {
          if (!this.signal.aborted) await this.#commit(attempts, limit);
        } finally {
          this.#releaseSlot();
        }
      }
      const command = this.#draining ? undefined : commands.next(this.table);
      if (command || (this.#draining && !limit)) await this.#ledgerWrite.done();
      if (command) await commands.carryOut(command, this);
      else if (this.#draining && !limit) return this.#ack(attempts);
      else if (!limit) await this.#work.wait(clock, waitMs(due, attempts));
    }
  }

  async #commit(attempts: ParseAttempts, limit: Limit): Promise<void> {
    const { clock, log, settings } = this.#deps;
    const batch = this.#ready.slice(0, batchLength(this.#ready, settings));
    if (!this.#ledgerWrite.allows(batch, this.contract)) await this.#ledgerWrite.done();
    const startedMs = clock.monotonicMs();
    this.#lastCommitAtMs = startedMs;
    const ended = batch.map(({ file }) => file);
    const { files, onRecord } = await withoutRepeats(this, ended);
    const withRecords = await this.#mayShare(files);
    const { receipts, failures, readAgain = [], isRecorded = false } = await commitFiles(this, files, { withRecords });
    this.#releaseSlot();
    await publishAfter(this, this.#deps, ended, failures);
    const records = files.map((file) => recordOf(file, failures.get(file), this.contract.writeMode));
    const times = { committedAtMs: clock.nowMs(), commitMs: Math.round(clock.monotonicMs() - startedMs) };
    const made = commitEventOf(this.table, [...records, ...onRecord], receipts);
    const event = { ...made, files: [...made.files, ...readAgain], ...times, limit };
    await publishCommit(log, this.persist, event);
    await publishDeadLetters(this, this.#deps, failures);
    await this.#ledgerWrite.done();
    this.#ready = this.#ready.slice(batch.length);
    this.#ledgerWrite.begin(
      batch,
      () => this.#writeLedger(attempts, batch, { event: withoutRepeated(event, records), records, isRecorded }),
      () => this.#notifyAll(),
    );
  }

  /** Whether the commit may write the files' records: after those of earlier files, and before its event. */
  async #mayShare(files: readonly EndedFile[]): Promise<boolean> {
    if (!this.warehouse.supports.recordsWithRows || !isPublished(this, this.#deps, files)) return false;
    await this.#ledgerWrite.done();
    return true;
  }

  async #writeLedger(attempts: ParseAttempts, batch: readonly ReadyFile[], done: DoneBatch): Promise<void> {
    const { event, records } = done;
    const files = batch.map(({ file }) => file);
    const ended = lastOfEachFile(records);
    if (ended.length > 0 && !done.isRecorded)
      await this.persist("record", () => this.warehouse.record(this.table, ended, event.committedAtMs));
    attempts.recorded(files);
    await this.#ack(attempts);
    await Promise.all(files.map(({ stage }) => stage.discard()));
    const { metrics, clock, logger } = this.#deps;
    metrics.throughput.dropped("repeated_file", files.length - records.length);
    const settled = new Set(files.filter((file) => file.settled).map(({ fileId }) => fileId));
    countCommit(metrics, event, clock.nowMs(), settled);
    this.#traces.recorded(event, clock.nowMs());
    logger.info({ ...event, files: event.files.length, held: event.held?.length ?? 0 }, "committed");
  }

  async #ack(attempts: ParseAttempts): Promise<void> {
    const position = attempts.ackable;
    if (position === undefined || position <= this.#acked) return;
    await this.#absorbed?.announce();
    await this.persist("ack", () => this.#partition.ack(position));
    this.#acked = Math.max(this.#acked, position);
  }

  #end(): void {
    this.#stop.abort();
    this.#notifyAll();
  }

  #notifyAll(): void {
    this.#work.notify();
    this.#room.notify();
  }
}
