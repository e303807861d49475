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

const names = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/**
 * Names of errors, from io.trino.spi.StandardErrorCode and io.trino.plugin.iceberg.IcebergErrorCode of Trino
 * 476. docs/decisions tells why a name is in its list. Names that are in none are decided by their type.
 */

/** Somebody else changed the table. */
const CONFLICT_NAMES = names("ICEBERG_COMMIT_ERROR TRANSACTION_CONFLICT");
const CONFLICT_MESSAGES =
  /found (new )?conflicting|conflicting (files|delete)|cannot commit|commit ?failed|has (been )?changed since|branch main has changed|requirement failed|position delete for replaced data file|concurrent(ly)? (update|modif)/i;

const TIMEOUT_NAMES = names(
  "EXCEEDED_TIME_LIMIT USER_CANCELED ABANDONED_QUERY ADMINISTRATIVELY_KILLED OPTIMIZER_TIMEOUT",
);

/** The statement is too large for a limit of its own. Smaller statements succeed; a repetition does not. */
const LIMIT_NAMES = names(`
  EXCEEDED_LOCAL_MEMORY_LIMIT EXCEEDED_GLOBAL_MEMORY_LIMIT EXCEEDED_FUNCTION_MEMORY_LIMIT EXCEEDED_CPU_LIMIT
  EXCEEDED_SCAN_LIMIT EXCEEDED_SPILL_LIMIT EXCEEDED_TASK_DESCRIPTOR_STORAGE_CAPACITY QUERY_TEXT_TOO_LARGE
  QUERY_HAS_TOO_MANY_STAGES QUERY_EXCEEDED_COMPILER_LIMIT COMPILER_ERROR STACK_OVERFLOW TOO_MANY_ARGUMENTS
  PAGE_TOO_LARGE ICEBERG_TOO_MANY_OPEN_PARTITIONS
`);

/** The table, the catalog or the server refuses every file, whatever is in it. */
const REFUSED_NAMES = names(`
  PERMISSION_DENIED READ_ONLY_VIOLATION QUERY_REJECTED INVALID_PRIVILEGE ROLE_NOT_FOUND INVALID_ROW_FILTER
  INVALID_COLUMN_MASK INVALID_CHECK_CONSTRAINT INCOMPATIBLE_CLIENT INVALID_SESSION_PROPERTY INVALID_TABLE_PROPERTY
  INVALID_SCHEMA_PROPERTY INVALID_CATALOG_PROPERTY CATALOG_NOT_FOUND CATALOG_UNAVAILABLE CATALOG_NOT_AVAILABLE
  CATALOG_STORE_ERROR SCHEMA_NOT_FOUND PROCEDURE_NOT_FOUND FUNCTION_NOT_FOUND TABLE_REDIRECTION_ERROR
  CONFIGURATION_INVALID CONFIGURATION_UNAVAILABLE INVALID_RESOURCE_GROUP EXCHANGE_MANAGER_NOT_CONFIGURED
  UNSUPPORTED_TABLE_TYPE ICEBERG_INVALID_METADATA ICEBERG_MISSING_METADATA ICEBERG_BAD_DATA
`);

const UNAVAILABLE_NAMES = names(`
  SERVER_STARTING_UP SERVER_SHUTTING_DOWN NO_NODES_AVAILABLE REMOTE_HOST_GONE REMOTE_TASK_ERROR REMOTE_TASK_MISMATCH
  REMOTE_TASK_FAILED REMOTE_BUFFER_CLOSE_FAILED ABANDONED_TASK PAGE_TRANSPORT_ERROR PAGE_TRANSPORT_TIMEOUT
  TOO_MANY_REQUESTS_FAILED QUERY_QUEUE_FULL ADMINISTRATIVELY_PREEMPTED CLUSTER_OUT_OF_MEMORY OUT_OF_SPILL_SPACE
`);
const UNAVAILABLE_MESSAGES =
  /server (is )?still initializing|starting up|connection (refused|reset)|connect timed out|unable to execute http request|service unavailable|no (space left|active coordinator)|too many requests/i;

/** Data of the file that the engine cannot store, although Iceberg reports it with the type EXTERNAL. */
const FILE_NAMES = names("ICEBERG_INVALID_PARTITION_VALUE");

/** Transport error codes of a server that is unreachable or has stopped answering. */
const TRANSPORT_CODES =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_NETWORK)$/;

/**
 * Returns our error code for a failed statement. It recognizes conflicts by code and by message, because
 * releases differ in the code. It never throws.
 */
export function codeOfFailure(failure: TrinoFailure): ErrorCode {
  const { errorName, errorType, message } = failure;
  if (LIMIT_NAMES.has(errorName)) return "WAREHOUSE_LIMIT";
  if (REFUSED_NAMES.has(errorName)) return "WAREHOUSE_REFUSED";
  if (CONFLICT_NAMES.has(errorName) || (errorType !== "USER_ERROR" && CONFLICT_MESSAGES.test(message))) {
    return "WAREHOUSE_CONFLICT";
  }
  if (TIMEOUT_NAMES.has(errorName)) return "WAREHOUSE_TIMEOUT";
  if (FILE_NAMES.has(errorName)) return "WAREHOUSE_FAILED";
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

/** Exceptions with which a catalog rejects this request permanently. */
const REJECTED = /BadRequestException|IllegalArgumentException/;
/** Exceptions with which a catalog or a store rejects this user. */
const UNAUTHORIZED = /NotAuthorizedException|ForbiddenException|AccessDeniedException/;

/** The object store refuses a file. SeaweedFS refuses some paths in table buckets to every writer. */
const STORE_REFUSES = /\bService: S3, Status Code: 403\b/;

/** Converts a failed statement to an error. Its `cause` is the TrinoFailure. */
export function statementError(error: TrinoFailure & { failureInfo?: unknown }, queryId: string): TributaryError {
  let root = (error.failureInfo ?? undefined) as Thrown | undefined;
  while (root?.cause) root = root.cause;
  const deeper = root?.message !== undefined && !error.message.includes(root.message) ? `: ${root.message}` : "";
  const isRejected = error.errorType === "EXTERNAL" && REJECTED.test(root?.type ?? "");
  const failure: TrinoFailure = {
    message: error.message + deeper,
    errorName: error.errorName,
    errorType: isRejected ? "USER_ERROR" : error.errorType,
  };
  const isUnauthorized =
    error.errorType === "EXTERNAL" && (UNAUTHORIZED.test(root?.type ?? "") || STORE_REFUSES.test(failure.message));
  const code = isUnauthorized ? "WAREHOUSE_REFUSED" : codeOfFailure(failure);
  return new TributaryError(code, `Trino: ${failure.message} (${failure.errorName}, query ${queryId})`, {
    cause: failure,
  });
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
    return new TributaryError(codeOfStatus(response.status), text, { cause: thrown });
  }
  const what = response ? `answered HTTP ${response.status}` : `cannot be reached (${code ?? messageOf(thrown)})`;
  return new TributaryError("WAREHOUSE_UNAVAILABLE", `Trino at ${server} ${what}`, { cause: thrown });
}

/** 413: a proxy has a limit of its own. Any other refusal of a request concerns the user or the address. */
function codeOfStatus(status: number): ErrorCode {
  if (status >= 500) return "WAREHOUSE_UNAVAILABLE";
  return status === 413 ? "WAREHOUSE_LIMIT" : "WAREHOUSE_REFUSED";
}

/**
 * Returns true if the statement failed because it would write more partitions at once than the server's
 * writers may hold open.
 */
export function isTooManyPartitions(thrown: unknown): boolean {
  const isNamed = trinoFailureOf(thrown)?.errorName === "ICEBERG_TOO_MANY_OPEN_PARTITIONS";
  return isNamed || /exceeded limit of \d+ open writers/i.test(messageOf(thrown));
}

/**
 * Returns true if Trino failed on a filter of a column that was widened after the table's current snapshot
 * (Trino issue 29802). It reads the bounds of the column in the data files with the snapshot's type, and
 * takes them for values of the table's type. Any filter has that effect, even `IS NOT NULL`. The next
 * snapshot ends it.
 */
export function isFilterOnWidenedColumn(thrown: unknown): boolean {
  const { errorName, message = "" } = trinoFailureOf(thrown) ?? {};
  return errorName === "GENERIC_INTERNAL_ERROR" && /Error processing metadata.*cannot be cast to class/s.test(message);
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
