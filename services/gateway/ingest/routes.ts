import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Contracts } from "../../../lib/contract/contract.ts";
import { knownCode, TributaryError } from "../../../lib/errors.ts";
import { charsetIn } from "../../../lib/media-type.ts";
import { readTraceparent } from "../../../lib/process/tracing.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { auditedFiles } from "../access/audit.ts";
import { makeConcurrencyLimiter, type ConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import { noFileFacts, statusOf, withArrival } from "../files/status.ts";
import { checkContentEncoding, checkNoForm, contentTypeOf, mayLackLineEnds, oneContentType } from "./content-type.ts";
import { formFiles, isForm } from "./form.ts";
import type { Accepted, IncomingFile } from "./ingest.ts";
import { checkFileName, checkTableName, printable } from "../http/names.ts";
import { instanceOf, problemOf, sendFileProblem } from "../http/problems.ts";
import { fileStatusSchema, uploadResultsSchema, type FileStatus } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import {
  requestedDialectOf,
  dialectParameters,
  idempotencyHeaders,
  repeatParameters,
  problemResponses,
  waitMsOf,
  waitParameters,
  withCharset,
} from "../http/parameters.ts";

/** Uploads: one file as a raw body, or several as a form. */
export async function addUploadRoutes(app: App, deps: GatewayDeps): Promise<void> {
  const limiter = makeConcurrencyLimiter(deps.settings.TRIBUTARY_UPLOADS_MAX, "uploads", deps.metrics.uploadsRunning);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  addBodyUpload(app, deps, limiter);
  addFormUpload(app, deps, limiter);
}

function addBodyUpload(app: App, deps: GatewayDeps, limiter: ConcurrencyLimiter): void {
  app.put(
    "/v1/tables/:table/files/*",
    {
      config: { scope: "upload" },
      schema: {
        operationId: "uploadFile",
        tags: ["files"],
        summary: "Send a file, or a new version of it",
        description:
          "The body is the file, of any content type, plain or with Content-Encoding gzip or zstd. It is stored before the " +
          "response; a body that ends early stores nothing. The name may contain slashes. If the newest version of the file " +
          "has the same content, the answer is that version (200, `repeated`); `again=true` makes a new one.",
        consumes: ["text/csv", "application/octet-stream"],
        params: z.object({ table: z.string(), "*": z.string().describe("name of the file within its table") }),
        querystring: z.strictObject({ ...waitParameters, ...repeatParameters, ...dialectParameters }),
        headers: idempotencyHeaders,
        response: {
          200: fileStatusSchema.describe("with wait=committed: its rows can be queried; or `repeated`"),
          202: fileStatusSchema.describe("accepted: links.self has its status"),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const table = acceptingTable(request.params.table, deps.contracts);
      const sourceFile = checkFileName(request.params["*"]);
      const dialect = withCharset(requestedDialectOf(request.query), charsetIn(contentTypeOf(request)));
      const waitMs = waitMsOf(request.query, deps.settings.TRIBUTARY_WAIT_MAX);
      checkNoForm(request);
      checkContentEncoding(request);
      const needsLineEnds = mayLackLineEnds(request);
      const sizeBytes = contentLengthOf(request);
      const accepted = await limiter.run(() =>
        deps.ingest.put({
          ...{ table, sourceFile, origin: "upload", body: request.raw, sizeBytes, dialect, needsLineEnds },
          ...wishesOf(request),
        }),
      );
      request.audited["fileId"] = accepted.fileId;
      if (!accepted.event) request.audited["repeated"] = true;
      return respond(deps, reply, accepted, waitMs);
    },
  );
}

/** @throws TABLE_NAME_INVALID, CONTRACT_INVALID if no contract of the table is in force */
function acceptingTable(name: string, contracts: Contracts): string {
  return contracts.of(checkTableName(name, contracts)).table;
}

function addFormUpload(app: App, deps: GatewayDeps, limiter: ConcurrencyLimiter): void {
  app.post(
    "/v1/tables/:table/files",
    {
      config: { scope: "upload" },
      schema: {
        operationId: "uploadFiles",
        tags: ["files"],
        summary: "Send several files as multipart/form-data",
        description: "Each part with a file name is a file and has its own result: 202 if all were accepted, else 207.",
        consumes: ["multipart/form-data"],
        params: z.object({ table: z.string() }),
        querystring: z.strictObject({ ...repeatParameters, ...dialectParameters }),
        headers: idempotencyHeaders,
        response: { 202: uploadResultsSchema, 207: uploadResultsSchema, ...problemResponses },
      },
    },
    async (request, reply) => {
      const table = acceptingTable(request.params.table, deps.contracts);
      if (!isForm(request)) {
        throw new TributaryError(
          "UNSUPPORTED_MEDIA_TYPE",
          "send multipart/form-data, or PUT the file to …/files/<name>",
        );
      }
      const dialect = requestedDialectOf(request.query);
      const results: UploadResults = [];
      try {
        await limiter.run(() => takeParts(deps, request, { table, dialect, ...wishesOf(request) }, results));
      } catch (error) {
        throw withAccepted(error, results);
      } finally {
        Object.assign(request.audited, auditedFiles(results));
      }
      if (results.length === 0) throw new TributaryError("BAD_REQUEST", "the form contains no file");
      return reply.code(results.every(({ file }) => file) ? 202 : 207).send({ results });
    },
  );
}

type UploadResults = z.infer<typeof uploadResultsSchema>["results"];

/** Adds the result of each part to `results`. */
async function takeParts(
  deps: GatewayDeps,
  request: FastifyRequest,
  common: Pick<IncomingFile, "table" | "again" | "idempotencyKey" | "traceparent"> & { dialect: FormatRequest },
  results: UploadResults,
): Promise<void> {
  const names = new Set<string>();
  for await (const { name, contentTypes, body } of formFiles(request, deps.settings.TRIBUTARY_MULTIPART_FILES_MAX)) {
    try {
      const sourceFile = checkFileName(name);
      const dialect = withCharset(common.dialect, charsetIn(oneContentType(contentTypes)));
      if (names.has(sourceFile)) {
        throw new TributaryError("FILE_NAME_INVALID", `'${sourceFile}' is twice in this form: give each file its name`);
      }
      names.add(sourceFile);
      const accepted = await deps.ingest.put({ ...common, sourceFile, dialect, origin: "upload", body });
      results.push({ name, file: statusOfAccepted(deps, accepted) });
    } catch (error) {
      const problem = problemOf(error, instanceOf(request));
      deps.metrics.throughput.error(knownCode(problem.code));
      results.push({ name, problem });
      // The next parts can only be read after this one.
      body.resume();
    }
  }
}

/** Accepted files named in an error; further ones are only counted. */
const NAMED_MAX = 20;

/** The error of a form as a whole; it names the files that were accepted before. */
function withAccepted(error: unknown, results: UploadResults): unknown {
  const names = results.flatMap(({ name, file }) => (file ? [printable(name)] : []));
  const { status, code, detail } = problemOf(error, "");
  if (names.length === 0 || status >= 500) return error;
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  const accepted = `accepted before it: ${names.slice(0, NAMED_MAX).join(", ")}${more}`;
  return new TributaryError(knownCode(code), `${detail}; ${accepted}`, { cause: error });
}

/** What the sender says about its request as a whole. */
function wishesOf(request: FastifyRequest): Pick<IncomingFile, "again" | "idempotencyKey" | "traceparent"> {
  const { again } = request.query as { again?: string };
  const key = request.headers["idempotency-key"];
  return {
    again: again === "true",
    idempotencyKey: typeof key === "string" ? key : undefined,
    traceparent: traceparentOf(request),
  };
}

/** The sender's trace context, if valid. */
function traceparentOf({ headers }: FastifyRequest): string | undefined {
  const given = headers["traceparent"]?.toString();
  return readTraceparent(given) ? given : undefined;
}

function contentLengthOf(request: FastifyRequest): number | undefined {
  const length = request.headers["content-length"];
  if (length !== undefined) return Number(length);
  return request.headers["transfer-encoding"] === undefined ? 0 : undefined;
}

/**
 * The status of an accepted file. Ingest has applied its event to the view, which evicts it early if the
 * clock was set back; then the event itself tells the status.
 */
function statusOfAccepted({ view }: GatewayDeps, { fileId, offset, event }: Accepted): FileStatus {
  const status = view.get(fileId) ?? (event && statusOf(fileId, withArrival(noFileFacts, event, offset)));
  if (!status) throw new TributaryError("NOT_FOUND", `file not found: ${fileId}`);
  return event ? status : { ...status, ...repeatedOf(view, fileId) };
}

/** What a repeated request is told besides the status of its version. */
function repeatedOf(view: GatewayDeps["view"], fileId: string): Pick<FileStatus, "repeated" | "newer"> {
  const newer = view.newerThan(fileId);
  return { repeated: true, ...(newer ? { newer: { fileId: newer.fileId, status: newer.status } } : {}) };
}

async function respond(
  deps: GatewayDeps,
  reply: FastifyReply,
  accepted: Accepted,
  waitMs: number | undefined,
): Promise<FastifyReply> {
  const repeated = accepted.event ? {} : repeatedOf(deps.view, accepted.fileId);
  if (waitMs !== undefined) {
    const ended = await deps.waiters.wait(accepted.fileId, waitMs, reply.raw);
    if (ended && ended.status !== "committed") return sendFileProblem(reply, reply.request, { ...ended, ...repeated });
    if (ended) return reply.code(200).send({ ...ended, ...repeated });
  }
  return reply
    .code(accepted.event || waitMs !== undefined ? 202 : 200)
    .header("location", `/v1/files/${accepted.fileId}`)
    .send(statusOfAccepted(deps, accepted));
}
