import { z } from "zod";
import type { App, GatewayDeps } from "../http/deps.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { checkFileName, checkTableName, printable } from "../http/names.ts";
import { plainText, problemResponses } from "../http/parameters.ts";
import { assertSound, planUndo, publishUndo, readAgain } from "./undo.ts";

export const REASON_CHARS_MAX = 500;
/** How long the request waits for the last step. */
const WAIT_MS = 10_000;

const undoSchema = z
  .object({
    table: z.string(),
    file: z.string(),
    dryRun: z.boolean(),
    status: z.enum(["planned", "pending", "done", "failed"]).describe("pending: it continues; see links.self"),
    rows: z.number().describe("rows of the table that came from the file, before the undo"),
    versions: z.number().describe("versions of the file"),
    readAgain: z
      .object({ versions: z.number(), bytes: z.number() })
      .describe("upsert tables: versions of other files that are read again, to bring earlier rows back"),
    missing: z.array(z.string()).describe("files whose raw bytes are gone: with any of them the undo is refused"),
    links: z.object({ self: z.string().nullable().describe("status of the last step") }),
  })
  .meta({ id: "Undo" });

/** The parameters of operations on a table. */
export const operationQuery = {
  reason: plainText.min(1).max(REASON_CHARS_MAX).optional().describe("why; it is in the ledger and the audit log"),
  dryRun: z.enum(["true", "false"]).optional().describe("true: only say what would happen"),
};

export const NO_REASON = "no reason given";

/** DELETE /v1/tables/{table}/files/{name}: takes back what a file brought. */
export function addUndoRoute(app: App, deps: GatewayDeps): void {
  app.delete(
    "/v1/tables/:table/files/*",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "undoFile",
        tags: ["files"],
        summary: "Undo a file: its rows go, and upsert tables get the earlier version of each key back",
        description:
          "The undo has a place in the order of the table's files: it takes back every version of the file that was sent " +
          "before it, and a later upload of the file is a new one. Replays and corrections do not bring the file back.",
        params: z.object({ table: z.string(), "*": z.string().describe("name of the file within its table") }),
        querystring: z.strictObject(operationQuery),
        response: {
          200: undoSchema,
          202: undoSchema.describe("not finished in time; it continues"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const { reason = NO_REASON, dryRun } = request.query;
      const table = checkTableName(request.params.table, deps.contracts);
      const sourceFile = checkFileName(request.params["*"]);
      Object.assign(request.audited, { reason, dryRun: dryRun === "true" });
      const contract = deps.contracts.of(table);
      const plan = await planUndo(deps, contract, sourceFile);
      if (plan.rows + plan.versions === 0) {
        throw new TributaryError("NOT_FOUND", `table '${table}' has no file '${printable(sourceFile)}'`);
      }
      const about = {
        table,
        file: sourceFile,
        dryRun: dryRun === "true",
        rows: plan.rows,
        versions: plan.versions,
        readAgain: {
          versions: plan.again.length,
          bytes: plan.again.reduce((sum, { event }) => sum + event.sizeBytes, 0),
        },
        missing: [...new Set(plan.missing.map(({ event }) => event.sourceFile))],
      };
      Object.assign(request.audited, { rows: plan.rows });
      if (dryRun === "true") return { ...about, status: "planned" as const, links: { self: null } };
      assertSound(plan, contract);
      const requestedBy = request.caller?.id ?? "";
      const { fileId } = await publishUndo(deps, contract, { sourceFile, reason, requestedBy }, () =>
        readAgain(deps, contract, sourceFile),
      );
      const ended = await deps.waiters.wait(fileId, WAIT_MS, reply.raw);
      const status = ended === undefined ? "pending" : ended.status === "committed" ? "done" : "failed";
      const answer = { ...about, status, links: { self: `/v1/files/${fileId}` } } as const;
      return reply.code(ended ? 200 : 202).send(answer);
    },
  );
}
