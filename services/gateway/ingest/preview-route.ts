import multipart from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import { Readable } from "node:stream";
import { z } from "zod";
import type { ColumnDefinition } from "../../../lib/columns.ts";
import { defaultContract } from "../../../lib/contract/contract.ts";
import type { Preview } from "../../../lib/parsing/preview.ts";
import { WorkerCrash } from "../../../lib/parsing/workers/worker-pool.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { describeError } from "../files/status.ts";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import { checkTableName } from "../http/names.ts";
import { concatenate, readUpTo } from "./read-up-to.ts";
import { previewSchema } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { requestedDialectOf, dialectParameters, FORM_LIMITS, plainText, problemResponses } from "../http/parameters.ts";

/** Previews that run or wait for a worker. */
const PREVIEWS_MAX = 4;

/** Previews of files, without any effect. */
export async function addPreviewRoutes(app: App, deps: GatewayDeps): Promise<void> {
  const { contracts, schemas, warehouse, settings, previews } = deps;
  const limiter = makeConcurrencyLimiter(PREVIEWS_MAX, "previews");
  // The table itself decides what an upload may change; while it cannot be asked, what was published of it.
  const columnsOf = async (table: string): Promise<readonly ColumnDefinition[] | undefined> => {
    const description = await warehouse.describe(table).catch(() => undefined);
    return (description ?? schemas.get(table))?.columns;
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  await app.register(multipart, { limits: { ...FORM_LIMITS, files: 1 } });

  app.post(
    "/v1/preview",
    {
      config: { scope: "read", reads: true },
      schema: {
        operationId: "previewFile",
        tags: ["files"],
        summary: "Preview a file: format, types, change to its table, first rows and rejects",
        description: "The body is the file, or its beginning, raw or as the first file of a form. Nothing is stored.",
        consumes: ["text/csv", "application/octet-stream"],
        querystring: z.strictObject({
          table: z.string().optional().describe("the table to load it into; default: a new one"),
          name: plainText.optional().describe("the file's name"),
          rowsMax: z.coerce.number().int().min(1).max(1000).default(20),
          ...dialectParameters,
        }),
        response: { 200: previewSchema, ...problemResponses },
      },
    },
    async (request) => {
      const { table, rowsMax } = request.query;
      if (table !== undefined) checkTableName(table, contracts);
      const requested = requestedDialectOf(request.query);
      const { body, name } = await bodyOf(request);
      const schema = table === undefined ? undefined : schemas.get(table);
      const columns = table === undefined ? undefined : await columnsOf(table);
      const options = {
        fileName: request.query.name ?? name ?? "preview.csv",
        contract: table === undefined ? defaultContract("preview") : contracts.of(table),
        requested,
        rowsMax,
        rejectsMax: rowsMax,
        textBytesMax: settings.TRIBUTARY_PREVIEW_SIZE_MAX,
        ...(columns ? { known: columns } : {}),
        ...(schema?.pinned ? { pinned: schema.pinned } : {}),
      };
      // A slow sender must not hold a place: what a preview may read is here before it takes one.
      const head = await readUpTo(body, settings.TRIBUTARY_PREVIEW_SIZE_MAX);
      const source = head.ended ? Readable.from(head.chunks) : concatenate(head.chunks, withoutClosing(body));
      const preview = await limiter.run(() => previews.preview(options, source)).catch(crashAsFault);
      if (!preview) throw new TributaryError("OVERLOADED", "shutting down");
      return answerOf(preview);
    },
  );
}

/** A file that ends the preview's worker would end the parser's workers too. */
function crashAsFault(thrown: unknown): never {
  if (!(thrown instanceof WorkerCrash)) throw thrown;
  throw new TributaryError("FILE_POISON", `the preview failed: ${thrown.message}`, { cause: thrown });
}

async function bodyOf(request: FastifyRequest): Promise<{ body: Readable; name?: string }> {
  if (!request.isMultipart()) return { body: request.raw };
  const part = await request.file();
  if (!part) throw new TributaryError("BAD_REQUEST", "the form contains no file");
  return { body: part.file, name: part.filename };
}

/**
 * The stream's bytes. Stopping early leaves the stream open, because the response uses the same connection.
 */
const withoutClosing = (body: Readable): AsyncIterable<Buffer> =>
  body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;

const answerOf = ({ format, dialect, error, ...preview }: Preview): z.infer<typeof previewSchema> => ({
  ...preview,
  format: format ?? null,
  dialect: dialect ?? null,
  error: error ? describeError(error.code, error.message) : null,
});
