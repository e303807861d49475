import { keyOf, tableId } from "../../../lib/tables.ts";
import type { Clock } from "../../../lib/clock.ts";
import { messageOf } from "../../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { guardedTail, type GuardedTail } from "../../../lib/event-log/guarded-tail.ts";
import { reportUnreadable } from "../../../lib/observability/unreadable.ts";
import { commandResults, commands as commandCodec } from "../../../lib/messages/avro.ts";
import type { Command, CommandResult } from "../../../lib/messages/generated.ts";
import { rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { INTERNAL_TABLES, type InternalTable } from "../../../lib/warehouse/internal-tables.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { WriterContext } from "../commit/writer.ts";
import type { TableCommands } from "./table-commands.ts";
import { joinChecks, refusalOf } from "./joined-checks.ts";
import { maintainStep, type MaintenanceWork } from "./maintain.ts";
import type { CommitterMetrics } from "../metrics.ts";
import type { CommandOutcome, CommandRun, CommandSettings } from "./command-run.ts";
import { runChecks } from "./quality.ts";

/**
 * The internal tables. Each has a rows topic, always empty, so that it has one writer like every other
 * table.
 */
export const INTERNAL_TABLE_NAMES: readonly string[] = Object.keys(INTERNAL_TABLES);

/**
 * The writer of this table carries out the commands of tables without a rows topic, which have no writer.
 */
const MAINTENANCE_KEY: InternalTable = "_maintenance_log";

/** Ids of finished commands in memory; in practice the topic no longer retains older ones. */
const DONE_MAX = 100_000;

/** Results of joined commands in one publish. */
const RESULTS_AT_ONCE_MAX = 100;

const CATCH_UP_PAUSE_MS = 1_000;

/** How often a running command checks whether it must yield. */
const YIELD_EVERY_MS = 250;

export interface CommandDeps {
  log: EventLog;
  clock: Clock;
  logger: Logger;
  metrics: CommitterMetrics;
  settings: CommandSettings;
}

/** Progress of a command between two steps. */
interface Progress {
  startedAtMs: number;
  /** Total duration of its steps. */
  heldMs: number;
  work?: MaintenanceWork;
}

/**
 * The pending commands. Commands are keyed by table like rows, but in another topic, whose partitions may be
 * assigned to other committers than the tables. So every committer reads all of `commands` and
 * `command-results`, without a consumer group, and carries out the commands of the tables that it writes. If
 * a table moves, its commands without a result move with it. All results are read before each command, so a
 * command runs once, unless its committer crashes or loses the table before it publishes the result;
 * commands are idempotent.
 *
 * A command occupies its table's writer for one step at a time. Between steps the writer commits waiting
 * files and carries out other commands.
 */
export class Commands implements TableCommands {
  readonly #deps: CommandDeps;
  readonly #pending = new Map<string, Command>();
  readonly #done = new Set<string>();
  readonly #progress = new Map<string, Progress>();
  readonly #rowsTopics = new Set<string>();
  readonly #onWork: () => void;
  readonly #closing = new AbortController();
  #tails: GuardedTail[] = [];
  #results: GuardedTail | undefined;
  #caughtUp = false;
  #running = 0;
  #isMaintaining = false;

  private constructor(deps: CommandDeps, onWork: () => void) {
    this.#deps = deps;
    this.#onWork = onWork;
  }

  /**
   * Follows both topics; calls `onWork` when a command may be ready. Resolves before existing records are
   * read.
   */
  static async follow(deps: CommandDeps, onWork: () => void): Promise<Commands> {
    const commands = new Commands(deps, onWork);
    const onUnreadable = reportUnreadable(deps.logger, deps.metrics.throughput);
    const follow = (topic: string, onRecord: (record: LogRecord) => void): Promise<GuardedTail> =>
      guardedTail(deps.log, [topic], onRecord, onUnreadable);
    const results = await follow(TOPICS.commandResults.name, ({ value }) =>
      commands.#finish(commandResults.decode(value).commandId),
    );
    const commandTail = await follow(TOPICS.commands.name, ({ value }) =>
      commands.#onCommand(commandCodec.decode(value)),
    );
    commands.#tails = [results, commandTail];
    commands.#results = results;
    void commands.#catchUp();
    return commands;
  }

  next(table: string): Command | undefined {
    // This table has a writer and so a topic, possibly newer than the command. Nobody else would take the
    // command.
    this.#rowsTopics.add(rowsTopic(table).name);
    if (!this.#caughtUp || this.#running >= this.#deps.settings.commandsAtOnceMax) return undefined;
    for (const command of this.#pending.values()) {
      // Maintenance of several tables at once would take the time of commits.
      if (this.#isMaintaining && command.kind !== "checks") continue;
      if (this.#writerTableOf(command.table) === table) return command;
    }
    return undefined;
  }

  async carryOut(command: Command, writer: WriterContext): Promise<void> {
    const isMaintenance = command.kind !== "checks";
    // The writer has waited since `next`.
    if (isMaintenance && this.#isMaintaining) return;
    this.#running++;
    if (isMaintenance) this.#isMaintaining = true;
    try {
      await this.#carryOut(command, writer);
    } finally {
      this.#running--;
      if (isMaintenance) this.#isMaintaining = false;
      this.#onWork();
    }
  }

  /** @throws MESSAGE_TOO_NEW */
  assertReadable(): void {
    for (const tail of this.#tails) tail.assertReadable();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#tails.map((tail) => tail.close()));
  }

  async #carryOut(command: Command, writer: WriterContext): Promise<void> {
    const { clock, metrics } = this.#deps;
    const { commandId, table } = command;
    await writer.persist("command", () => this.#results!.caughtUp());
    if (!this.#pending.has(commandId)) return;
    if (!this.#progress.has(commandId)) metrics.throughput.received("command");
    const progress = this.#progress.get(commandId) ?? { startedAtMs: clock.nowMs(), heldMs: 0 };
    // Before the run, because commands that come later must see the table as it is then.
    const { answered, refused } = joinChecks(command, this.#pending.values());
    const outcome = await this.#step(command, writer, progress);
    if (outcome === undefined) return this.#requeue(command, progress);
    const { startedAtMs } = progress;
    const finishedAtMs = clock.nowMs();
    const resultOf = ({ commandId: id, kind }: Command, { status, resultJson }: CommandOutcome): CommandResult => {
      const heldMs = id === commandId ? Math.round(progress.heldMs) : 0;
      return { commandId: id, table, kind, status, resultJson, startedAtMs, finishedAtMs, heldMs };
    };
    const results = [
      ...answered.map((one) => resultOf(one, outcome)),
      ...refused.map((one) => resultOf(one, refusalOf(table))),
    ];
    for (let at = 0; at < results.length; at += RESULTS_AT_ONCE_MAX) {
      await this.#publish(results.slice(at, at + RESULTS_AT_ONCE_MAX), writer);
    }
  }

  async #publish(results: readonly CommandResult[], writer: WriterContext): Promise<void> {
    const { log, logger, metrics } = this.#deps;
    const records = results.map((result) => ({
      key: keyOf(tableId(result.table)),
      value: commandResults.encode(result),
    }));
    await writer.persist("publish", () => log.publish(TOPICS.commandResults.name, records));
    for (const { commandId, table, kind, status, startedAtMs, finishedAtMs, heldMs } of results) {
      const ms = finishedAtMs - startedAtMs;
      this.#finish(commandId);
      metrics.throughput.sent("command_result");
      metrics.commands.inc({ kind, status });
      metrics.commandSeconds.observe({ kind }, Math.max(0, ms) / 1000);
      logger.info({ commandId, table, kind, status, ms, heldMs }, "command finished");
    }
  }

  /** Runs one step; returns the result after the last step, else undefined. */
  async #step(command: Command, writer: WriterContext, progress: Progress): Promise<CommandOutcome | undefined> {
    const { clock, settings, metrics, logger } = this.#deps;
    const isChecks = command.kind === "checks";
    const stepStartedMs = clock.monotonicMs();
    const yielding = new AbortController();
    const ended = new AbortController();
    void this.#watch(writer, isChecks ? Infinity : settings.maintenanceHoldMs, yielding, ended.signal);
    // AbortSignal.any would leak memory here: on Node 20 the writer's signal would retain every command.
    if (writer.signal.aborted) yielding.abort();
    writer.signal.addEventListener("abort", () => yielding.abort(), { once: true, signal: ended.signal });
    const run: CommandRun = { command, writer, signal: yielding.signal, clock, settings, metrics, logger };
    try {
      if (isChecks) return await runChecks(run);
      const step = await maintainStep(run, progress.work);
      if ("resultJson" in step) return step;
      progress.work = step;
      return undefined;
    } catch (thrown) {
      if (writer.signal.aborted) throw thrown;
      // The writer drains: the table's next writer carries out the command.
      if (yielding.signal.aborted) return undefined;
      logger.error({ err: thrown, command }, "command failed");
      const status = isChecks ? "error" : "failed";
      return { status, resultJson: JSON.stringify({ status, message: messageOf(thrown) }) };
    } finally {
      ended.abort();
      const tookMs = clock.monotonicMs() - stepStartedMs;
      progress.heldMs += tookMs;
      metrics.commandStepSeconds.observe({ kind: command.kind }, tookMs / 1000);
    }
  }

  async #watch(writer: WriterContext, holdMs: number, yielding: AbortController, ended: AbortSignal): Promise<void> {
    while (!ended.aborted && !yielding.signal.aborted) {
      await this.#deps.clock.sleep(YIELD_EVERY_MS, ended);
      if (!ended.aborted && writer.mustYield(holdMs)) yielding.abort();
    }
  }

  /** Moves the command behind the table's other commands. */
  #requeue(command: Command, progress: Progress): void {
    if (!this.#pending.delete(command.commandId)) return;
    this.#pending.set(command.commandId, command);
    this.#progress.set(command.commandId, progress);
  }

  /** The table whose writer carries out the commands of `table`. */
  #writerTableOf(table: string): string {
    return this.#rowsTopics.has(rowsTopic(table).name) ? table : MAINTENANCE_KEY;
  }

  #onCommand(command: Command): void {
    if (this.#caughtUp) void this.#place(command);
    else this.#enqueue(command);
  }

  #enqueue(command: Command): void {
    if (!this.#done.has(command.commandId)) this.#pending.set(command.commandId, command);
  }

  #finish(commandId: string): void {
    this.#pending.delete(commandId);
    this.#progress.delete(commandId);
    this.#done.add(commandId);
    if (this.#done.size > DONE_MAX) this.#done.delete(this.#done.values().next().value!);
  }

  /** Reads the topics again for a table without a known one, so that the right writer takes the command. */
  async #place(command: Command): Promise<void> {
    if (!this.#rowsTopics.has(rowsTopic(command.table).name)) await this.#learnTopics();
    this.#enqueue(command);
    this.#onWork();
  }

  async #learnTopics(): Promise<void> {
    try {
      for (const topic of await this.#deps.log.topics()) this.#rowsTopics.add(topic);
    } catch (thrown) {
      this.#deps.logger.warn({ err: thrown }, "cannot list the event log's topics");
    }
  }

  /** Enables commands once all existing results are read, so that none is repeated. */
  async #catchUp(): Promise<void> {
    while (!this.#caughtUp && !this.#closing.signal.aborted) {
      try {
        await Promise.all(this.#tails.map((tail) => tail.caughtUp()));
        await this.#learnTopics();
        this.#caughtUp = true;
        this.#onWork();
      } catch (thrown) {
        this.#deps.logger.warn({ err: thrown }, "cannot read commands, retrying");
        await this.#deps.clock.sleep(CATCH_UP_PAUSE_MS, this.#closing.signal);
      }
    }
  }
}
