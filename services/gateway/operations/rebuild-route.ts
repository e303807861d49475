import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import { WHOLE_TABLE } from "../../../lib/messages/operation.ts";
import { missingMessage } from "../../../lib/rebuild/versions.ts";
import { describeError } from "../files/status.ts";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { checkTableName } from "../http/names.ts";
import { plainText, problemResponses } from "../http/parameters.ts";
import type { FileStatus } from "../http/schemas.ts";
import { publishOperation } from "./publish.ts";
import { planRebuild, readAll, type Findings, type RebuildPlan } from "./rebuild.ts";
import { NO_REASON, REASON_CHARS_MAX } from "./undo-route.ts";

/** How long the request waits for the table's writer. */
const WAIT_MS = 10_000;
/** Dry runs that read files or wait for it. */
const DRY_RUNS_MAX = 2;

const rebuildSchema = z
  .object({
    table: z.string(),
    dryRun: z.boolean(),
    status: z.enum(["planned", "pending", "done", "failed"]).describe("pending: it continues; see links.self"),
    files: z.number().describe("file versions that are read again"),
    bytes: z.number().describe("their bytes"),
    missing: z.array(z.string()).describe("files whose raw bytes are gone: with any of them the rebuild is refused"),
    waiting: z.number().describe("files on their way: those that arrive before the rebuild are part of it"),
    rows: z.object({
      now: z.number().describe("rows of the table"),
      inFiles: z.number().nullable().describe("dry run: rows of the files that were read, rejected ones included"),
      after: z.number().nullable().describe("dry run: rows of the new table; null in upsert tables: keys decide"),
    }),
    rejects: z
      .object({ now: z.number(), after: z.number() })
      .nullable()
      .describe("dry run: rejected rows of these files, on record and afterwards; null: not all files were read"),
    columns: z
      .array(
        z.object({
          name: z.string(),
          change: z.enum(["type", "new", "gone"]),
          from: z.string().nullable(),
          to: z.string().nullable(),
        }),
      )
      .nullable()
      .describe("dry run: columns that change their type, appear or vanish"),
    unreadable: z
      .array(z.object({ file: z.string(), error: z.string() }))
      .describe("dry run: files that cannot be read under the present contract"),
    complete: z.boolean().describe("false: a dry run that ended at its limit of bytes or time, before the last file"),
    error: z.string().nullable().describe("why the rebuild failed, or would; the table is as before"),
    code: z.string().nullable().describe("with `error`: one of docs/errors.md"),
    remedy: z.string().nullable().describe("with `error`"),
    links: z.object({ self: z.string().nullable().describe("status of the rebuild") }),
  })
  .meta({ id: "TableRebuild" });

const NOT_READ: Findings = {
  ...{ rows: null, rowsAfter: null, rejects: null, columns: null },
  ...{ unreadable: [], complete: true },
};

const NO_ERROR = { error: null, code: null, remedy: null };

const errorFields = ({ message, code, remedy }: NonNullable<FileStatus["error"]>) => ({ error: message, code, remedy });

/** Why the rebuild would be refused, as far as a dry run has seen. */
function refusalOf({ missing }: RebuildPlan, { unreadable }: Findings) {
  const why = missing.length > 0 ? missingMessage(missing) : unreadable[0]?.error;
  return why === undefined ? NO_ERROR : errorFields(describeError("REBUILD_REFUSED", why));
}

/** POST /v1/tables/{table}/rebuild: builds the table again from its raw files. */
export function addRebuildRoute(app: App, deps: GatewayDeps): void {
  const limiter = makeConcurrencyLimiter(DRY_RUNS_MAX, "dry runs of rebuilds");
  app.post(
    "/v1/tables/:table/rebuild",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "rebuildTable",
        tags: ["tables"],
        summary: "Rebuild a table from its kept raw files under the present contract",
        description:
          "All types that the contract does not declare are found again, in all files together. The new table grows " +
          "beside the old one and takes its place in one step; files that arrive meanwhile follow. If any file cannot " +
          "be read, the table stays as it is.",
        params: z.object({ table: z.string() }),
        body: z
          .strictObject({
            reason: plainText.min(1).max(REASON_CHARS_MAX).optional().describe("why; in ledger and audit log"),
            dryRun: z.boolean().default(false).describe("read the files and say what would change; write nothing"),
            confirm: z.string().optional().describe("the table's name again; not needed with dryRun"),
          })
          .nullish(),
        response: {
          200: rebuildSchema,
          202: rebuildSchema.describe("not finished in time; it continues"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const { reason = NO_REASON, dryRun = false, confirm } = request.body ?? {};
      const table = checkTableName(request.params.table, deps.contracts);
      Object.assign(request.audited, { reason, dryRun });
      const plan = await planRebuild(deps, table);
      const { versions, bytes, missing, now, waiting } = plan;
      const files = versions.length;
      Object.assign(request.audited, { files, bytes });
      const names = [...new Set(missing.map(({ event }) => event.sourceFile))];
      const about = (found: Findings) => {
        const { rows: inFiles, rowsAfter: after, rejects, columns, unreadable, complete } = found;
        const counts = { files, bytes, missing: names, waiting, rows: { now, inFiles, after }, rejects };
        return { table, dryRun, ...counts, columns, unreadable, complete, ...NO_ERROR };
      };
      if (dryRun) {
        const found = await limiter.run(() => readAll(deps, plan));
        return { ...about(found), ...refusalOf(plan, found), status: "planned" as const, links: { self: null } };
      }
      if (confirm !== table) {
        throw new TributaryError("BAD_REQUEST", `confirm: repeat the table's name, '${table}', to rebuild the table`);
      }
      if (missing.length > 0) throw new TributaryError("REBUILD_REFUSED", missingMessage(missing));
      const operation = { kind: "rebuild", reason, requestedBy: request.caller?.id ?? "" } as const;
      const { fileId } = await publishOperation(deps, { table, sourceFile: WHOLE_TABLE }, operation);
      const ended = await deps.waiters.wait(fileId, WAIT_MS, reply.raw);
      const status = ended === undefined ? "pending" : ended.status === "committed" ? "done" : "failed";
      const failure = ended?.error ? errorFields(ended.error) : NO_ERROR;
      const answer = { ...about(NOT_READ), ...failure, status, links: { self: `/v1/files/${fileId}` } } as const;
      return reply.code(ended ? 200 : 202).send(answer);
    },
  );
}
