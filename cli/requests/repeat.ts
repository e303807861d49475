import type { Clock } from "../../lib/clock.ts";

/** Bounds of one command's repetitions. */
const ATTEMPTS_MAX = 8;
const WAITED_MS_MAX = 60_000;
const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 8_000;

/** What a failed attempt says about another one. */
export interface Again {
  /** The wait that the server asks for; undefined: it does not say. */
  afterMs: number | undefined;
  /** Maximum of attempts, if less than usual. */
  attemptsMax?: number;
}

/**
 * Calls `attempt` until it succeeds. `againOf` says of an error whether another attempt is safe and may
 * help; undefined: rethrow. Waits as long as the server asks, or longer each time, and a random part more so
 * that commands that start together do not come back together. The sum of the waits is bounded: an error
 * that asks for more is rethrown at once.
 */
export async function repeated<T>(
  clock: Pick<Clock, "sleep">,
  againOf: (error: unknown) => Again | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  let waitedMs = 0;
  for (let n = 1; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      const again = againOf(error);
      if (!again || n >= Math.min(ATTEMPTS_MAX, again.attemptsMax ?? ATTEMPTS_MAX)) throw error;
      const baseMs = again.afterMs ?? Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (n - 1));
      const waitMs = Math.round(baseMs + Math.random() * Math.max(100, baseMs / 2));
      if (waitedMs + waitMs > WAITED_MS_MAX) throw error;
      waitedMs += waitMs;
      await clock.sleep(waitMs);
    }
  }
}

/** The header Retry-After in milliseconds: seconds, or a date. Undefined: absent or not valid. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
