import { z } from "zod";
import { messageOf, TributaryError } from "../../../lib/errors.ts";
import { readNotification } from "./notifications.ts";
import type { DropPoller } from "./drops.ts";
import { SKIP_KINDS } from "./skipped.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

const skippedSchema = z.object({
  key: z.string(),
  kind: z.enum(SKIP_KINDS).describe("`failed`: reading or storing it failed"),
  reason: z.string().describe("with the remedy"),
});

const folderSchema = z.string().max(1024).describe("with its final slash; empty: the whole store");

/** The state of the drop store, and the confirmation of deletions that are held. */
export function addDropRoutes(app: App, { drops }: GatewayDeps): void {
  const pollerOf = (): DropPoller => {
    if (!drops) throw new TributaryError("NOT_FOUND", "this gateway has no drop store: set TRIBUTARY_DROPS_URL");
    const poller = drops.poller();
    if (!poller) throw new TributaryError("OVERLOADED", "the gateway is starting");
    return poller;
  };

  app.get(
    "/v1/drops",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getDrops",
        tags: ["files"],
        summary: "The drop store: deletions that wait for a confirmation, and objects that are not ingested",
        response: {
          200: z.object({
            watching: z.boolean().describe("this gateway watches the store; otherwise another one does"),
            held: z
              .array(
                z.object({
                  folder: folderSchema,
                  missing: z.number().describe("known objects that are missing"),
                  known: z.number().describe("known objects of the folder"),
                }),
              )
              .describe("folders in which too many objects are missing at once; their rows stay"),
            unfit: z.array(skippedSchema).describe("objects that are not ingested; the first 50"),
            unfitCount: z.number(),
            ignored: z.array(skippedSchema).describe("hidden and unfinished objects, not in `unfit`; the first 50"),
            ignoredCount: z.number(),
            fault: z.string().nullable().describe("why the store cannot be listed, so that nothing is ingested"),
          }),
          ...problemResponses,
        },
      },
    },
    async () => {
      const { confirmedUpTo: _, ...state } = pollerOf().state();
      return state;
    },
  );

  app.post(
    "/v1/drops/deletions/confirm",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "confirmDeletions",
        tags: ["files"],
        summary: "Confirm that the missing objects of a folder were deleted",
        description:
          "The files of these objects are then deleted as those of single deletions: the contract's onDelete decides.",
        body: z.strictObject({
          folder: folderSchema,
          missing: z.number().int().min(1).describe("how many, from GET /v1/drops; more than that stay held"),
        }),
        response: { 202: z.object({ folder: z.string(), missing: z.number() }), ...problemResponses },
      },
    },
    async ({ body, audited }, reply) => {
      Object.assign(audited, body);
      await pollerOf().confirmDeletions(body.folder, body.missing);
      return reply.code(202).send(body);
    },
  );
}

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
      if (keys.length > 0) drops.poller()?.trigger(keys);
      return reply.code(202).send({ objects: keys.length });
    },
  );
}
