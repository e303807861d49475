import type { ServerResponse } from "node:http";
import type { Clock } from "../../../lib/clock.ts";
import type { FileView } from "./view.ts";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { FileStatus } from "../http/schemas.ts";

/** Requests that wait until their file has ended. */
export interface Waiters {
  /**
   * The file's status once it has ended; undefined when the time is up, the client is gone or the gateway drains.
   * @throws OVERLOADED when too many wait
   */
  wait(fileId: string, timeoutMs: number, response: ServerResponse): Promise<FileStatus | undefined>;
  /** Lets everybody go who waits, now and from now on. */
  release(): void;
}

export function makeWaiters(view: FileView, clock: Clock, max: number, metrics: GatewayMetrics): Waiters {
  const gate = makeConcurrencyLimiter(max, "requests that wait for their file", metrics.waiters);
  const waiting = new Set<AbortController>();
  let released = false;
  return {
    wait: (fileId, timeoutMs, response) =>
      gate.pass(async () => {
        if (released) return undefined;
        const done = new AbortController();
        const leave = (): void => done.abort();
        waiting.add(done);
        response.once("close", leave);
        const timer = clock.sleep(timeoutMs, done.signal).then(leave);
        try {
          return await view.ended(fileId, done.signal);
        } finally {
          leave();
          waiting.delete(done);
          response.off("close", leave);
          await timer;
        }
      }),
    release() {
      released = true;
      for (const done of waiting) done.abort();
    },
  };
}
