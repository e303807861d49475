import type { Clock } from "../../../clock.ts";
import { codeOf, isRetryable } from "../../../errors.ts";
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

const NOT_REPEATED: ReadonlySet<string> = new Set(["WAREHOUSE_TIMEOUT", "WAREHOUSE_REFUSED"]);

/**
 * Retries an attempt after transient errors. It does not retry a timeout, which would take up to five times
 * as long, nor a refusal.
 */
export function repeat<T>(clock: Clock, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !NOT_REPEATED.has(codeOf(thrown));
  return retry(clock, { ...STATEMENT_RETRY, retryable, ...(signal ? { signal } : {}) }, attempt);
}
