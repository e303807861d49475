import { z } from "zod";
import { makeLedger } from "../ledger.ts";
import { checkTableName } from "../names.ts";
import { rejectListSchema } from "../schemas.ts";
import type { App, GatewayDeps } from "../server.ts";
import { decodeCursor, encodeCursor, plainText, problemResponses } from "./parameters.ts";

const placeSchema = z.object({ sourceOffset: z.number().int(), fileId: plainText, row: z.number().int() });

/** Rows that could not be typed: where they stand, what they say, and why. */
export function addRejectRoutes(app: App, { warehouse, contracts, settings }: GatewayDeps): void {
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  app.get(
    "/v1/tables/:table/rejects",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listRejects",
        tags: ["tables"],
        summary: "Rejected rows of a table",
        params: z.object({ table: z.string() }),
        querystring: z.strictObject({
          file: plainText.optional().describe("name of the file within its table"),
          fileId: plainText.optional().describe("one version of it"),
          reason: plainText.optional(),
          column: plainText.optional(),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          cursor: z.string().max(2048).optional(),
        }),
        response: { 200: rejectListSchema, ...problemResponses },
      },
    },
    async ({ params, query: { file: sourceFile, fileId, reason, column, limit, cursor } }) => {
      const table = checkTableName(params.table, contracts);
      const after = cursor === undefined ? undefined : decodeCursor(cursor, placeSchema);
      const found = await ledger.rejects({ table, sourceFile, fileId, reason, column, after, limit: limit + 1 });
      const rejects = found.slice(0, limit);
      const last = rejects.at(-1);
      const more = found.length > limit && last !== undefined;
      return {
        rejects,
        nextCursor: more ? encodeCursor({ sourceOffset: last.sourceOffset, fileId: last.fileId, row: last.row }) : null,
      };
    },
  );
}
