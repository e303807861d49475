/** Messages between the warehouse and a query process. */

export interface QueryRequest {
  sql: string;
  /** Texts of `sql` that somebody else wrote. Each must parse as one SELECT of its own. */
  parts: readonly string[];
  rowsMax: number;
  /** The warehouse's database file. The process copies it and never opens it with DuckDB. */
  file: string;
  /** Holds the copy and DuckDB's spill files. The warehouse removes it. */
  folder: string;
  /** The name of the attached copy in SQL, and the schema whose tables a query may read. */
  database: string;
  schema: string;
  memoryBytesMax: number;
  spillBytesMax: number;
  threads: number;
}

export type QueryReply =
  /** The process has loaded DuckDB and waits for a query. */
  | { kind: "started" }
  /** The copy is up to date: the warehouse may checkpoint again. */
  | { kind: "copied" }
  | { kind: "columns"; columns: { name: string; type: string }[] }
  | { kind: "rows"; rows: unknown[][] }
  | { kind: "done"; truncated: boolean }
  | FailedReply;

export interface FailedReply {
  kind: "failed";
  code: "QUERY_NOT_READ_ONLY" | "QUERY_FAILED" | "WAREHOUSE_UNAVAILABLE";
  message: string;
  /**
   * The process ran out of memory. It may not release all of it, so another process runs the next query.
   */
  exhausted: boolean;
  /** The copy could not be opened: the query did not start. */
  opening: boolean;
}
