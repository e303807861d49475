import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { untilTooSlow, type Pace } from "../ingest/pace.ts";
import type { App } from "./deps.ts";

/**
 * Fails every request body that arrives too slowly, of any content type, from its first byte to its last: a
 * stalled body would hold one of the few places for uploads, previews or corrections.
 */
export function limitPace(app: App, clock: Clock, pace: Pace): void {
  app.addHook("onRequest", async ({ raw }, reply) => {
    if (raw.headers["content-length"] === undefined && raw.headers["transfer-encoding"] === undefined) return;
    const ended = new AbortController();
    for (const event of ["end", "close"]) raw.once(event, () => ended.abort());
    const before = raw.socket.bytesRead;
    // All bytes of the connection count, so that the borders of a form's parts do.
    const received = (): number | undefined => {
      if (raw.complete) ended.abort();
      return raw.readableLength > 0 ? undefined : raw.socket.bytesRead - before;
    };
    void untilTooSlow(clock, pace, received, ended.signal).then((error) => error && failBody(raw, reply.raw, error));
  });
  // A body can fail before its route reads it, and a failed stream tells later readers nothing.
  app.addHook("preParsing", async ({ raw }) => {
    if (raw.errored instanceof TributaryError) throw raw.errored;
  });
}

/** Readers of the body get the error. The connection stays open for the response, unless it has begun. */
function failBody(raw: IncomingMessage, response: ServerResponse, error: TributaryError): void {
  raw.on("error", () => undefined);
  // IncomingMessage closes its connection when it is destroyed.
  if (!response.headersSent) raw._destroy = (thrown, done) => done(thrown);
  raw.destroy(error);
}
