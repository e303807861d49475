import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import type { Decision } from "../../../lib/messages/generated.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { makeLedger } from "../files/ledger.ts";
import { fileIdSchema, knownFile } from "../files/known-file.ts";
import { withArrival } from "../files/status.ts";
import { fileStatusSchema, isFinal, type FileStatus } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { dialectParameters, plainText, problemResponses, requestedDialectOf } from "../http/parameters.ts";
import { publishDecision, repeatsAcceptance } from "./decision.ts";

const REASON_CHARS_MAX = 500;
/** How long the request waits for the decided file, which is read and committed like any other. */
const WAIT_MS = 10_000;

const params = z.object({ fileId: fileIdSchema });
const reason = plainText.max(REASON_CHARS_MAX);
const response = {
  200: fileStatusSchema.describe("the file has ended"),
  202: fileStatusSchema.describe("the decision is stored, and the file is on its way"),
  ...problemResponses,
};

/** Decisions about held files. */
export function addHeldRoutes(app: App, deps: GatewayDeps): void {
  const decide = decisions(deps);
  app.post(
    "/v1/files/:fileId/accept",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "acceptFile",
        tags: ["files"],
        summary: "Load a held file all the same, as it was read or with other settings",
        description:
          "Reads the kept raw bytes again, as the same version in its old place. Newer content of the file stays: the file " +
          "then ends as failed with FILE_SUPERSEDED. The first decision counts; the same one again changes nothing. A file " +
          "that was not held, or that was accepted with other settings, is answered with FILE_ENDED.",
        params,
        querystring: z.strictObject(dialectParameters),
        body: z.strictObject({ reason: reason.default("") }).nullish(),
        response,
      },
    },
    async (request, reply) => {
      const fileId = request.params.fileId.toLowerCase();
      const requested = requestedDialectOf(request.query);
      const decision = { verdict: "accept", reason: request.body?.reason ?? "", decidedBy: request.caller?.id ?? "" };
      Object.assign(request.audited, { fileId, verdict: "accept", reason: decision.reason, settings: requested });
      const { file, ended } = await decide({ fileId, decision, requested }, reply.raw, request.audited);
      return reply.code(ended ? 200 : 202).send(file);
    },
  );
  app.post(
    "/v1/files/:fileId/refuse",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "refuseFile",
        tags: ["files"],
        summary: "Refuse a held file: it ends as failed with FILE_REFUSED",
        description: "Its raw bytes stay. The first decision counts; the same one again changes nothing.",
        params,
        body: z.strictObject({ reason: reason.min(1) }),
        response,
      },
    },
    async (request, reply) => {
      const fileId = request.params.fileId.toLowerCase();
      const decision = { verdict: "refuse", reason: request.body.reason, decidedBy: request.caller?.id ?? "" };
      Object.assign(request.audited, { fileId, verdict: "refuse", reason: decision.reason });
      const { file, ended } = await decide({ fileId, decision, requested: {} }, reply.raw, request.audited);
      return reply.code(ended ? 200 : 202).send(file);
    },
  );
}

/**
 * Publishes the decision if the file is held, and waits for its end. A file that has ended as the decision
 * wants, or that is decided and on its way, is answered as it is.
 */
function decisions(deps: GatewayDeps) {
  const { view, warehouse, settings, metrics } = deps;
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  return async (
    { fileId, decision, requested }: { fileId: string; decision: Decision; requested: FormatRequest },
    response: Parameters<typeof deps.waiters.wait>[2],
    audited: Record<string, unknown>,
  ): Promise<{ file: FileStatus; ended: boolean }> => {
    const known = await knownFile(view, ledger, fileId);
    Object.assign(audited, { table: known.table, file: known.sourceFile });
    if (known.status === "held") {
      if (decision.verdict === "accept") assertOneTable(known, requested);
      const { event, offset } = await publishDecision(deps, { file: known, decision, requested });
      metrics.throughput.sent("decision");
      view.apply(fileId, (facts) => withArrival(facts, event, offset));
    } else if (isFinal(known.status)) {
      if (!(await isDecided(deps, known, { decision, requested }))) {
        throw new TributaryError(
          "FILE_ENDED",
          `file ${fileId} is ${known.status} already: only a held file is decided`,
        );
      }
      return { file: known, ended: true };
    } else if (view.facts(fileId)?.decidedAt === undefined) {
      throw new TributaryError("FILE_ENDED", `file ${fileId} is not held, it is ${known.status}`);
    }
    const ended = await deps.waiters.wait(fileId, WAIT_MS, response);
    return { file: ended ?? view.get(fileId) ?? known, ended: ended !== undefined };
  };
}

/**
 * Several tables in one would give mixed rows and columns of text. `skipRows: 0` says that it is one table.
 * @throws BAD_REQUEST if the settings do not say which table to read
 */
function assertOneTable({ sourceFile, heldReasons }: FileStatus, { skipRows, footer }: FormatRequest): void {
  const several = heldReasons?.find(({ reason }) => reason === "several_tables");
  if (!several || typeof skipRows === "number" || footer !== undefined) return;
  throw new TributaryError(
    "BAD_REQUEST",
    `'${sourceFile}' holds several tables: ${several.evidence}. Accept it with \`skipRows\` for the lines above the table, ` +
      "or `footer` for the rows below it; with skipRows=0 if it is one table. Or refuse it and send each table as a file",
  );
}

/** Whether the decision is the one that was made. */
async function isDecided(
  { view, log }: Pick<GatewayDeps, "view" | "log">,
  file: FileStatus,
  { decision, requested }: { decision: Decision; requested: FormatRequest },
): Promise<boolean> {
  if (decision.verdict !== "accept") return file.error?.code === "FILE_REFUSED";
  const facts = view.facts(file.fileId);
  // The view drops old files whole: one that it knows from its arrival on it knows with its decision.
  if (facts?.arrival && facts.decidedAt === undefined) return false;
  return repeatsAcceptance(log, file, { requested, decidedAt: facts?.decidedAt });
}
