import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import { fileIdSchema, knownFile } from "./known-file.ts";
import { makeLedger } from "./ledger.ts";
import { fileListSchema, fileStates, fileStatusSchema, isFinal, type FileStatus } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { plainText, problemResponses, waitMsOf, waitParameters } from "../http/parameters.ts";

/** GET /v1/files: the status of one file, and lists of files. */
export function addFileRoutes(app: App, deps: GatewayDeps): void {
  const { view, warehouse, settings } = deps;
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });

  app.get(
    "/v1/files/:fileId",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getFile",
        tags: ["files"],
        summary: "A file's status",
        params: z.object({ fileId: fileIdSchema }),
        querystring: z.strictObject(waitParameters),
        response: { 200: fileStatusSchema, ...problemResponses },
      },
    },
    async (request, reply) => {
      const fileId = request.params.fileId.toLowerCase();
      const waitMs = waitMsOf(request.query, settings.TRIBUTARY_WAIT_MAX);
      const known = await knownFile(view, ledger, fileId);
      if (waitMs === undefined || isFinal(known.status)) return known;
      return (await deps.waiters.wait(fileId, waitMs, reply.raw)) ?? view.get(fileId) ?? known;
    },
  );

  app.get(
    "/v1/files",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listFiles",
        tags: ["files"],
        summary: "Files, newest first",
        querystring: z.strictObject({
          table: plainText.optional(),
          status: z.enum(fileStates).optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(50),
          cursor: fileIdSchema.optional(),
        }),
        response: { 200: fileListSchema, ...problemResponses },
      },
    },
    async ({ query: { table, status, limit, cursor } }) => {
      const begin = cursor === undefined ? undefined : (view.place(cursor) ?? (await ledger.place(cursor)));
      if (cursor !== undefined && !begin) {
        throw new TributaryError("BAD_REQUEST", "query.cursor: no such file; pass a `nextCursor` unchanged");
      }
      const { files, exhausted } = view.list({ table, status, before: begin, limit: limit + 1 });
      if (files.length <= limit && !exhausted) {
        const last = files.at(-1);
        const before = last ? view.place(last.fileId) : begin;
        files.push(...(await ledger.files({ table, status, before, limit: limit + 1 - files.length })));
      }
      return page(files, limit);
    },
  );
}

/** `files` holds one more than `limit` if there is a next page. */
function page(files: FileStatus[], limit: number): z.infer<typeof fileListSchema> {
  const shown = files.slice(0, limit);
  return { files: shown, nextCursor: files.length > limit ? shown.at(-1)!.fileId : null };
}
