import { z } from "zod";
import { messageOf, TributaryError } from "../../../lib/errors.ts";
import { readNotification } from "./notifications.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

/** Receives object store notifications, so that dropped files are ingested at once, not at the next poll. */
export function addNotificationRoutes(app: App, { drops }: GatewayDeps): void {
  // Senders use different content types for JSON.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, JSON.parse(body as string));
    } catch (error) {
      done(new TributaryError("BAD_REQUEST", `body: ${messageOf(error)}`));
    }
  });

  app.post(
    "/v1/notifications/s3",
    {
      config: { scope: "upload" },
      schema: {
        operationId: "notify",
        tags: ["files"],
        summary: "Notify of changes in the drop bucket: S3, SNS, SQS, EventBridge or SeaweedFS events",
        description: "Only a hint to check now: the bucket's contents decide. Events of other buckets are ignored.",
        body: z.record(z.string(), z.unknown()),
        response: {
          202: z.object({ objects: z.number().describe("objects to be checked") }),
          ...problemResponses,
        },
      },
    },
    async ({ body, audited }, reply) => {
      if (!drops) throw new TributaryError("NOT_FOUND", "this gateway has no drop store: set TRIBUTARY_DROPS_URL");
      const keys = readNotification(body, drops.url).map(({ key }) => key);
      audited["objects"] = keys.length;
      if (keys.length > 0) drops.trigger(keys);
      return reply.code(202).send({ objects: keys.length });
    },
  );
}
