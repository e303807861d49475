import type { FastifyRequest } from "fastify";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { z } from "zod";
import type { ColumnDefinition } from "../../../lib/columns.ts";
import { defaultContract } from "../../../lib/contract/contract.ts";
import { withRemedies } from "../../../lib/contract/remedies/held-remedies.ts";
import type { Preview } from "../../../lib/parsing/preview.ts";
import { WorkerCrash } from "../../../lib/parsing/workers/worker-pool.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { rawKey } from "../../../lib/blob/raw-key.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { charsetIn } from "../../../lib/media-type.ts";
import { makeLedger } from "../files/ledger.ts";
import { fileIdSchema, knownFile } from "../files/known-file.ts";
import { describeError } from "../files/status.ts";
import { makeConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import { checkTableName } from "../http/names.ts";
import {
  checkContentEncoding,
  contentTypeOf,
  hasLineEnds,
  mayLackLineEnds,
  oneContentType,
  withoutLineEnds,
} from "./content-type.ts";
import { formFiles, isForm } from "./form.ts";
import { guarded, type Guarded } from "./preview-guards.ts";
import { concatenate, readUpTo } from "./read-up-to.ts";
import { previewSchema } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { requestedDialectOf, dialectParameters, plainText, problemResponses, withCharset } from "../http/parameters.ts";

/** Files of a preview's form. Only the first is read. */
const FILES_MAX = 1;

/** Previews that run or wait for a worker. */
const PREVIEWS_MAX = 4;

const rowsMax = z.coerce.number().int().min(1).max(1000).default(20);

/** Previews of files, without any effect. */
export async function addPreviewRoutes(app: App, deps: GatewayDeps): Promise<void> {
  const { contracts } = deps;
  const previewOf = previewer(deps);
  addStoredPreview(app, deps, previewOf);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));

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
          rowsMax,
          ...dialectParameters,
        }),
        response: { 200: previewSchema, ...problemResponses },
      },
    },
    async (request) => {
      const { table, rowsMax } = request.query;
      if (table !== undefined) checkTableName(table, contracts);
      const declared = requestedDialectOf(request.query);
      checkContentEncoding(request);
      const { body, name = "preview.csv", contentType } = await bodyOf(request);
      const requested = withCharset(declared, charsetIn(contentType));
      // A slow sender must not hold a place: what a preview may read is here before it takes one.
      const head = await readUpTo(body, deps.settings.TRIBUTARY_PREVIEW_SIZE_MAX);
      if (mayLackLineEnds(request) && isOneLine(head)) throw withoutLineEnds();
      const source = head.ended ? Readable.from(head.chunks) : concatenate(head.chunks, withoutClosing(body));
      const contentHash = head.ended ? hashOf(head.chunks) : undefined;
      const file = { name: request.query.name ?? name, table, rowsMax, requested, contentHash };
      return previewOf(file, source);
    },
  );
}

interface PreviewRequest {
  name: string;
  table: string | undefined;
  rowsMax: number;
  requested: FormatRequest;
  /** SHA-256 of all bytes; undefined: not known. */
  contentHash: string | undefined;
}

const hashOf = (chunks: readonly Buffer[]): string => {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
};

type PreviewOf = ReturnType<typeof previewer>;

/** Previews a file as its table would read it, a few at a time. */
function previewer({ contracts, schemas, warehouse, settings, previews }: GatewayDeps) {
  const limiter = makeConcurrencyLimiter(PREVIEWS_MAX, "previews");
  // The table itself decides what an upload may change; while it cannot be asked, what was published of it.
  const columnsOf = async (table: string): Promise<readonly ColumnDefinition[] | undefined> => {
    const description = await warehouse.describe(table).catch(() => undefined);
    return (description ?? schemas.get(table))?.columns;
  };
  return async (file: PreviewRequest, bytes: AsyncIterable<Uint8Array>): Promise<z.infer<typeof previewSchema>> => {
    const { name, table, rowsMax, requested, contentHash } = file;
    const pinned = table === undefined ? undefined : schemas.get(table)?.pinned;
    const columns = table === undefined ? undefined : await columnsOf(table);
    const contract = table === undefined ? defaultContract("preview") : contracts.of(table);
    const options = {
      fileName: name,
      contract,
      requested,
      rowsMax,
      rejectsMax: rowsMax,
      textBytesMax: settings.TRIBUTARY_PREVIEW_SIZE_MAX,
      ...(columns ? { known: columns } : {}),
      ...(pinned ? { pinned } : {}),
    };
    const preview = await limiter.run(() => previews.preview(options, bytes)).catch(crashAsFault);
    if (!preview) throw new TributaryError("OVERLOADED", "shutting down");
    const previewed = { sourceFile: name, contentHash, hasTable: columns !== undefined && columns.length > 0 };
    const timeoutMs = settings.TRIBUTARY_QUERY_TIMEOUT;
    return answerOf(preview, await guarded(warehouse, { preview, file: previewed, contract, timeoutMs }));
  };
}

function addStoredPreview(app: App, { warehouse, blob, view, settings }: GatewayDeps, previewOf: PreviewOf): void {
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  app.get(
    "/v1/files/:fileId/preview",
    {
      config: { scope: "read" },
      schema: {
        operationId: "previewStoredFile",
        tags: ["files"],
        summary: "Preview a received file from its kept raw bytes, as its table would read it or with other settings",
        params: z.object({ fileId: fileIdSchema }),
        querystring: z.strictObject({ rowsMax, ...dialectParameters }),
        response: { 200: previewSchema, ...problemResponses },
      },
    },
    async ({ params, query }) => {
      const { table, sourceFile, contentHash } = await knownFile(view, ledger, params.fileId.toLowerCase());
      if (contentHash === "") throw new TributaryError("NOT_FOUND", `'${sourceFile}' was deleted: it has no content`);
      const { body } = await blob.get(rawKey(contentHash));
      try {
        const requested = requestedDialectOf(query);
        return await previewOf({ name: sourceFile, table, rowsMax: query.rowsMax, requested, contentHash }, body);
      } finally {
        body.destroy();
      }
    },
  );
}

/** A file that ends the preview's worker would end the parser's workers too. */
function crashAsFault(thrown: unknown): never {
  if (!(thrown instanceof WorkerCrash)) throw thrown;
  throw new TributaryError("FILE_POISON", `the preview failed: ${thrown.message}`, { cause: thrown });
}

/** The body, or the first file of a form. */
async function bodyOf(request: FastifyRequest): Promise<{ body: Readable; name?: string; contentType: string }> {
  if (!isForm(request)) return { body: request.raw, contentType: contentTypeOf(request) };
  const { value: file } = await formFiles(request, FILES_MAX).next();
  if (!file) throw new TributaryError("BAD_REQUEST", "the form contains no file");
  return { ...file, contentType: oneContentType(file.contentTypes) };
}

/** Whether a whole body that was read has bytes, but no line end. */
const isOneLine = ({ chunks, ended }: { chunks: readonly Buffer[]; ended: boolean }): boolean =>
  ended && chunks.length > 0 && !chunks.some(hasLineEnds);

/**
 * The stream's bytes. Stopping early leaves the stream open, because the response uses the same connection.
 */
const withoutClosing = (body: Readable): AsyncIterable<Buffer> =>
  body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;

const answerOf = (
  { format, dialect, ...preview }: Preview,
  { doubts, error, unchecked }: Guarded,
): z.infer<typeof previewSchema> => ({
  ...preview,
  format: format ?? null,
  dialect: dialect ?? null,
  doubts: withRemedies(doubts),
  unchecked,
  error: error ? describeError(error.code, error.message) : null,
});
