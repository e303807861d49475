import type { Clock } from "../../../lib/clock.ts";
import { codeOf, hasCode } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { CommitterMetrics } from "../metrics.ts";
import { Block, type BlockDeps } from "./block.ts";
import { Signal } from "./signal.ts";

export interface RetrySettings {
  /** Consecutive failures of a step after which its table is blocked. It keeps retrying. */
  attemptsMax: number;
  backoffMsMin: number;
  /** Longest wait while the warehouse or the log is away. */
  backoffMsMax: number;
  /** Longest wait for any other cause. Default: 5 minutes. */
  blockedBackoffMsMax?: number;
}

export interface RetryDeps extends BlockDeps {
  clock: Clock;
  logger: Logger;
  metrics: CommitterMetrics;
  settings: RetrySettings;
}

export interface RetryOptions {
  /** Whether another attempt may help; `attempt` counts from 1. Default: unless the assignment is lost. */
  retryable?: (thrown: unknown, attempt: number) => boolean | Promise<boolean>;
  /** The files that the step is about. */
  fileIds?: readonly string[];
}

/** Retries `attempt` while its error is `retryable` and the writer has its assignment. */
export type Persist = <T>(step: string, attempt: () => Promise<T>, options?: RetryOptions) => Promise<T>;

/** The writer whose steps are retried. */
export interface Retrier {
  readonly table: string;
  readonly signal: AbortSignal;
  /** Called after each failure, before the wait. */
  failed(): void;
  /** Called before each further attempt. */
  resuming(step: string, isBlocked: boolean): Promise<void>;
}

const BLOCKED_BACKOFF_MS_MAX = 5 * 60 * 1000;
/** The wait after an attempt is at least this many times as long as the attempt was. */
const REST_FACTOR = 9;
const REST_MS_MAX = 30 * 60 * 1000;

/**
 * The retries of one table's writer. A table that keeps failing takes at most a tenth of the time: the wait
 * grows with the number of failures, up to minutes, and with the duration of the failed attempt. An outage is
 * asked about more often, because a refused connection costs nothing.
 */
export class Retries {
  readonly #deps: RetryDeps;
  readonly #writer: Retrier;
  readonly #block: Block;
  readonly #waits = new Set<Signal>();

  constructor(deps: RetryDeps, writer: Retrier) {
    this.#deps = deps;
    this.#writer = writer;
    this.#block = new Block(deps, writer.table);
    if (!writer.signal.aborted) writer.signal.addEventListener("abort", () => this.wake(), { once: true });
  }

  /** The error of the step that keeps failing; undefined: none does. */
  get stuckError(): unknown {
    return this.#block.error;
  }

  /** Ends all waits: the cause of a failure may be gone. */
  wake(): void {
    for (const wait of this.#waits) wait.notify();
  }

  /** Resolves when what is known about the block is published. */
  settled(): Promise<void> {
    return this.#block.settled();
  }

  run: Persist = async (step, attempt, { retryable = unlessAssignmentLost, fileIds = [] } = {}) => {
    const { clock, settings } = this.#deps;
    const { signal } = this.#writer;
    try {
      for (let attempts = 1; ; attempts++) {
        const startedMs = clock.monotonicMs();
        try {
          return await attempt();
        } catch (thrown) {
          const tookMs = clock.monotonicMs() - startedMs;
          if (signal.aborted || !(await retryable(thrown, attempts))) throw thrown;
          const waitMs = waitAfter(thrown, attempts, tookMs, settings);
          this.#failed({ step, thrown, attempts, waitMs, fileIds });
          await this.#wait(waitMs);
          if (signal.aborted) throw thrown;
          await this.#writer.resuming(step, attempts >= settings.attemptsMax);
        }
      }
    } finally {
      this.#block.end(step);
    }
  };

  #failed(failure: { step: string; thrown: unknown; attempts: number; waitMs: number; fileIds: readonly string[] }) {
    const { clock, settings, logger, metrics } = this.#deps;
    const { step, thrown, attempts, waitMs } = failure;
    metrics.retries.inc({ step });
    metrics.throughput.error(codeOf(thrown));
    const fields = { table: this.#writer.table, step, attempts, waitMs: Math.round(waitMs), err: thrown };
    logger.warn(fields, `${step} failed, retrying`);
    if (attempts >= settings.attemptsMax || hasCode(thrown, "WAREHOUSE_REFUSED")) {
      this.#block.begin({ ...failure, nextTryAtMs: clock.nowMs() + waitMs });
    }
    this.#writer.failed();
  }

  async #wait(ms: number): Promise<void> {
    if (this.#writer.signal.aborted) return;
    const wait = new Signal();
    this.#waits.add(wait);
    await wait.wait(this.#deps.clock, ms);
    this.#waits.delete(wait);
  }
}

/** Milliseconds to wait after the failed attempt. Up to half of the backoff is random. */
export function waitAfter(thrown: unknown, attempts: number, tookMs: number, settings: RetrySettings): number {
  const { backoffMsMin, backoffMsMax, blockedBackoffMsMax = BLOCKED_BACKOFF_MS_MAX } = settings;
  const isOutage = hasCode(thrown, "WAREHOUSE_UNAVAILABLE") || hasCode(thrown, "LOG_UNAVAILABLE");
  const ceiling = Math.min(isOutage ? backoffMsMax : blockedBackoffMsMax, backoffMsMin * 2 ** (attempts - 1));
  const restMs = attempts === 1 ? 0 : Math.min(isOutage ? backoffMsMax : REST_MS_MAX, tookMs * REST_FACTOR);
  return Math.max(restMs, ceiling / 2 + (Math.random() * ceiling) / 2);
}

/** Every error, as long as the partition is still assigned. */
const unlessAssignmentLost = (thrown: unknown): boolean => !hasCode(thrown, "ASSIGNMENT_LOST");
