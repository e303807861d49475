/**
 * Every error Tributary raises on purpose, in one table. Bad data is a value (a Reject), never one of these;
 * a broken invariant is a plain Error and crashes. docs/errors.md lists the same codes (test/tidy.test.ts holds both together).
 */

export interface ErrorKind {
  /** May the same call succeed later, unchanged? */
  retryable: boolean;
  /** HTTP status the gateway answers with. */
  status: number;
  /** What the reader can do about it. */
  remedy: string;
}

const kind = (retryable: boolean, status: number, remedy: string): ErrorKind => ({ retryable, status, remedy });

export const ERRORS = {
  // Requests
  BAD_REQUEST: kind(false, 400, "Correct the request as the message says; /openapi.json describes every field."),
  UNAUTHENTICATED: kind(false, 401, "Send an API key or a token in the header `Authorization: Bearer …`."),
  FORBIDDEN: kind(false, 403, "Use a key or a token whose scopes include the one the message names."),
  IDENTITY_UNAVAILABLE: kind(
    true,
    503,
    "Check that the token issuer answers (TRIBUTARY_OIDC_ISSUER); the log says why.",
  ),
  NOT_FOUND: kind(false, 404, "Check the name or the id; `tributary tables` and `tributary status` list what exists."),
  METHOD_NOT_ALLOWED: kind(false, 405, "Use a method that the header Allow names; /openapi.json describes them."),
  TABLE_NAME_INVALID: kind(
    false,
    400,
    "Use a table name that begins with a letter and holds letters, digits and underscores, at most 128.",
  ),
  FILE_NAME_INVALID: kind(
    false,
    400,
    "Use a relative file name without '..', NUL or control characters, at most 512 bytes.",
  ),
  HEADERS_TOO_LARGE: kind(false, 431, "Send a shorter path and fewer or shorter headers: 16 KiB together."),
  BODY_TOO_LARGE: kind(false, 413, "Send a smaller body, or raise the limit the message names."),
  UNSUPPORTED_ENCODING: kind(false, 415, "Send the file plain, or with Content-Encoding gzip or zstd."),
  UNSUPPORTED_MEDIA_TYPE: kind(false, 415, "Send the body with a Content-Type that /openapi.json names for the route."),
  UPLOAD_INCOMPLETE: kind(true, 400, "The body ended early; nothing was stored. Send it again."),
  WAIT_TIMEOUT: kind(true, 202, "The file is still on its way; ask its status link."),
  OVERLOADED: kind(true, 503, "Send again after the time in Retry-After."),
  INTERNAL: kind(false, 500, "This is a fault of Tributary's: report it with what the log says of the request."),
  RATE_LIMITED: kind(true, 429, "Send again after the time in Retry-After."),
  // Queries
  QUERY_NOT_READ_ONLY: kind(false, 400, "Send exactly one SELECT statement."),
  QUERY_NOT_ALLOWED: kind(false, 403, "Read the tables of the schema `lakehouse`, and information_schema; no others."),
  QUERY_FAILED: kind(false, 400, "Correct the SQL as the message says."),
  QUERY_TIMEOUT: kind(false, 408, "Narrow the query, or raise the query time limit."),
  // Files that cannot be read at all (dead letters)
  FILE_EMPTY: kind(false, 422, "Send a file with a header line and, for a table to appear, at least the header."),
  FILE_ENCODING_UNKNOWN: kind(
    false,
    422,
    "Save the file as UTF-8, or declare `encoding` in the contract or the upload.",
  ),
  FILE_CORRUPT: kind(false, 422, "The compressed data is damaged; send the file again."),
  FILE_EXPANDS_TOO_FAR: kind(
    false,
    422,
    "The file unpacks to more than the limit the message names; split it, or raise the limit.",
  ),
  FILE_HEADER_TOO_LONG: kind(
    false,
    422,
    "The header line is longer than the limit the message names: check the line endings and the quotes.",
  ),
  FILE_TOO_MANY_COLUMNS: kind(false, 422, "Reduce the columns to the limit the message names."),
  FILE_QUOTE_NOT_CLOSED: kind(false, 422, "Close the quote that begins on the line the message names."),
  FILE_ROW_TOO_LONG: kind(
    false,
    422,
    "A row is longer than the limit the message names: check the line endings, or whether the file is text at all.",
  ),
  FILE_NOT_CSV: kind(false, 422, "Send delimited text; the message says what was found instead."),
  HEADER_COLUMN_MISSING: kind(false, 422, "Add the columns the message names, or make them optional in the contract."),
  HEADER_COLUMN_UNEXPECTED: kind(
    false,
    422,
    "Remove the columns the message names, or set `unexpectedColumns: add` or `ignore` in the contract.",
  ),
  REJECTS_ABOVE_THRESHOLD: kind(
    false,
    422,
    "Mend the rejected rows (`tributary rejects <table>`), or raise `rejects` in the contract.",
  ),
  FILE_VALUE_MISMATCH: kind(
    false,
    422,
    "Mend the value at the line the message names; the contract says `onMismatch: fail`.",
  ),
  FILE_POISON: kind(
    false,
    422,
    "The file made its parser fail repeatedly; see the message, then `tributary replay` it.",
  ),
  ROWS_MISSING: kind(
    false,
    422,
    "The event log lost rows of the file before they were committed (see its retention); `tributary replay` it.",
  ),
  FILE_NOT_COMMITTED: kind(false, 422, "See the file's status; `tributary rejects <table>` lists its rejected rows."),
  FILE_SUPERSEDED: kind(
    false,
    409,
    "Export the rejected rows of the newest version (`tributary rejects export`), and correct those.",
  ),
  BLOB_MISSING: kind(false, 422, "The raw file is no longer in the blob store; upload it again."),
  // Ports
  BLOB_NOT_FOUND: kind(false, 404, "Check the key."),
  BLOB_EXISTS: kind(false, 409, "The key is taken; nothing was written."),
  BLOB_CHANGED: kind(false, 412, "The object was replaced meanwhile; read it again."),
  BLOB_KEY_INVALID: kind(false, 400, "Use a relative key without '..' segments or NUL bytes."),
  BLOB_UNAVAILABLE: kind(true, 503, "Check that the blob store answers at its URL."),
  LOG_UNAVAILABLE: kind(true, 503, "Check that the event log answers at its URL."),
  LOG_TOPIC_UNKNOWN: kind(false, 500, "Create the topic first."),
  LOG_RECORD_TOO_LARGE: kind(false, 500, "Publish smaller records, or raise the broker's limit."),
  LOG_RECREATED: kind(false, 500, "The event log lost its past. If that is intended: `tributary log adopt-recreated`."),
  LOG_IN_USE: kind(
    false,
    500,
    "Another process has this data folder open; stop it, or use another TRIBUTARY_DATA_DIR.",
  ),
  ASSIGNMENT_LOST: kind(
    true,
    500,
    "The partition moved to another consumer, which goes on from the last ack; nothing to do.",
  ),
  WAREHOUSE_UNAVAILABLE: kind(true, 503, "Check that the warehouse answers at its URL."),
  WAREHOUSE_CONFLICT: kind(true, 503, "Another writer changed the table at the same time; the commit is tried again."),
  WAREHOUSE_TIMEOUT: kind(true, 503, "The statement ran past its deadline; it is tried again, harmlessly."),
  WAREHOUSE_FAILED: kind(false, 500, "See the message; the statement will not succeed as it is."),
  WAREHOUSE_IN_USE: kind(
    false,
    500,
    "Another process has this warehouse file open; stop it, or use another TRIBUTARY_DATA_DIR.",
  ),
  WAREHOUSE_VERSION: kind(false, 500, "Run Trino 476."),
  SCHEMA_CONFLICT: kind(
    false,
    422,
    "Declare the column's type in the table's contract, or load the file into another table.",
  ),
  SUPERSET_UNAVAILABLE: kind(
    true,
    503,
    "Check that Superset answers at TRIBUTARY_SUPERSET_URL and takes the user and password.",
  ),
  SUPERSET_FAILED: kind(false, 500, "See what Superset says in the message, and its log; it is asked again later."),
  DISK_FULL: kind(true, 507, "Free space on the data volume."),
  // Set-up
  CONFIG_INVALID: kind(false, 500, "Correct every setting the message lists."),
  CONTRACT_INVALID: kind(false, 500, "Correct every line the message lists in the contract file."),
  PORT_IN_USE: kind(false, 500, "Stop what listens there, or set another port."),
  URL_SCHEME_UNKNOWN: kind(false, 500, "Use one of the URL schemes the message lists."),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An operational failure. `message` says what happened, with names and places; the remedy comes from the table. */
export class TributaryError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly status: number;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TributaryError";
    this.code = code;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.status = ERRORS[code].status;
    this.remedy = ERRORS[code].remedy;
  }
}

/** Total: never throws, whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** True for an error that the same call, later, may not meet again. Foreign errors are not retried. */
export function isRetryable(thrown: unknown): boolean {
  return thrown instanceof TributaryError && thrown.retryable;
}

/** The code of whatever was thrown; INTERNAL if it is no error of ours. */
export function codeOf(thrown: unknown): ErrorCode {
  return thrown instanceof TributaryError ? thrown.code : "INTERNAL";
}

/** A code as a message carries it; INTERNAL if this version does not know it. */
export function knownCode(code: string): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "INTERNAL";
}

export function hasCode(thrown: unknown, code: ErrorCode): thrown is TributaryError {
  return thrown instanceof TributaryError && thrown.code === code;
}
