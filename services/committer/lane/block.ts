import type { Clock } from "../../../lib/clock.ts";
import { codeOf, messageOf } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { tableBlocks } from "../../../lib/messages/avro.ts";
import type { TableBlock } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { keyOf, tableId } from "../../../lib/tables.ts";
import type { CommitterMetrics } from "../metrics.ts";

export interface BlockDeps {
  log: EventLog;
  clock: Clock;
  logger: Logger;
  metrics: Pick<CommitterMetrics, "writerStuck" | "blocked">;
}

/** One failed attempt of a step that blocks its table. */
export interface BlockedAttempt {
  step: string;
  thrown: unknown;
  attempts: number;
  nextTryAtMs: number;
  fileIds: readonly string[];
}

const MESSAGE_CHARS_MAX = 2_000;

/**
 * Tells what keeps a table's writer from its work: in the metrics, in the log, and on `table-blocks`, from
 * which the gateway answers. Publishing is best effort: each further attempt publishes again, and a commit
 * event ends the block for readers as well.
 */
export class Block {
  readonly #deps: BlockDeps;
  readonly #table: string;
  #current: TableBlock | undefined;
  #error: unknown;
  #publishing: Promise<void> = Promise.resolve();

  constructor(deps: BlockDeps, table: string) {
    this.#deps = deps;
    this.#table = table;
  }

  /** The error that blocks the table; undefined: none. */
  get error(): unknown {
    return this.#error;
  }

  begin({ step, thrown, attempts, nextTryAtMs, fileIds }: BlockedAttempt): void {
    const { clock, logger, metrics } = this.#deps;
    const code = codeOf(thrown);
    const table = this.#table;
    const first = this.#error === undefined;
    if (first) logger.error({ table, step, err: thrown }, `table writer is stuck: ${messageOf(thrown)}`);
    if (this.#current && this.#current.errorCode !== code)
      metrics.blocked.remove({ table, code: this.#current.errorCode });
    metrics.writerStuck.set({ table }, 1);
    metrics.blocked.set({ table, code }, 1);
    this.#error = thrown;
    const atMs = clock.nowMs();
    this.#current = {
      table,
      blocked: true,
      atMs,
      step,
      sinceMs: this.#current?.sinceMs ?? atMs,
      attempts,
      nextTryAtMs: Math.round(nextTryAtMs),
      errorCode: code,
      errorMessage: messageOf(thrown).slice(0, MESSAGE_CHARS_MAX),
      fileIds: [...fileIds],
    };
    this.#publish(this.#current);
  }

  /** The step succeeded, or its cause is dealt with. */
  end(step: string): void {
    const { clock, metrics } = this.#deps;
    if (this.#current?.step !== step) return;
    const table = this.#table;
    metrics.writerStuck.remove({ table });
    metrics.blocked.remove({ table, code: this.#current.errorCode });
    this.#publish({ ...this.#current, blocked: false, atMs: clock.nowMs(), fileIds: [] });
    this.#current = undefined;
    this.#error = undefined;
  }

  /** Resolves when everything is published that can be. */
  settled(): Promise<void> {
    return this.#publishing;
  }

  #publish(block: TableBlock): void {
    const { log, logger } = this.#deps;
    const table = this.#table;
    const value = tableBlocks.encode(block);
    this.#publishing = this.#publishing
      .then(() => log.publish(TOPICS.tableBlocks.name, [{ key: keyOf(tableId(table)), value }]))
      .then(
        () => undefined,
        (thrown: unknown) => logger.warn({ table, err: thrown }, "cannot publish that the table is blocked"),
      );
  }
}
