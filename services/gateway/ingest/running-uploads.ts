import { z } from "zod";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

const uploadsSchema = z
  .object({
    uploads: z.array(
      z.object({
        table: z.string(),
        sourceFile: z.string(),
        origin: z.enum(["upload", "drop", "replay"]),
        startedAt: z.string(),
        bytesDone: z.number().describe("bytes that have arrived"),
        bytesTotal: z.number().nullable().describe("null: its sender did not say"),
      }),
    ),
  })
  .meta({ id: "Uploads" });

/** GET /v1/uploads: the files that this gateway is receiving. */
export function addRunningUploadRoutes(app: App, { ingest }: GatewayDeps): void {
  app.get(
    "/v1/uploads",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listUploads",
        tags: ["files"],
        summary: "The files that are arriving now, and how far they are",
        description:
          "What this gateway receives, uploads and dropped objects; other gateways have their own. A file has an id and a " +
          "status once it has arrived whole.",
        response: { 200: uploadsSchema, ...problemResponses },
      },
    },
    () => ({
      uploads: ingest.running().map(({ table, sourceFile, origin, startedAtMs, received, sizeBytes = null }) => ({
        ...{ table, sourceFile, origin, startedAt: new Date(startedAtMs).toISOString() },
        ...{ bytesDone: received(), bytesTotal: sizeBytes },
      })),
    }),
  );
}
