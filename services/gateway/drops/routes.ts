import { z } from "zod";
import { messageOf, TributaryError } from "../../../lib/errors.ts";
import { readNotification } from "./notifications.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

/** Object stores say here what happened, so that a dropped file is seen at once and not at the next poll. */
export function addNotificationRoutes(app: App, { drops }: GatewayDeps): void {
  // Senders disagree about the content type; what they send is JSON.
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
        summary: "Events of the drop bucket: S3, SNS, SQS, EventBridge or SeaweedFS",
        description: "Only a hint to look now: what the bucket holds decides. Events of other buckets are ignored.",
        body: z.record(z.string(), z.unknown()),
        response: {
          202: z.object({ objects: z.number().describe("objects that will be looked at") }),
          ...problemResponses,
        },
      },
    },
    async ({ body, audited }, reply) => {
      if (!drops) throw new TributaryError("NOT_FOUND", "this gateway watches no drops");
      const keys = readNotification(body, drops.url).map(({ key }) => key);
      audited["objects"] = keys.length;
      if (keys.length > 0) drops.poke(keys);
      return reply.code(202).send({ objects: keys.length });
    },
  );
}
