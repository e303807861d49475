import { messageOf, TributaryError, type ErrorCode } from "../../../errors.ts";

/** Trino's description of a failed statement. */
export interface TrinoFailure {
  /** Trino's message and, if it differs, the message of the root cause. */
  message: string;
  errorName: string;
  /** USER_ERROR, INTERNAL_ERROR, INSUFFICIENT_RESOURCES or EXTERNAL. */
  errorType: string;
}

/**
 * Retry limits after a conflict or a lost connection. `repeat` does not retry a timeout. A second run of a
 * statement is correct whatever the first run did, even after a timeout.
 */
export const STATEMENT_RETRY = { attemptsMax: 5, backoffMsMin: 100, backoffMsMax: 3_000 };

const CONFLICT_NAMES = new Set(["ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"]);
const CONFLICT_MESSAGES =
  /found (new )?conflicting|conflicting (files|delete)|cannot commit|commit ?failed|has (been )?changed since|branch main has changed|requirement failed|position delete for replaced data file|concurrent(ly)? (update|modif)/i;

const TIMEOUT_NAMES = new Set(["EXCEEDED_TIME_LIMIT", "USER_CANCELED", "ABANDONED_QUERY", "ADMINISTRATIVELY_KILLED"]);

const UNAVAILABLE_NAMES = new Set([
  "SERVER_STARTING_UP",
  "SERVER_SHUTTING_DOWN",
  "NO_NODES_AVAILABLE",
  "REMOTE_HOST_GONE",
  "REMOTE_TASK_ERROR",
  "REMOTE_TASK_MISMATCH",
  "REMOTE_TASK_FAILED",
  "PAGE_TRANSPORT_ERROR",
  "PAGE_TRANSPORT_TIMEOUT",
  "TOO_MANY_REQUESTS_FAILED",
  "QUERY_QUEUE_FULL",
  "ADMINISTRATIVELY_PREEMPTED",
]);
const UNAVAILABLE_MESSAGES =
  /server (is )?still initializing|starting up|connection (refused|reset)|connect timed out|unable to execute http request|service unavailable|no (space left|active coordinator)|too many requests/i;

/** Transport error codes of a server that is unreachable or has stopped answering. */
const TRANSPORT_CODES =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_NETWORK)$/;

/**
 * Returns our error code for a failed statement. It recognizes conflicts by code and by message, because
 * releases differ in the code. It never throws.
 */
export function codeOfFailure(failure: TrinoFailure): ErrorCode {
  const { errorName, errorType, message } = failure;
  if (CONFLICT_NAMES.has(errorName) || (errorType !== "USER_ERROR" && CONFLICT_MESSAGES.test(message))) {
    return "WAREHOUSE_CONFLICT";
  }
  if (TIMEOUT_NAMES.has(errorName)) return "WAREHOUSE_TIMEOUT";
  if (UNAVAILABLE_NAMES.has(errorName) || errorType === "EXTERNAL") return "WAREHOUSE_UNAVAILABLE";
  if (errorType === "INSUFFICIENT_RESOURCES") return "WAREHOUSE_UNAVAILABLE";
  if (errorType === "INTERNAL_ERROR" && UNAVAILABLE_MESSAGES.test(message)) return "WAREHOUSE_UNAVAILABLE";
  return "WAREHOUSE_FAILED";
}

interface Thrown {
  type: string;
  message?: string;
  cause?: Thrown;
}

/** Exceptions with which a catalog rejects a request permanently. */
const REFUSED = /BadRequestException|NotAuthorizedException|ForbiddenException|IllegalArgumentException/;

/** Converts a failed statement to an error. Its `cause` is the TrinoFailure. */
export function statementError(error: TrinoFailure & { failureInfo?: unknown }, queryId: string): TributaryError {
  let root = (error.failureInfo ?? undefined) as Thrown | undefined;
  while (root?.cause) root = root.cause;
  const deeper = root?.message !== undefined && !error.message.includes(root.message) ? `: ${root.message}` : "";
  const failure: TrinoFailure = {
    message: error.message + deeper,
    errorName: error.errorName,
    errorType: error.errorType === "EXTERNAL" && REFUSED.test(root?.type ?? "") ? "USER_ERROR" : error.errorType,
  };
  const message = `Trino: ${failure.message} (${failure.errorName}, query ${queryId})`;
  return new TributaryError(codeOfFailure(failure), message, { cause: failure });
}

/** Returns the TrinoFailure behind an error of this adapter, if Trino itself rejected the statement. */
export function trinoFailureOf(thrown: unknown): TrinoFailure | undefined {
  const cause = thrown instanceof TributaryError ? thrown.cause : undefined;
  return cause !== null && typeof cause === "object" && "errorName" in cause ? (cause as TrinoFailure) : undefined;
}

interface HttpFault {
  code?: string;
  response?: { status: number; data?: unknown };
}

/**
 * Returns true if a repeated request for the same page may help: 429, 502, 503, 504, or a failed connection.
 */
export function isTransientHttp(thrown: unknown): boolean {
  const { code, response } = thrown as HttpFault;
  if (response) return [429, 502, 503, 504].includes(response.status);
  return code !== undefined && TRANSPORT_CODES.test(code);
}

/** Converts an HTTP failure to an error. */
export function transportError(thrown: unknown, server: string): TributaryError {
  const { code, response } = thrown as HttpFault;
  if (response && !isTransientHttp(thrown)) {
    const said = typeof response.data === "string" ? `: ${response.data.slice(0, 300)}` : "";
    const text = `Trino at ${server} answered HTTP ${response.status}${said}`;
    const serverFault = response.status >= 500;
    return new TributaryError(serverFault ? "WAREHOUSE_UNAVAILABLE" : "WAREHOUSE_FAILED", text, { cause: thrown });
  }
  const what = response ? `answered HTTP ${response.status}` : `cannot be reached (${code ?? messageOf(thrown)})`;
  return new TributaryError("WAREHOUSE_UNAVAILABLE", `Trino at ${server} ${what}`, { cause: thrown });
}

/**
 * Returns true if the statement failed because it would write more partitions at once than the server's
 * writers may hold open.
 */
export function isTooManyPartitions(thrown: unknown): boolean {
  return /exceeded limit of \d+ open writers/i.test(messageOf(thrown));
}

/** Returns true if add_files rejected a file because the table already has it. */
export function isFileThereAlready(thrown: unknown): boolean {
  return /file already exists/i.test(messageOf(thrown));
}

/** Returns true if the error says that the table, or its schema, does not exist. */
export function isMissing(thrown: unknown): boolean {
  const name = trinoFailureOf(thrown)?.errorName;
  return name === "TABLE_NOT_FOUND" || name === "SCHEMA_NOT_FOUND";
}
