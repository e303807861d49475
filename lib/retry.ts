import type { Clock } from "./clock.ts";
import { isRetryable } from "./errors.ts";

export interface RetryOptions {
  attemptsMax: number;
  /** First wait. Each wait doubles up to `backoffMsMax`; a random half of it is jitter. */
  backoffMsMin: number;
  backoffMsMax: number;
  signal?: AbortSignal;
  retryable?: (thrown: unknown) => boolean;
  onRetry?: (thrown: unknown, attempt: number) => void;
}

/**
 * Calls `attempt` until it succeeds. Rethrows its error if that is not retryable, after `attemptsMax`
 * attempts or when the signal aborts.
 */
export async function retry<T>(clock: Clock, options: RetryOptions, attempt: (n: number) => Promise<T>): Promise<T> {
  const { attemptsMax, backoffMsMin, backoffMsMax, signal, retryable = isRetryable, onRetry } = options;
  for (let n = 1; ; n++) {
    try {
      return await attempt(n);
    } catch (thrown) {
      if (n >= attemptsMax || !retryable(thrown) || signal?.aborted) throw thrown;
      onRetry?.(thrown, n);
      const ceiling = Math.min(backoffMsMax, backoffMsMin * 2 ** (n - 1));
      await clock.sleep(ceiling / 2 + (Math.random() * ceiling) / 2, signal);
      if (signal?.aborted) throw thrown;
    }
  }
}
