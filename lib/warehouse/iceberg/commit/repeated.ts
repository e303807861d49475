import { codeOf, isRetryable } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import type { IcebergContext } from "./context.ts";

const RETRY = { attemptsMax: 5, backoffMsMin: 50, backoffMsMax: 3_000 };
const NOT_REPEATED: ReadonlySet<string> = new Set(["WAREHOUSE_TIMEOUT", "WAREHOUSE_LIMIT", "WAREHOUSE_REFUSED"]);

/**
 * Repeats an attempt after transient errors, except a timeout or a limit of memory: another attempt takes as
 * long, and the caller has other means.
 */
export function repeated<T>(
  { clock }: Pick<IcebergContext, "clock">,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !NOT_REPEATED.has(codeOf(thrown));
  return retry(clock, { ...RETRY, retryable, ...(signal ? { signal } : {}) }, attempt);
}
