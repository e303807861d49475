import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from "fastify";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { ERRORS, knownCode, TributaryError, type ErrorCode } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { wordsOf } from "./framework-words.ts";
import type { FileStatus, Problem } from "./schemas.ts";
import { hasOwn } from "../../../lib/own.ts";

export const PROBLEM_TYPE = "application/problem+json";

/** Retry-After of retryable errors, in seconds. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = {
  OVERLOADED: 2,
  REJECTS_PENDING: 2,
  IDENTITY_UNAVAILABLE: 5,
  DISK_FULL: 60,
  BLOB_UNAVAILABLE: 5,
  LOG_UNAVAILABLE: 5,
  WAREHOUSE_UNAVAILABLE: 5,
  WAREHOUSE_CONFLICT: 2,
  WAREHOUSE_TIMEOUT: 10,
};

/** Limits on the request's own text in a response. */
const DETAIL_CHARS_MAX = 4_000;
const INSTANCE_CHARS_MAX = 512;

/** RFC 9457 problem details of an error code. */
export function problem(code: ErrorCode, detail: string, instance: string, extra: Partial<Problem> = {}): Problem {
  return {
    type: `urn:tributary:error:${code}`,
    title: titleOf(code),
    status: ERRORS[code].status,
    code,
    detail: detail.slice(0, DETAIL_CHARS_MAX),
    remedy: ERRORS[code].remedy,
    instance: instance.slice(0, INSTANCE_CHARS_MAX),
    ...extra,
  };
}

const titleOf = (code: string): string => code.charAt(0) + code.slice(1).toLowerCase().replaceAll("_", " ");

/** Problem details of anything thrown. Never throws. Reveals nothing about an unexpected error. */
export function problemOf(thrown: unknown, instance: string): Problem {
  if (thrown instanceof TributaryError) return problem(thrown.code, thrown.message, instance);
  if (hasZodFastifySchemaValidationErrors(thrown)) return validationProblem(thrown, instance);
  const { statusCode, code = "" } = thrown as Partial<FastifyError>;
  const message = wordsOf(thrown as Partial<FastifyError>);
  if (statusCode === 413) return problem("BODY_TOO_LARGE", message, instance);
  if (statusCode === 415) return problem("UNSUPPORTED_MEDIA_TYPE", message, instance);
  if (statusCode === 404) return problem("NOT_FOUND", message, instance);
  if (statusCode === 429) return problem("RATE_LIMITED", message, instance);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return problem("BAD_REQUEST", message, instance);
  }
  if (code === "FST_ERR_CTP_INSTANCE_ALREADY_STARTED") return problem("OVERLOADED", "shutting down", instance);
  return problem("INTERNAL", "unexpected error: see the gateway's log", instance);
}

function validationProblem(
  error: { validation: { instancePath: string; message?: string }[]; validationContext?: string | undefined },
  instance: string,
): Problem {
  const part = error.validationContext === "querystring" ? "query" : (error.validationContext ?? "request");
  const errors = error.validation.map(({ instancePath, message = "is not valid" }) => ({
    field: [part, ...instancePath.split("/").filter(Boolean)].join("."),
    message,
  }));
  return problem("BAD_REQUEST", errors.map(({ field, message }) => `${field}: ${message}`).join("; "), instance, {
    errors,
  });
}

/** The path without its query, which may contain secrets. */
export const instanceOf = (request: FastifyRequest): string => request.url.split("?", 1)[0]!;

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  const retryAfter = RETRY_AFTER_SECONDS[body.code as ErrorCode];
  if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
  if (body.code === "UNAUTHENTICATED") reply.header("www-authenticate", "Bearer");
  reply.request.problemCode = body.code;
  return reply.code(body.status).type(PROBLEM_TYPE).send(body);
}

/** Responds with the problem of a file that was not committed. */
export function sendFileProblem(reply: FastifyReply, request: FastifyRequest, file: FileStatus): FastifyReply {
  const code = file.error && hasOwn(ERRORS, file.error.code) ? file.error.code : "FILE_NOT_COMMITTED";
  const { newer } = file;
  const detail =
    (file.error?.message ?? `the file ended as ${file.status}`) +
    (newer
      ? `; this is what the repeated request sent: the file has a newer version, ${newer.fileId}, which is ${newer.status}`
      : "");
  const remedy = file.error?.remedy ? { remedy: file.error.remedy } : {};
  // A held file is no fault of the request: somebody has to decide.
  const status = file.status === "held" ? ERRORS.FILE_HELD.status : 422;
  return sendProblem(reply, problem(code, detail, instanceOf(request), { status, file, ...remedy }));
}

/** Responds to requests that fail before routing: malformed paths. */
export const frameworkErrors: NonNullable<FastifyServerOptions["frameworkErrors"]> = (error, request, reply) => {
  void sendProblem(reply, problemOf(error, instanceOf(request)));
};

/** Responds to requests that Node cannot parse: oversized headers, or bytes that are not HTTP. */
export function clientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const body =
    error.code === "HPE_HEADER_OVERFLOW"
      ? problem("HEADERS_TOO_LARGE", "path and headers are too large", "")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? problem("BAD_REQUEST", "the headers did not arrive in time", "", { status: 408 })
        : problem("BAD_REQUEST", "not a valid HTTP request", "");
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status] ?? ""}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy());
}

/** Returns the methods of a path. The router itself matches path and method together, so it cannot tell. */
function routesByPath(app: FastifyInstance): (path: string) => string[] {
  const routes: { pattern: RegExp; methods: string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    const pattern = url
      .replace(/[.+?^$()|[\]\\]/g, "\\$&")
      .replace(/\*/g, ".*")
      .replace(/:\w+/g, "[^/]+");
    routes.push({ pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  return (path) => [...new Set(routes.flatMap(({ pattern, methods }) => (pattern.test(path) ? methods : [])))].sort();
}

/** A body's own failure: it is too slow, or the client has left. */
const cutOff = (error: unknown): TributaryError =>
  error instanceof TributaryError
    ? error
    : new TributaryError("UPLOAD_INCOMPLETE", "incomplete body: the connection closed early", { cause: error });

/** Responds to every error and every unknown path with problem details. */
export function addProblemHandlers(app: FastifyInstance, logger: Logger, metrics: GatewayMetrics): void {
  const methodsOf = routesByPath(app);
  const unknown = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const instance = instanceOf(request);
    const allowed = methodsOf(instance);
    const what = `no such endpoint: ${request.method} ${instance}`;
    if (allowed.length === 0)
      return sendProblem(reply, problem("NOT_FOUND", what, instance, { remedy: "/docs lists the endpoints." }));
    return sendProblem(reply.header("allow", allowed.join(", ")), problem("METHOD_NOT_ALLOWED", what, instance));
  };
  app.setNotFoundHandler(async (request, reply) => unknown(request, reply));
  app.setErrorHandler(async (error, request, reply) => {
    // An unknown path gives NOT_FOUND, whatever else is wrong with the request.
    if (request.is404) return unknown(request, reply);
    const body = problemOf(error === request.raw.errored ? cutOff(error) : error, instanceOf(request));
    metrics.throughput.error(knownCode(body.code));
    if (body.status >= 500) logger.error({ err: error, requestId: request.id, code: body.code }, "request failed");
    else logger.debug({ requestId: request.id, code: body.code, detail: body.detail }, "request refused");
    return sendProblem(reply, body);
  });
}
