/** Messages between the warehouse and a query process. */

/** The name in SQL of the database that holds the tables, whatever its file or catalog is called. */
export const CATALOG = "warehouse";

/** Where a query process finds the tables. */
export type QuerySource = CopiedFile | AttachedCatalog;

/** The warehouse's database file. The process copies it and never opens it with DuckDB. */
export interface CopiedFile {
  kind: "file";
  file: string;
}

/** A catalog that the process attaches. It reads the tables through views in a database of its own. */
export interface AttachedCatalog {
  kind: "catalog";
  /** Statements that load extensions, make secrets and attach the catalog read-only. */
  open: readonly string[];
  /** The folders that hold the tables' files; nothing else can be read. */
  folders: readonly string[];
  /** The relations that the query may name. */
  relations: readonly { name: string; select: string }[];
}

export interface QueryRequest {
  sql: string;
  /** Texts of `sql` that somebody else wrote. Each must parse as one SELECT of its own. */
  parts: readonly string[];
  rowsMax: number;
  source: QuerySource;
  /** Holds the copy and DuckDB's spill files. The warehouse removes it. */
  folder: string;
  /** The name of the database in SQL, and the schema whose tables a query may read. */
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
