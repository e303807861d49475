import { z } from "zod";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import { queryResultSchema } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

/** POST /v1/query: read-only SQL over the tables. */
export function addQueryRoutes(app: App, { warehouse, settings }: GatewayDeps): void {
  const limiter = makeConcurrencyLimiter(settings.TRIBUTARY_QUERIES_MAX, "queries");
  const rowsMaxMax = settings.TRIBUTARY_QUERY_ROWS_MAX;
  app.post(
    "/v1/query",
    {
      config: { scope: "query", reads: true },
      schema: {
        operationId: "query",
        tags: ["tables"],
        summary: "Run one SELECT",
        body: z.strictObject({
          sql: z.string().min(1).max(500_000),
          rowsMax: z.number().int().min(1).max(rowsMaxMax).default(rowsMaxMax).describe("further rows are cut off"),
        }),
        response: { 200: queryResultSchema, ...problemResponses },
      },
    },
    async ({ body: { sql, rowsMax } }, reply) => {
      const disconnected = new AbortController();
      reply.raw.once("close", () => disconnected.abort());
      return limiter.run(() =>
        warehouse.query(sql, { rowsMax, timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT, signal: disconnected.signal }),
      );
    },
  );
}
