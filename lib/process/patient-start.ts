import type { Clock } from "../clock.ts";
import { isRetryable } from "../errors.ts";
import { Scope } from "./scope.ts";

const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 5_000;

export interface PatientStartOptions {
  clock: Clock;
  /** How long failed starts are repeated; 0: the first failure is final. */
  withinMs: number;
  /** Ends the wait: the process stops. */
  signal: AbortSignal;
  onRetry: (thrown: unknown, waitMs: number) => void;
}

/**
 * Calls `start` until it succeeds. A failed attempt releases what it opened. Repeats it while the failure is
 * retryable, so that a service waits for its dependencies instead of exiting. Resolves without a start when
 * the signal aborts.
 * @throws the failure that is not retryable, or the first one after `withinMs`
 */
export async function startPatiently(
  scope: Scope,
  { clock, withinMs, signal, onRetry }: PatientStartOptions,
  start: (attempt: Scope) => Promise<void>,
): Promise<void> {
  const sinceMs = clock.monotonicMs();
  for (let waitMs = BACKOFF_MS_MIN; !signal.aborted; waitMs = Math.min(BACKOFF_MS_MAX, waitMs * 2)) {
    const attempt = new Scope();
    try {
      await start(attempt);
      scope.own("started service", attempt, (started) => started.close());
      return;
    } catch (thrown) {
      await attempt.close().catch(() => undefined);
      if (!isRetryable(thrown) || clock.monotonicMs() - sinceMs + waitMs > withinMs) throw thrown;
      onRetry(thrown, waitMs);
    }
    await clock.sleep(waitMs, signal);
  }
}
