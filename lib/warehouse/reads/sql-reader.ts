import type { Dialect } from "../sql/dialect.ts";
import type { QueryOptions, QueryResult, TableDescription } from "../warehouse.ts";

/** The parts of a warehouse that its SQL reads need. */
export interface SqlReader {
  readonly dialect: Dialect;
  query(sql: string, options: QueryOptions): Promise<QueryResult>;
  describe(table: string): Promise<TableDescription | undefined>;
}
