import type { ServerResponse } from "node:http";
import { z } from "zod";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { checkFileName, checkTableName, printable } from "../http/names.ts";
import { plainText, problemResponses } from "../http/parameters.ts";
import { lossRefusal, lostText, planRefusal, planUndo, publishUndo, readAgain, type UndoPlan } from "./undo.ts";
import { checkRepetitions, loadedBy, lostBy, type LoadedRows, type Loss } from "./undo-check.ts";

export const REASON_CHARS_MAX = 500;
/** How long the request waits for the last step. */
const WAIT_MS = 10_000;
/** Requests that read the other files of their table. */
const CHECKS_MAX = 2;

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
    lost: z
      .array(z.object({ file: z.string(), error: z.string() }))
      .describe("other files with rows that would not come back, or, after the undo, have not"),
    complete: z.boolean().describe("false: the other files were not all read before, for their size or with `lossy`"),
    error: z.string().nullable().describe("why the undo would be refused, or what has failed"),
    code: z.string().nullable().describe("with `error`: one of docs/errors.md"),
    remedy: z.string().nullable().describe("with `error`"),
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
  const limiter = makeConcurrencyLimiter(CHECKS_MAX, "checks of undos");
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
          "before it, and a later upload of the file is a new one. Replays and corrections do not bring the file back. In " +
          "an upsert table the other files are read before: if the present contract refuses a row of them that was " +
          "loaded, the undo is refused.",
        params: z.object({ table: z.string(), "*": z.string().describe("name of the file within its table") }),
        querystring: z.strictObject({
          ...operationQuery,
          lossy: z
            .enum(["true", "false"])
            .optional()
            .describe("true: also if earlier rows of other files do not load again; they are not read before"),
        }),
        response: {
          200: undoSchema,
          202: undoSchema.describe("not finished in time; it continues"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const { reason = NO_REASON } = request.query;
      const [dryRun, lossy] = [request.query.dryRun === "true", request.query.lossy === "true"];
      const table = checkTableName(request.params.table, deps.contracts);
      const sourceFile = checkFileName(request.params["*"]);
      Object.assign(request.audited, { reason, dryRun, ...(lossy ? { lossy } : {}) });
      const contract = deps.contracts.of(table);
      const plan = await planUndo(deps, contract, sourceFile);
      if (plan.rows + plan.versions === 0) {
        throw new TributaryError("NOT_FOUND", `table '${table}' has no file '${printable(sourceFile)}'`);
      }
      Object.assign(request.audited, { rows: plan.rows });
      const versions = plan.again;
      const loaded: LoadedRows = versions.length === 0 ? new Map() : await loadedBy(deps, table, versions);
      const unsound = planRefusal(plan, contract);
      const isRead = !unsound && !lossy && versions.length > 0;
      const check = () => checkRepetitions(deps, contract, { versions, loaded, gone: leavingOf(reply.raw) });
      const checked = isRead ? await limiter.run(check) : { lost: [], complete: versions.length === 0 };
      const refusal = unsound ?? (isRead ? lossRefusal(checked) : undefined);
      const about = { ...planned(plan, table, sourceFile), dryRun, ...checked, ...errorFields(refusal) };
      if (dryRun) return { ...about, status: "planned" as const, links: { self: null } };
      if (refusal) throw refusal;
      const asked = { sourceFile, reason, requestedBy: request.caller?.id ?? "" };
      const { fileId, repeated } = await publishUndo(deps, contract, asked, () =>
        readAgain(deps, contract, sourceFile),
      );
      const ended = await deps.waiters.wait(fileId, WAIT_MS, reply.raw);
      const lost = await lostBy(deps, repeated, loaded);
      const isDone = ended?.status === "committed" && (lossy || lost.length === 0);
      const answer = {
        ...{ ...about, lost, ...(lost.length > 0 ? lostFields(lost) : {}) },
        status: ended === undefined ? "pending" : isDone ? "done" : "failed",
        links: { self: `/v1/files/${fileId}` },
      } as const;
      return reply.code(ended ? 200 : 202).send(answer);
    },
  );
}

const planned = ({ rows, versions, again, missing }: UndoPlan, table: string, file: string) => ({
  ...{ table, file, rows, versions },
  readAgain: { versions: again.length, bytes: again.reduce((sum, { event }) => sum + event.sizeBytes, 0) },
  missing: [...new Set(missing.map(({ event }) => event.sourceFile))],
});

const errorFields = (refusal: TributaryError | undefined) => ({
  ...{ error: refusal?.message ?? null, code: refusal?.code ?? null, remedy: refusal?.remedy ?? null },
});

/** What the answer says of rows that have not come back. */
const lostFields = (lost: readonly Loss[]) => ({
  error: `the file's rows are taken back, but earlier rows of other files have not come back: ${lostText(lost)}`,
  code: "FILE_NOT_COMMITTED",
  remedy: "Correct the contract or the cause, then load each of these files: tributary replay <table> --only <file>",
});

/** Aborts when the client leaves: one that stops waiting has not seen what the check says. */
function leavingOf(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  response.once("close", () => left.abort());
  return left.signal;
}
