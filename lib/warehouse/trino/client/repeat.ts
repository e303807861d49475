import type { Clock } from "../../../clock.ts";
import { hasCode, isRetryable } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import type { StatementOptions, StatementResult, TrinoClient } from "./client.ts";
import { STATEMENT_RETRY } from "./errors.ts";

/** Runs a statement that may be run twice, again and again while it meets what passes. */
export async function runRepeatable(
  context: { client: TrinoClient; clock: Clock },
  statement: string,
  options: StatementOptions = {},
): Promise<StatementResult> {
  return repeat(context.clock, options.signal, () => context.client.run(statement, options));
}

/** What ran out of time once is not given five times as long. */
export function repeat<T>(clock: Clock, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !hasCode(thrown, "WAREHOUSE_TIMEOUT");
  return retry(clock, { ...STATEMENT_RETRY, retryable, ...(signal ? { signal } : {}) }, attempt);
}
