import type { ServerResponse } from "node:http";
import type { Clock } from "../../../lib/clock.ts";
import type { FileView } from "./view.ts";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { FileStatus } from "../http/schemas.ts";

/** Lets requests wait until their file is in a final state. */
export interface Waiters {
  /**
   * Resolves with the file's final status; with undefined after the timeout, if the client disconnects or if
   * the gateway drains.
   * @throws OVERLOADED if too many requests wait
   */
  wait(fileId: string, timeoutMs: number, response: ServerResponse): Promise<FileStatus | undefined>;
  /** Ends all waits, current and future ones. */
  release(): void;
}

export function makeWaiters(view: FileView, clock: Clock, max: number, metrics: GatewayMetrics): Waiters {
  const limiter = makeConcurrencyLimiter(max, "requests that wait for their file", metrics.waiters);
  const waiting = new Set<AbortController>();
  let released = false;
  return {
    wait: (fileId, timeoutMs, response) =>
      limiter.run(async () => {
        if (released) return undefined;
        const done = new AbortController();
        const stop = (): void => done.abort();
        waiting.add(done);
        response.once("close", stop);
        const timer = clock.sleep(timeoutMs, done.signal).then(stop);
        try {
          return await view.ended(fileId, done.signal);
        } finally {
          stop();
          waiting.delete(done);
          response.off("close", stop);
          await timer;
        }
      }),
    release() {
      released = true;
      for (const done of waiting) done.abort();
    },
  };
}
