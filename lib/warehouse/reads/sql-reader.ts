import type { Dialect } from "../sql/dialect.ts";
import type { QueryOptions, QueryResult, TableDescription } from "../warehouse.ts";

/** What a warehouse gives so that its reads can be made of SQL. */
export interface SqlReader {
  readonly dialect: Dialect;
  query(sql: string, options: QueryOptions): Promise<QueryResult>;
  describe(table: string): Promise<TableDescription | undefined>;
}
