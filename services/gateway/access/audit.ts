import type { FastifyRequest } from "fastify";
import type { Clock } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { App } from "../http/deps.ts";
import { onEnded } from "../http/ended.ts";
import { printable } from "../http/names.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The request changes nothing, whatever its method: it is not audited. */
    reads?: boolean;
  }
  interface FastifyRequest {
    /** Fields that a handler adds to its request's line in the audit log. */
    audited: Record<string, unknown>;
    /** Error code of a problem response. */
    problemCode: string | undefined;
  }
}

/** A query that reaches for what is not its own is refused, whatever its status code. */
const REFUSED_QUERIES = new Set(["QUERY_NOT_READ_ONLY", "QUERY_NOT_ALLOWED"]);

/** Files named in the line of one request; further ones are only counted. */
const FILES_NAMED_MAX = 100;
/** The length limit of a file name. */
const NAME_CHARS_MAX = 512;

/**
 * Writes one line to the audit log for each request that changes something, needs the scope `admin`, or is
 * refused by authentication, authorisation or rate limit: caller, address, operation and result, also if the
 * client has left before the response. Never a secret, a row or SQL.
 */
export function addAudit(app: App, audit: Logger, clock: Clock): void {
  app.decorateRequest("audited");
  app.decorateRequest("problemCode", undefined);
  app.addHook("onRequest", async (request) => {
    request.audited = {};
  });
  onEnded(app, (request, reply) => {
    const { method, config, schema } = request.routeOptions;
    const { statusCode: status } = reply;
    const isRefused =
      status === 401 || status === 403 || status === 429 || REFUSED_QUERIES.has(request.problemCode ?? "");
    const changes = config.scope !== undefined && method !== "GET" && method !== "HEAD" && !config.reads;
    if (!isRefused && !changes && config.scope !== "admin") return;
    const { caller } = request;
    const line = {
      at: new Date(clock.nowMs()).toISOString(),
      who: caller ? { kind: caller.kind, id: caller.id } : null,
      from: request.ip,
      operation: (schema as { operationId?: string } | undefined)?.operationId ?? request.routeOptions.url ?? "(none)",
      ...namesIn(request),
      ...request.audited,
      result: isRefused ? "refused" : status < 400 ? "done" : "failed",
      status,
      ...(request.problemCode === undefined ? {} : { code: request.problemCode }),
      ...(reply.raw.writableFinished ? {} : { clientGone: true }),
      requestId: request.id,
    };
    audit.info(line, "audit");
  });
}

/** Table and file from the path, possibly unchecked. */
function namesIn({ params }: FastifyRequest): { table?: string; file?: string } {
  const { table, "*": file } = (params ?? {}) as Record<string, string | undefined>;
  return {
    ...(table === undefined ? {} : { table: printable(table) }),
    ...(file === undefined ? {} : { file: printable(file, NAME_CHARS_MAX) }),
  };
}

/** The audit fields of a multipart upload: the result of each file. */
export function auditedFiles(
  results: readonly { name: string; file?: { fileId: string } | undefined; problem?: { code: string } | undefined }[],
) {
  return {
    files: results.slice(0, FILES_NAMED_MAX).map(({ name, file, problem }) => ({
      file: printable(name, NAME_CHARS_MAX),
      fileId: file?.fileId,
      code: problem?.code,
    })),
    fileCount: results.length,
  };
}
