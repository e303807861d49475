import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { printable } from "../http/names.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** A request that changes nothing though its method may: it is not audited. */
    reads?: boolean;
  }
  interface FastifyRequest {
    /** What a handler adds to its request's line in the audit log. */
    audited: Record<string, unknown>;
    /** Code of the problem that the answer is. */
    problemCode: string | undefined;
  }
}

/** Files of one request that are named in its line; more are only counted. */
const FILES_NAMED_MAX = 100;
/** As much as a file's name may be long. */
const NAME_CHARS_MAX = 512;

/**
 * One line in the audit log for each request that changes something or needs the scope `admin`, and for each that is refused for who
 * sends it or how often: who, what, from where, with what result. Never a secret, a row or a statement.
 */
export function addAudit(app: FastifyInstance, audit: Logger, clock: Clock): void {
  app.decorateRequest("audited");
  app.decorateRequest("problemCode", undefined);
  app.addHook("onRequest", async (request) => {
    request.audited = {};
  });
  app.addHook("onResponse", async (request, reply) => {
    const { method, config, schema } = request.routeOptions;
    const { statusCode: status } = reply;
    const isRefused = status === 401 || status === 403 || status === 429;
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
      requestId: request.id,
    };
    audit.info(line, "audit");
  });
}

/** Table and file as the path has them, which nobody may have checked. */
function namesIn({ params }: FastifyRequest): { table?: string; file?: string } {
  const { table, "*": file } = (params ?? {}) as Record<string, string | undefined>;
  return {
    ...(table === undefined ? {} : { table: printable(table) }),
    ...(file === undefined ? {} : { file: printable(file, NAME_CHARS_MAX) }),
  };
}

/** What became of each file of a form, for the audit log. */
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
