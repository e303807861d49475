/**
 * How long DuckDB must wait for the gate beyond the gate's own deadline: it answers from this process's
 * loop.
 */
const MARGIN_MS = 90_000;

/**
 * DuckDB holds one part of an upload in memory for each open file. A part is this limit divided by 10,000: by
 * default 80 MB, with which a writer of 26 partitions runs out of 1 GiB. S3 takes parts from 5 MiB.
 */
const FILE_GB_MAX = 55;

/**
 * Statements for DuckDB's writer, so that it outwaits the gate. `http_timeout` is in seconds, for each
 * request. DuckDB takes a request without an answer for lost after it, repeats it `http_retries` times, and
 * then deletes the files of its transaction.
 */
export const writerSettings = (deadlineMs: number): string[] => [
  `SET http_timeout = ${Math.ceil((deadlineMs + MARGIN_MS) / 1_000)}`,
  "SET http_keep_alive = true",
  `SET s3_uploader_max_filesize = '${FILE_GB_MAX}GB'`,
  // DuckDB refuses to write to a table that has partitions and the property below.
  "SET ignore_row_group_size_for_partitioned_tables = true",
];

/**
 * Properties of a new table. DuckDB's writer holds a row group or two for each thread, and counts only a part
 * of them to its limit: 122,880 rows of 560 bytes are 69 MB. Short rows have less, so their groups stay as
 * they are. DuckDB applies it to tables without partitions only.
 */
export const TABLE_PROPERTIES = { "write.parquet.row-group-size-bytes": String(32 * 1024 * 1024) };

/**
 * Options of ATTACH beside the endpoint. With `REMOVE_FILES_ON_DELETE false` DuckDB deletes no file of a
 * failed transaction: a second wall, should the gate be wrong. What is left behind is for
 * `remove_orphan_files`. `MAX_TABLE_STALENESS` stays unset: each transaction loads its tables.
 */
export const ATTACH_OPTIONS = "AUTHORIZATION_TYPE 'none', ACCESS_DELEGATION_MODE 'none', REMOVE_FILES_ON_DELETE false";
