import type { Clock } from "../../clock.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import type { QueryOptions, QueryResult } from "../warehouse.ts";
import type { DuckDBConnection } from "@duckdb/node-api";
import { columnsOf, jsonValue } from "./queries/values.ts";

/** An interrupt between two statements of a connection has no effect, so it is repeated at this interval. */
const INTERRUPT_EVERY_MS = 50;

/**
 * Runs a SELECT that Tributary builds (ledger, rejects, counts, check measurements) on the writer's
 * instance. It passes no filter and never waits for a user's query.
 * @throws QUERY_TIMEOUT after `timeoutMs` or when `signal` aborts; QUERY_FAILED with DuckDB's message
 */
export async function internalQuery(
  database: { connected<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T> },
  clock: Clock,
  sql: string,
  { rowsMax, timeoutMs, signal }: QueryOptions,
): Promise<QueryResult> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  const ended = new AbortController();
  const isOver = (): boolean => clock.monotonicMs() > deadlineMs || signal?.aborted === true;
  const timedOut = (): TributaryError =>
    new TributaryError("QUERY_TIMEOUT", `an internal query ran longer than ${timeoutMs} ms, or was cancelled`);
  try {
    return await database.connected(async (connection) => {
      if (isOver()) throw timedOut();
      const watch = async (): Promise<void> => {
        while (!ended.signal.aborted) {
          if (isOver()) connection.interrupt();
          await clock.sleep(INTERRUPT_EVERY_MS, ended.signal);
        }
      };
      void watch();
      const result = await connection.stream(sql);
      const columns = columnsOf(result);
      const rows: unknown[][] = [];
      for (;;) {
        const chunk = await result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) return { columns, rows, truncated: false };
        for (let index = 0; index < chunk.rowCount; index++) {
          if (rows.length === rowsMax) return { columns, rows, truncated: true };
          rows.push(chunk.getRowValues(index).map(jsonValue));
        }
      }
    });
  } catch (thrown) {
    if (isOver()) throw timedOut();
    if (thrown instanceof TributaryError && thrown.code === "WAREHOUSE_FAILED")
      throw new TributaryError("QUERY_FAILED", messageOf(thrown), { cause: thrown });
    throw thrown;
  } finally {
    ended.abort();
  }
}
