import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";

/** How slowly bytes may arrive: `bytesPerSecondMin` on average over every `idleMsMax`, and at least one. */
export interface Pace {
  idleMsMax: number;
  bytesPerSecondMin: number;
}

/** Looks at the bytes that arrived during each `idleMsMax`, this often. */
const LOOKS = 4;

/**
 * Resolves with an error as soon as bytes arrive too slowly, and with undefined once `signal` aborts.
 * `received` returns the number of bytes so far; undefined: the reader keeps the sender waiting, so that the
 * time does not count.
 */
export async function untilTooSlow(
  clock: Clock,
  { idleMsMax, bytesPerSecondMin }: Pace,
  received: () => number | undefined,
  signal: AbortSignal,
): Promise<TributaryError | undefined> {
  const bytesMin = Math.max(1, Math.round((bytesPerSecondMin * idleMsMax) / 1000));
  let seen = [received() ?? 0];
  while (!signal.aborted) {
    await clock.sleep(idleMsMax / LOOKS, signal);
    const bytes = received();
    if (signal.aborted) break;
    if (bytes === undefined) seen = [];
    else seen.push(bytes);
    const before = seen.length > LOOKS ? seen.shift()! : undefined;
    if (before === undefined || bytes! - before >= bytesMin) continue;
    const why = `fewer than ${bytesMin} bytes arrived in ${idleMsMax / 1000} s`;
    return new TributaryError(
      "UPLOAD_INCOMPLETE",
      `incomplete body: ${why} (TRIBUTARY_UPLOAD_IDLE_MAX, TRIBUTARY_UPLOAD_RATE_MIN)`,
    );
  }
  return undefined;
}
