import type { Clock } from "../../../lib/clock.ts";
import { messageOf } from "../../../lib/errors.ts";
import type { EventLog, LogRecord, Tail } from "../../../lib/event-log/event-log.ts";
import { commandResults, commands as commandCodec, type Codec } from "../../../lib/messages/avro.ts";
import type { Command, CommandResult } from "../../../lib/messages/generated.ts";
import { rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { INTERNAL_TABLES, type InternalTable } from "../../../lib/warehouse/internal-tables.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { WriterContext } from "../commit/commit.ts";
import type { TableCommands } from "../lane/table-writer.ts";
import { maintainStep, type MaintenanceWork } from "./maintain.ts";
import type { CommitterMetrics } from "../metrics.ts";
import type { CommandOutcome, CommandRun, CommandSettings } from "./command-run.ts";
import { runChecks } from "./quality.ts";

/** Our own tables. They get a rows topic each, always empty, so that they have a lane and thereby one owner, as every table. */
export const MAINTENANCE_KEY: readonly string[] = Object.keys(INTERNAL_TABLES);

/** Its lane carries out the commands for tables that have no rows topic, hence no lane. */
const ODD_JOBS_TABLE: InternalTable = "_maintenance_log";

/** Ids of finished commands kept in memory; older ones are beyond the topic's retention in any sane use. */
const DONE_MAX = 100_000;

const CATCH_UP_PAUSE_MS = 1_000;

/** How often it is looked whether a running command has to make way. */
const YIELD_EVERY_MS = 250;

export interface CommandDeps {
  log: EventLog;
  clock: Clock;
  logger: Logger;
  metrics: CommitterMetrics;
  settings: CommandSettings;
}

/** A command between two of its steps. */
interface Underway {
  startedAtMs: number;
  /** How long its steps took. */
  heldMs: number;
  work?: MaintenanceWork;
}

/**
 * The commands not yet carried out. Commands are keyed by table, as rows are, but in another topic: the owner of a table's lane need
 * not be the one who would get its commands. So every committer follows the whole of `commands` and `command-results`, in no group,
 * and carries out what is for a table whose lane it has. A command whose lane moves has no result yet, and so is the new
 * owner's. Results are read to their end before each command: a command is carried out once, except when its owner dies or loses the
 * lane before its result is published, and every command may be repeated harmlessly.
 *
 * A command holds its table's lane for one step at a time: between two, the lane commits what waits, and other commands have their turn.
 */
export class Commands implements TableCommands {
  readonly #deps: CommandDeps;
  readonly #pending = new Map<string, Command>();
  readonly #done = new Set<string>();
  readonly #underway = new Map<string, Underway>();
  readonly #rowsTopics = new Set<string>();
  readonly #nudge: () => void;
  readonly #closing = new AbortController();
  #tails: Tail[] = [];
  #results: Tail | undefined;
  #caughtUp = false;
  #running = 0;

  private constructor(deps: CommandDeps, nudge: () => void) {
    this.#deps = deps;
    this.#nudge = nudge;
  }

  /** Follows the two topics; `nudge` is called whenever there may be something to do. Resolves before the past has been read. */
  static async follow(deps: CommandDeps, nudge: () => void): Promise<Commands> {
    const commands = new Commands(deps, nudge);
    const results = await deps.log.tail([TOPICS.commandResults.name], (record) => commands.#onResult(record));
    const asked = await deps.log.tail([TOPICS.commands.name], (record) => commands.#onCommand(record));
    commands.#tails = [results, asked];
    commands.#results = results;
    void commands.#catchUp();
    return commands;
  }

  next(table: string): Command | undefined {
    // A table with a lane has a topic. It may be younger than the command, and then nobody else would be the one to carry it out.
    this.#rowsTopics.add(rowsTopic(table).name);
    if (!this.#caughtUp || this.#running >= this.#deps.settings.commandsAtOnceMax) return undefined;
    for (const command of this.#pending.values()) if (this.#laneOf(command.table) === table) return command;
    return undefined;
  }

  async carryOut(command: Command, writer: WriterContext): Promise<void> {
    this.#running++;
    try {
      await this.#carryOut(command, writer);
    } finally {
      this.#running--;
      this.#nudge();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#tails.map((tail) => tail.close()));
  }

  async #carryOut(command: Command, writer: WriterContext): Promise<void> {
    const { log, clock, logger, metrics } = this.#deps;
    const { commandId, table, kind } = command;
    await writer.persist("command", () => this.#results!.caughtUp());
    if (!this.#pending.has(commandId)) return;
    if (!this.#underway.has(commandId)) metrics.throughput.received("command");
    const underway = this.#underway.get(commandId) ?? { startedAtMs: clock.nowMs(), heldMs: 0 };
    const outcome = await this.#step(command, writer, underway);
    if (outcome === undefined) return this.#putOff(command, underway);
    const { startedAtMs } = underway;
    const heldMs = Math.round(underway.heldMs);
    const finishedAtMs = clock.nowMs();
    const result: CommandResult = { commandId, table, kind, ...outcome, startedAtMs, finishedAtMs, heldMs };
    const value = commandResults.encode(result);
    await writer.persist("publish", () => log.publish(TOPICS.commandResults.name, [{ key: table, value }]));
    this.#finish(commandId);
    metrics.throughput.sent("command_result");
    metrics.commands.inc({ kind, status: outcome.status });
    metrics.commandSeconds.observe({ kind }, Math.max(0, finishedAtMs - startedAtMs) / 1000);
    logger.info(
      { commandId, table, kind, status: outcome.status, ms: finishedAtMs - startedAtMs, heldMs },
      "command carried out",
    );
  }

  /** One step; what the command came to, or undefined if it has to go on later. */
  async #step(command: Command, writer: WriterContext, underway: Underway): Promise<CommandOutcome | undefined> {
    const { clock, settings, metrics, logger } = this.#deps;
    const isChecks = command.kind === "checks";
    const stepStartedMs = clock.monotonicMs();
    const yielding = new AbortController();
    const ended = new AbortController();
    void this.#watch(writer, isChecks ? Infinity : settings.maintenanceHoldMs, yielding, ended.signal);
    // Not AbortSignal.any: on Node 20 the writer's signal would keep a trace of every command.
    if (writer.signal.aborted) yielding.abort();
    writer.signal.addEventListener("abort", () => yielding.abort(), { once: true, signal: ended.signal });
    const run: CommandRun = { command, writer, signal: yielding.signal, clock, settings, metrics, logger };
    try {
      if (isChecks) return await runChecks(run);
      const step = await maintainStep(run, underway.work);
      if ("resultJson" in step) return step;
      underway.work = step;
      return undefined;
    } catch (thrown) {
      if (writer.signal.aborted) throw thrown;
      // The writer drains: whoever has the table next carries it out.
      if (yielding.signal.aborted) return undefined;
      logger.error({ err: thrown, command }, "command failed");
      const status = isChecks ? "error" : "failed";
      return { status, resultJson: JSON.stringify({ status, message: messageOf(thrown) }) };
    } finally {
      ended.abort();
      const tookMs = clock.monotonicMs() - stepStartedMs;
      underway.heldMs += tookMs;
      metrics.commandStepSeconds.observe({ kind: command.kind }, tookMs / 1000);
    }
  }

  async #watch(writer: WriterContext, holdMs: number, yielding: AbortController, ended: AbortSignal): Promise<void> {
    while (!ended.aborted && !yielding.signal.aborted) {
      await this.#deps.clock.sleep(YIELD_EVERY_MS, ended);
      if (!ended.aborted && writer.mustYield(holdMs)) yielding.abort();
    }
  }

  /** Behind the table's other commands. */
  #putOff(command: Command, underway: Underway): void {
    if (!this.#pending.delete(command.commandId)) return;
    this.#pending.set(command.commandId, command);
    this.#underway.set(command.commandId, underway);
  }

  /** A table's commands are for its lane; tables without a rows topic have none. */
  #laneOf(table: string): string {
    return this.#rowsTopics.has(rowsTopic(table).name) ? table : ODD_JOBS_TABLE;
  }

  #onCommand(record: LogRecord): void {
    const command = this.#decode(record, commandCodec);
    if (!command) return;
    if (this.#caughtUp) void this.#place(command);
    else this.#enqueue(command);
  }

  #onResult(record: LogRecord): void {
    const result = this.#decode(record, commandResults);
    if (result) this.#finish(result.commandId);
  }

  #decode<T>({ topic, offset, value }: LogRecord, codec: Codec<T>): T | undefined {
    try {
      return codec.decode(value);
    } catch (thrown) {
      this.#deps.logger.error({ topic, offset, err: thrown }, "undecodable record: skipped");
      return undefined;
    }
  }

  #enqueue(command: Command): void {
    if (!this.#done.has(command.commandId)) this.#pending.set(command.commandId, command);
  }

  #finish(commandId: string): void {
    this.#pending.delete(commandId);
    this.#underway.delete(commandId);
    this.#done.add(commandId);
    if (this.#done.size > DONE_MAX) this.#done.delete(this.#done.values().next().value!);
  }

  /** A table not known to have a topic may have got one meanwhile: that must be known before any lane takes the command. */
  async #place(command: Command): Promise<void> {
    if (!this.#rowsTopics.has(rowsTopic(command.table).name)) await this.#learnTopics();
    this.#enqueue(command);
    this.#nudge();
  }

  async #learnTopics(): Promise<void> {
    try {
      for (const topic of await this.#deps.log.topics()) this.#rowsTopics.add(topic);
    } catch (thrown) {
      this.#deps.logger.warn({ err: thrown }, "the event log's topics could not be read");
    }
  }

  /** Until all results of the past are known nothing is carried out: it may have been already. */
  async #catchUp(): Promise<void> {
    while (!this.#caughtUp && !this.#closing.signal.aborted) {
      try {
        await Promise.all(this.#tails.map((tail) => tail.caughtUp()));
        await this.#learnTopics();
        this.#caughtUp = true;
        this.#nudge();
      } catch (thrown) {
        this.#deps.logger.warn({ err: thrown }, "commands cannot be followed, trying again");
        await this.#deps.clock.sleep(CATCH_UP_PAUSE_MS, this.#closing.signal);
      }
    }
  }
}
