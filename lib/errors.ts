/**
 * Every error that Tributary raises on purpose, in one table. Bad data is a value (a Reject), not one of
 * these; a broken invariant is a plain Error and crashes the process. docs/errors.md is generated from this
 * table (test/tidy.test.ts compares them).
 */

export interface ErrorKind {
  /** True if the same call can succeed later without a change. */
  retryable: boolean;
  /** HTTP status of the gateway's response. */
  status: number;
  /** What the reader must do. */
  remedy: string;
}

const kind = (retryable: boolean, status: number, remedy: string): ErrorKind => ({ retryable, status, remedy });

export const ERRORS = {
  // Requests
  BAD_REQUEST: kind(false, 400, "Correct the field named in the message; /openapi.json describes all fields."),
  UNAUTHENTICATED: kind(false, 401, "Send a valid API key or token in the header `Authorization: Bearer …`."),
  FORBIDDEN: kind(false, 403, "Use an API key or token that has the scope named in the message."),
  IDENTITY_UNAVAILABLE: kind(
    true,
    503,
    "Check that the gateway can reach the token issuer (TRIBUTARY_OIDC_ISSUER); its log shows the cause.",
  ),
  NOT_FOUND: kind(false, 404, "Check the name or id; see `tributary tables` and `tributary status`."),
  METHOD_NOT_ALLOWED: kind(false, 405, "Use a method listed in the response header Allow."),
  TABLE_NAME_INVALID: kind(
    false,
    400,
    "Use at most 128 letters, digits and underscores for the table name; start with a letter.",
  ),
  FILE_NAME_INVALID: kind(
    false,
    400,
    "Use a relative file name of at most 512 bytes without '..', NUL or control characters.",
  ),
  HEADERS_TOO_LARGE: kind(false, 431, "Shorten the path and the headers to at most 16 KiB together."),
  BODY_TOO_LARGE: kind(false, 413, "Send a smaller body, or raise the limit named in the message."),
  UNSUPPORTED_ENCODING: kind(false, 415, "Send the file uncompressed or with Content-Encoding gzip or zstd."),
  UNSUPPORTED_MEDIA_TYPE: kind(
    false,
    415,
    "Use a Content-Type that /openapi.json lists for this route, and a charset as in docs/files/encodings.md.",
  ),
  UPLOAD_INCOMPLETE: kind(
    true,
    400,
    "Send it again; the body ended early or arrived too slowly, and nothing of it was stored.",
  ),
  WAIT_TIMEOUT: kind(true, 202, "Poll the file's status link; the file is still being processed."),
  OVERLOADED: kind(true, 503, "Send the request again after the delay in the header Retry-After."),
  INTERNAL: kind(false, 500, "Report this as a bug in Tributary, with the log lines of the request."),
  RATE_LIMITED: kind(true, 429, "Send the request again after the delay in the header Retry-After."),
  // Queries
  QUERY_NOT_READ_ONLY: kind(false, 400, "Send exactly one SELECT statement."),
  QUERY_NOT_ALLOWED: kind(false, 403, "Query only tables of the schema `lakehouse` and information_schema."),
  QUERY_FAILED: kind(
    false,
    400,
    "Correct the SQL error that the message describes; `tributary tables` lists the tables.",
  ),
  QUERY_TIMEOUT: kind(false, 408, "Read fewer rows or columns, or raise TRIBUTARY_QUERY_TIMEOUT."),
  // Files that cannot be read at all (dead letters)
  FILE_EMPTY: kind(false, 422, "Send a file with at least a header line."),
  FILE_ENCODING_UNKNOWN: kind(
    false,
    422,
    "Save the file as UTF-8, or declare its encoding: `--encoding`, the charset of the Content-Type, or `encoding` in the contract's dialect.",
  ),
  FILE_CORRUPT: kind(false, 422, "Compress the file again and send it; the compressed data is damaged."),
  FILE_EXPANDS_TOO_FAR: kind(false, 422, "Split the file, or raise the limit named in the message."),
  FILE_HEADER_TOO_LONG: kind(
    false,
    422,
    "Check the file's line endings and quotes: the header line exceeds the limit named in the message.",
  ),
  FILE_TOO_MANY_COLUMNS: kind(false, 422, "Reduce the number of columns to the limit named in the message."),
  FILE_QUOTE_NOT_CLOSED: kind(false, 422, "Close the quote that opens on the line named in the message."),
  FILE_ROW_TOO_LONG: kind(
    false,
    422,
    "Check that the file is text and check its line endings: a row exceeds the limit named in the message.",
  ),
  FILE_NOT_CSV: kind(false, 422, "Send delimited text; the message names the format that was found."),
  HEADER_COLUMN_MISSING: kind(
    false,
    422,
    "Add the columns named in the message, or make them optional in the contract.",
  ),
  HEADER_COLUMN_UNEXPECTED: kind(
    false,
    422,
    "Remove the columns named in the message, or set `unexpectedColumns: add` or `ignore` in the contract.",
  ),
  REJECTS_ABOVE_THRESHOLD: kind(
    false,
    422,
    "Fix the rows that `tributary rejects <table>` lists, or raise `rejects` in the contract.",
  ),
  FILE_VALUE_MISMATCH: kind(
    false,
    422,
    "Fix the value on the line named in the message; the contract sets `onMismatch: fail`.",
  ),
  FILE_RULE_BROKEN: kind(
    false,
    422,
    "Fix the row on the line named in the message, or the rule: its action in the contract is `fail`.",
  ),
  FILE_POISON: kind(
    false,
    422,
    "The parser failed repeatedly. Fix the cause named in the message, then run `tributary replay`.",
  ),
  ROWS_MISSING: kind(
    false,
    422,
    "Run `tributary replay` for the file. If it recurs, raise the retention of the topic `rows.<table>`.",
  ),
  LOAD_PLAN_FAILED: kind(
    false,
    422,
    "Nothing to do: the file is read again row by row. If it recurs, report it with the file as a bug.",
  ),
  FILE_HELD: kind(
    false,
    409,
    "Look at it with `tributary files preview <file_id>`, then run `tributary files accept <file_id>` or `tributary files refuse <file_id>`, or send a corrected version of the file.",
  ),
  FILE_DOUBTFUL: kind(
    false,
    422,
    "Look at it with `tributary files preview <file_id>`. Correct the file, send it with the settings that it needs, or change `onDoubt` or `accept` in the contract.",
  ),
  FILE_REFUSED: kind(false, 422, "Nothing to do: the file was refused. Send a corrected version of it."),
  FILE_SKIPPED: kind(false, 422, "An operator set the file aside; run `tributary replay` to load it."),
  FILE_CANCELLED: kind(
    false,
    422,
    "Nothing to do: somebody cancelled the file, and none of its rows is in the table. `tributary replay` loads it.",
  ),
  FILE_ENDED: kind(
    false,
    409,
    "See how it ended with `tributary status <file_id>`. A committed file is taken back with `tributary files undo`, a failed one is loaded again with `tributary replay`.",
  ),
  FILE_NOT_COMMITTED: kind(
    false,
    422,
    "Read the reason with `tributary status <file_id>`. If every row was rejected: `tributary files preview <file_id>` shows them, and what the contract could say to read them.",
  ),
  REBUILD_REFUSED: kind(
    false,
    409,
    "Restore the raw bytes, correct the contract, or undo the named file; then rebuild again. The table is as before.",
  ),
  TABLE_EXISTS: kind(
    false,
    409,
    "Choose another name, or drop the table that has it: `tributary tables drop <table>`.",
  ),
  RENAME_REFUSED: kind(
    false,
    409,
    "Remove the cause that the message names; then run the same rename again: it continues. The old table is as before.",
  ),
  UNDO_REFUSED: kind(
    false,
    409,
    "If the present contract refuses rows, correct it, or undo with `--lossy` and without these rows. Else bring back the state that you want with `tributary replay --as-newest`, or upload the files that the message names.",
  ),
  FILE_SUPERSEDED: kind(
    false,
    409,
    "Export the rejected rows of the newest version (`tributary rejects export`) and correct those. To go back to the old version: `tributary replay <table> --only <file> --as-newest`.",
  ),
  REJECTS_PENDING: kind(
    true,
    503,
    "Send the request again after the delay in the header Retry-After: a file's rejected rows are recorded just after its commit.",
  ),
  BLOB_MISSING: kind(false, 422, "Upload the file again; its raw bytes are no longer in the blob store."),
  BLOB_DAMAGED: kind(
    false,
    422,
    "Delete the object that the message names from the blob store, then upload the file again.",
  ),
  // Ports
  FOLDER_UNUSABLE: kind(
    false,
    500,
    "Make the folder writable for the user that runs Tributary, or name another one with TRIBUTARY_DATA_DIR.",
  ),
  BLOB_NOT_FOUND: kind(false, 404, "Check the key; the blob store has no such object."),
  BLOB_EXISTS: kind(false, 409, "Use another key; the key exists and nothing was written."),
  BLOB_CHANGED: kind(false, 412, "Read the object again; it was replaced during the read."),
  BLOB_KEY_INVALID: kind(false, 400, "Use a relative key without '..' segments or NUL bytes."),
  BLOB_UNAVAILABLE: kind(true, 503, "Check that the blob store is reachable at TRIBUTARY_BLOB_URL."),
  LOG_UNAVAILABLE: kind(true, 503, "Check that the event log is reachable at TRIBUTARY_LOG_URL."),
  LOG_TOPIC_UNKNOWN: kind(false, 500, "Create the topic; every service creates the fixed topics at start."),
  LOG_RECORD_TOO_LARGE: kind(false, 500, "Publish smaller records, or raise the broker's record size limit."),
  MESSAGE_TOO_NEW: kind(
    true,
    503,
    "Run the newer version again: it wrote records that this version cannot read. Nothing of them is skipped.",
  ),
  LOG_RECREATED: kind(false, 500, "Restore the event log, or accept the new one: `tributary log adopt-recreated`."),
  LOG_IN_USE: kind(false, 500, "Stop the process that has this data folder open, or set another TRIBUTARY_DATA_DIR."),
  ASSIGNMENT_LOST: kind(
    true,
    500,
    "Nothing to do: the partition moved to another consumer, which continues from the last ack.",
  ),
  WAREHOUSE_UNAVAILABLE: kind(true, 503, "Check that the warehouse is reachable at TRIBUTARY_WAREHOUSE_URL."),
  WAREHOUSE_CONFLICT: kind(true, 503, "The commit is retried. If this recurs, stop other writers to the table."),
  WAREHOUSE_TIMEOUT: kind(true, 503, "The statement is retried. If this recurs, check the warehouse's load."),
  WAREHOUSE_LIMIT: kind(
    false,
    422,
    "Split the file, or raise the warehouse's limit that the message names; then replay the file: `tributary replay`.",
  ),
  WAREHOUSE_REFUSED: kind(
    true,
    503,
    "Correct the permission or the configuration that the message names; the table's files wait and are tried again.",
  ),
  TRUSTED_NAME_TAKEN: kind(
    false,
    409,
    "Rename or drop that table or view, then run the checks: they make `<table>_trusted`.",
  ),
  WAREHOUSE_FAILED: kind(false, 500, "Fix the cause named in the message; a retry cannot succeed."),
  WAREHOUSE_IN_USE: kind(
    false,
    500,
    "Stop the process that has this warehouse file open, or set another TRIBUTARY_DATA_DIR.",
  ),
  CATALOG_UNAVAILABLE: kind(
    true,
    503,
    "Check that the Iceberg catalog is reachable at the address that the message names.",
  ),
  CATALOG_REFUSED: kind(
    true,
    503,
    "Correct the credential or the token for the catalog, or give it the permission that the message names.",
  ),
  CATALOG_NOT_FOUND: kind(false, 404, "Check the names of the namespace and the table, and the catalog's warehouse."),
  CATALOG_CONFLICT: kind(
    true,
    503,
    "The table has changed or the name is taken. The commit is decided again; if this recurs, stop other writers.",
  ),
  CATALOG_UNSUPPORTED: kind(
    false,
    500,
    "Use a catalog that can do it: `tributary doctor catalog` shows what a catalog can do.",
  ),
  CATALOG_FAILED: kind(
    false,
    500,
    "Fix the cause named in the message; `tributary doctor catalog` shows what the catalog can do.",
  ),
  WAREHOUSE_VERSION: kind(false, 500, "Run Trino 476; other versions are untested or known to fail."),
  SCHEMA_CONFLICT: kind(
    false,
    422,
    "To give the table the contract's types, read its files again: `tributary tables rebuild <table>`. Otherwise give the column the table's type in the contract, or load the file into another table.",
  ),
  SUPERSET_UNAVAILABLE: kind(
    true,
    503,
    "Check that Superset runs at TRIBUTARY_SUPERSET_URL and accepts the configured user and password.",
  ),
  SUPERSET_FAILED: kind(false, 500, "Fix the cause named in the message; see also Superset's log."),
  DISK_FULL: kind(true, 507, "Free space on the data volume, or enlarge it."),
  // Set-up
  CONFIG_INVALID: kind(false, 500, "Correct every setting that the message lists."),
  CONTRACT_INVALID: kind(
    false,
    409,
    "Correct every fault that the message lists; it needs no restart. Replay a file that failed by it.",
  ),
  PORT_IN_USE: kind(false, 500, "Stop the process that listens on this port, or set another port."),
  URL_SCHEME_UNKNOWN: kind(false, 500, "Use one of the URL schemes that the message lists."),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An operational failure. `message` says what failed and where; the remedy comes from the table. */
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

/** The message of any thrown value. Never throws. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** True if the same call can succeed later. False for every error that is not a TributaryError. */
export function isRetryable(thrown: unknown): boolean {
  return thrown instanceof TributaryError && thrown.retryable;
}

/** The code of a thrown value; INTERNAL if it is not a TributaryError. */
export function codeOf(thrown: unknown): ErrorCode {
  return thrown instanceof TributaryError ? thrown.code : "INTERNAL";
}

/** Checks a code read from a message; returns INTERNAL if this version does not know it. */
export function knownCode(code: string): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "INTERNAL";
}

export function hasCode(thrown: unknown, code: ErrorCode): thrown is TributaryError {
  return thrown instanceof TributaryError && thrown.code === code;
}

/** `1 row`, `2 rows`. */
export const countNoun = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
