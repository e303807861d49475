/** Messages between the warehouse and a query process. */

export interface QueryRequest {
  sql: string;
  rowsMax: number;
  /** The warehouse's database file. The process copies it and never opens it with DuckDB. */
  file: string;
  /** For the copy, and what DuckDB spills. Removed by the warehouse. */
  folder: string;
  /** What the attached copy is called in SQL, and the schema whose tables a query may read. */
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
  | {
      kind: "failed";
      code: "QUERY_NOT_READ_ONLY" | "QUERY_FAILED" | "WAREHOUSE_UNAVAILABLE";
      message: string;
      /** The process ran out of memory: it may hold on to some, so another one takes the next query. */
      exhausted: boolean;
    };
