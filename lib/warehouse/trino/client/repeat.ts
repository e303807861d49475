import type { Clock } from "../../../clock.ts";
import { hasCode, isRetryable } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import type { StatementOptions, StatementResult, TrinoClient } from "./client.ts";
import { STATEMENT_RETRY } from "./errors.ts";

/** Runs a repeatable statement, and retries it after transient errors. */
export async function runRepeatable(
  context: { client: TrinoClient; clock: Clock },
  statement: string,
  options: StatementOptions = {},
): Promise<StatementResult> {
  return repeat(context.clock, options.signal, () => context.client.run(statement, options));
}

/**
 * Retries an attempt after transient errors. It does not retry a timeout, which would take up to five times
 * as long.
 */
export function repeat<T>(clock: Clock, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !hasCode(thrown, "WAREHOUSE_TIMEOUT");
  return retry(clock, { ...STATEMENT_RETRY, retryable, ...(signal ? { signal } : {}) }, attempt);
}
