/**
 * How long DuckDB must wait for the gate beyond the gate's own deadline: it answers from this process's
 * loop.
 */
const MARGIN_MS = 90_000;

/**
 * Statements for DuckDB's writer, so that it outwaits the gate. `http_timeout` is in seconds, for each
 * request. DuckDB takes a request without an answer for lost after it, repeats it `http_retries` times, and
 * then deletes the files of its transaction.
 */
export const writerSettings = (deadlineMs: number): string[] => [
  `SET http_timeout = ${Math.ceil((deadlineMs + MARGIN_MS) / 1_000)}`,
  "SET http_keep_alive = true",
];

/**
 * Options of ATTACH beside the endpoint. With `REMOVE_FILES_ON_DELETE false` DuckDB deletes no file of a
 * failed transaction: a second wall, should the gate be wrong. What is left behind is for
 * `remove_orphan_files`. `MAX_TABLE_STALENESS` stays unset: each transaction loads its tables.
 */
export const ATTACH_OPTIONS = "AUTHORIZATION_TYPE 'none', ACCESS_DELEGATION_MODE 'none', REMOVE_FILES_ON_DELETE false";
