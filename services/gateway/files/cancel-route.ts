import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import { fileStatusSchema, isFinal, type FileStatus } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { printable } from "../http/names.ts";
import { plainText, problemResponses } from "../http/parameters.ts";
import { makeLedger } from "./ledger.ts";
import { fileIdSchema, knownFile } from "./known-file.ts";
import { publishSkip, REASON_CHARS_MAX, WAIT_MS } from "./skip-route.ts";

/** POST /v1/files/{fileId}/cancel: ends a file that is on its way. */
export function addCancelRoute(app: App, deps: GatewayDeps): void {
  const { view, warehouse, settings } = deps;
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  app.post(
    "/v1/files/:fileId/cancel",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "cancelFile",
        tags: ["files"],
        summary:
          "Cancel a file that waits, is parsed or is loaded: it ends as failed, and its table keeps no row of it",
        description:
          "The parse or the load that runs is interrupted. The beginning of the file's commit decides: before it the file " +
          "ends as failed with FILE_CANCELLED, after it the file is committed and the answer is FILE_ENDED. A cancelled " +
          "file that is cancelled again is answered as it is.",
        params: z.object({ fileId: fileIdSchema }),
        body: z.strictObject({ reason: plainText.max(REASON_CHARS_MAX).default("") }).nullish(),
        response: {
          200: fileStatusSchema.describe("the file is cancelled"),
          202: fileStatusSchema.describe("the cancel is stored; the file ends when its turn comes"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const fileId = request.params.fileId.toLowerCase();
      const reason = request.body?.reason ?? "";
      const known = await knownFile(view, ledger, fileId);
      const { table, sourceFile } = known;
      Object.assign(request.audited, { fileId, table, file: sourceFile, reason });
      if (isFinal(known.status)) return reply.code(200).send(cancelled(known));
      if (known.operation !== null) {
        const what = `${fileId} is an operation (${known.operation}) on table '${table}', and only files are cancelled`;
        throw new TributaryError("BAD_REQUEST", `${what}; \`tributary files skip\` ends a rebuild`);
      }
      await publishSkip(deps, { fileId, table, reason, requestedBy: request.caller?.id ?? "", cancelled: true });
      const ended = await deps.waiters.wait(fileId, WAIT_MS, reply.raw);
      return reply.code(ended ? 200 : 202).send(ended ? cancelled(ended) : (view.get(fileId) ?? known));
    },
  );
}

/** The file, if its end is the cancel. @throws FILE_ENDED with what to do instead */
function cancelled(file: FileStatus): FileStatus {
  const { fileId, table, sourceFile, status, error } = file;
  if (error?.code === "FILE_CANCELLED") return file;
  const instead: Partial<Record<FileStatus["status"], string>> = {
    committed: `; \`tributary files undo ${table} ${printable(sourceFile)}\` takes it back`,
    held: `; \`tributary files refuse ${fileId}\` ends it`,
  };
  throw new TributaryError("FILE_ENDED", `file ${fileId} is ${status} already${instead[status] ?? ""}`);
}
