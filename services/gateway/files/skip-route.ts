import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import { fileSkips } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { keyOf, tableId } from "../../../lib/tables.ts";
import { fileStatusSchema, isFinal } from "../http/schemas.ts";
import type { FileSkip } from "../../../lib/messages/generated.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { plainText, problemResponses } from "../http/parameters.ts";
import { makeLedger } from "./ledger.ts";
import { fileIdSchema, knownFile } from "./known-file.ts";

export const REASON_CHARS_MAX = 500;
/** How long the request waits for the committer, which acts at once unless a commit is running. */
export const WAIT_MS = 10_000;

/** POST /v1/files/{fileId}/skip: an operator sets a file aside. */
export function addSkipRoute(app: App, deps: GatewayDeps): void {
  const { view, warehouse, settings } = deps;
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  app.post(
    "/v1/files/:fileId/skip",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "skipFile",
        tags: ["files"],
        summary: "Set a file aside that its table cannot take: it ends as failed, and its table continues",
        params: z.object({ fileId: fileIdSchema }),
        body: z.strictObject({ reason: plainText.min(1).max(REASON_CHARS_MAX) }),
        response: {
          200: fileStatusSchema.describe("the file has ended"),
          202: fileStatusSchema.describe("the file ends after the commit that is running"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const fileId = request.params.fileId.toLowerCase();
      const { reason } = request.body;
      const known = await knownFile(view, ledger, fileId);
      const { table, sourceFile, status } = known;
      Object.assign(request.audited, { fileId, table, file: sourceFile, reason });
      if (isFinal(status)) throw new TributaryError("FILE_ENDED", `file ${fileId} is ${status} already`);
      const requestedBy = request.caller?.id ?? "";
      await publishSkip(deps, { fileId, table, reason, requestedBy });
      const ended = await deps.waiters.wait(fileId, WAIT_MS, reply.raw);
      return reply.code(ended ? 200 : 202).send(ended ?? view.get(fileId) ?? known);
    },
  );
}

/** Stores that a file is set aside or cancelled. @throws LOG_UNAVAILABLE */
export async function publishSkip(
  { log, clock, metrics }: Pick<GatewayDeps, "log" | "clock" | "metrics">,
  skip: Omit<FileSkip, "requestedAtMs">,
): Promise<void> {
  const value = fileSkips.encode({ ...skip, requestedAtMs: clock.nowMs() });
  await log.publish(TOPICS.fileSkips.name, [{ key: keyOf(tableId(skip.table)), value }]);
  metrics.throughput.sent("skip");
}
