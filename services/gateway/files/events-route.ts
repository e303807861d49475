import { z } from "zod";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import type { FileStatus } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { plainText, problemResponses } from "../http/parameters.ts";

const HEARTBEAT_MS = 15_000;
/** A client with more unread bytes than this is disconnected; it reconnects and reads /v1/files. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** GET /v1/events: changes of files' states, as server-sent events. */
export function addEventRoutes(app: App, { view, clock, settings, metrics, draining }: GatewayDeps): void {
  const limiter = makeConcurrencyLimiter(settings.TRIBUTARY_EVENT_STREAMS_MAX, "event streams", metrics.eventStreams);
  app.get(
    "/v1/events",
    {
      config: { scope: "read" },
      schema: {
        operationId: "streamEvents",
        tags: ["files"],
        summary: "Changes of files' states, as server-sent events",
        description: "Each event `file` carries a File. Nothing is repeated: after a reconnect, read /v1/files.",
        produces: ["text/event-stream"],
        querystring: z.strictObject({ table: plainText.optional() }),
        response: { 200: z.string().describe("text/event-stream"), ...problemResponses },
      },
    },
    async ({ query: { table }, caller }, reply) =>
      limiter.run(async () => {
        reply.hijack();
        const { raw } = reply;
        raw.writeHead(200, {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
          connection: "close",
          "x-accel-buffering": "no",
        });
        raw.write(": hello\n\n");
        const ended = new AbortController();
        const end = (): void => ended.abort();
        raw.once("close", end);
        draining.addEventListener("abort", end);
        if (draining.aborted) end();
        const send = (text: string): void => {
          raw.write(text);
          if (raw.writableLength > UNREAD_BYTES_MAX) end();
        };
        const stop = view.subscribe((status: FileStatus) => {
          if (table === undefined || status.table === table) send(`event: file\ndata: ${JSON.stringify(status)}\n\n`);
        });
        while (!ended.signal.aborted) {
          await clock.sleep(HEARTBEAT_MS, ended.signal);
          if (caller && !caller.isStillValid()) end();
          if (!ended.signal.aborted) send(": beat\n\n");
        }
        stop();
        draining.removeEventListener("abort", end);
        if (raw.writableLength > UNREAD_BYTES_MAX) raw.destroy();
        else raw.end();
      }),
  );
}
