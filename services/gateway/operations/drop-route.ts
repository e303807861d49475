import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import { WHOLE_TABLE } from "../../../lib/messages/operation.ts";
import { makeLedger } from "../files/ledger.ts";
import { makeRejectLedger } from "../rejects/ledger.ts";
import { unrecordedFile } from "../rejects/recorded.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { checkTableName } from "../http/names.ts";
import { problemResponses } from "../http/parameters.ts";
import { publishOperation } from "./publish.ts";
import { NO_REASON, operationQuery } from "./undo-route.ts";

/** How long the request waits for the table's writer. */
const WAIT_MS = 10_000;

const dropSchema = z
  .object({
    table: z.string(),
    dryRun: z.boolean(),
    status: z.enum(["planned", "pending", "done", "failed"]).describe("pending: it continues; see links.self"),
    exists: z.boolean().describe("whether the warehouse has the table"),
    rows: z.number().describe("rows of the table before the drop"),
    files: z.number().describe("records of its files"),
    links: z.object({ self: z.string().nullable().describe("status of the drop") }),
  })
  .meta({ id: "TableDrop" });

/** DELETE /v1/tables/{table}: a later upload starts a new table. */
export function addDropTableRoute(app: App, deps: GatewayDeps): void {
  app.delete(
    "/v1/tables/:table",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "dropTable",
        tags: ["tables"],
        summary: "Drop a table: its rows, its columns and the record of its files go",
        description:
          "The drop has a place in the order of the table's files: what was sent before it goes, also what is not " +
          "committed yet, and a later upload starts a new table. Raw bytes, the contract and objects in the drop " +
          "store stay.",
        params: z.object({ table: z.string() }),
        querystring: z.strictObject({
          ...operationQuery,
          confirm: z.string().optional().describe("the table's name again; not needed with dryRun"),
        }),
        response: {
          200: dropSchema,
          202: dropSchema.describe("not finished in time; it continues"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const { reason = NO_REASON, confirm } = request.query;
      const dryRun = request.query.dryRun === "true";
      const table = checkTableName(request.params.table, deps.contracts);
      Object.assign(request.audited, { reason, dryRun });
      const about = { table, dryRun, ...(await contentsOf(deps, table)) };
      Object.assign(request.audited, { rows: about.rows, files: about.files });
      if (dryRun) return { ...about, status: "planned" as const, links: { self: null } };
      if (confirm !== table) {
        throw new TributaryError(
          "BAD_REQUEST",
          `query.confirm: repeat the table's name, '${table}', to drop the table`,
        );
      }
      const drop = { kind: "drop", reason, requestedBy: request.caller?.id ?? "" } as const;
      const { fileId } = await publishOperation(deps, { table, sourceFile: WHOLE_TABLE }, drop);
      const ended = await deps.waiters.wait(fileId, WAIT_MS, reply.raw);
      const status = ended === undefined ? "pending" : ended.status === "committed" ? "done" : "failed";
      const answer = { ...about, status, links: { self: `/v1/files/${fileId}` } } as const;
      return reply.code(ended ? 200 : 202).send(answer);
    },
  );
}

/** @throws NOT_FOUND if nothing is known of the table */
async function contentsOf({ warehouse, settings, view, clock }: GatewayDeps, table: string) {
  const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
  await unrecordedFile({ view, clock, ledger: makeRejectLedger(warehouse, limits) }, table);
  const exists = (await warehouse.describe(table)) !== undefined;
  const rows = exists ? await warehouse.reads.rowCount(table, limits) : 0;
  const recorded = await makeLedger(warehouse, limits).versions(table, "replace");
  const files = recorded.filter(({ operation }) => operation !== "drop").length;
  if (!exists && files === 0 && view.lag(table).files === 0) {
    throw new TributaryError("NOT_FOUND", `no such table: '${table}'`);
  }
  return { exists, rows, files };
}
