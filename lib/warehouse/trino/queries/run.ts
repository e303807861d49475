import { TributaryError } from "../../../errors.ts";
import type { StatementOptions, TrinoClient } from "../client/client.ts";
import { trinoFailureOf } from "../client/errors.ts";
import { withPhysicalNames } from "../names.ts";
import { resultValue } from "../values.ts";
import { RESULT_BYTES_MAX, ResultSize } from "../../result-size.ts";
import type { QueryOptions, QueryResult } from "../../warehouse.ts";

/** The limits of one user's query, beside its time. Trino ends a query that exceeds one. */
export interface UserQueryLimits {
  /** On each node, and in total. */
  memoryBytesMax: number;
  scanBytesMax: number;
  /** Sum over all nodes and threads. */
  cpuMsMax: number;
}

const MIB = 1024 * 1024;
export const LIMITS_DEFAULT: UserQueryLimits = {
  memoryBytesMax: 512 * MIB,
  scanBytesMax: 16 * 1024 * MIB,
  cpuMsMax: 240_000,
};

/** Maximum characters that the client reads of the result of an internal query. */
const INTERNAL_CHARS_MAX = 256 * MIB;

/**
 * Who waits for the statement. The resource groups (infra/trino/etc/resource-groups.json) go by it: checks
 * have turns of their own, because their table's commits wait for them.
 */
export type UserSource = "tributary-query" | "tributary-check";

/**
 * Runs a statement that `checkedStatement` has returned, under the limits of users' queries and in the
 * resource group of its source.
 * @throws QUERY_FAILED, QUERY_TIMEOUT, OVERLOADED
 */
export async function userQuery(
  client: TrinoClient,
  checked: string,
  options: QueryOptions,
  { limits, source }: { limits: UserQueryLimits; source: UserSource },
): Promise<QueryResult> {
  const memory = `${limits.memoryBytesMax}B`;
  const session = {
    query_max_cpu_time: `${limits.cpuMsMax}ms`,
    query_max_memory: memory,
    query_max_memory_per_node: memory,
    query_max_scan_physical_bytes: `${limits.scanBytesMax}B`,
  };
  const result = await ask(client, checked, options, { source, session, pageCharsMax: RESULT_BYTES_MAX });
  const size = new ResultSize();
  const end = result.rows.findIndex((row) => !size.takes(row));
  return end < 0 ? result : { ...result, rows: result.rows.slice(0, end), truncated: true };
}

/**
 * Runs a SELECT that Tributary builds (ledger, rejects, counts, check measurements). It passes no filter and
 * never waits for a user's query.
 * @throws QUERY_FAILED, QUERY_TIMEOUT
 */
export function internalQuery(
  client: TrinoClient,
  schema: string,
  sql: string,
  options: QueryOptions,
): Promise<QueryResult> {
  return ask(client, withPhysicalNames(sql, schema), options, { pageCharsMax: INTERNAL_CHARS_MAX });
}

async function ask(
  client: TrinoClient,
  statement: string,
  { timeoutMs, rowsMax, signal }: QueryOptions,
  { session, ...kind }: Pick<StatementOptions, "session" | "source" | "pageCharsMax">,
): Promise<QueryResult> {
  const seconds = `${Math.max(1, Math.ceil(timeoutMs / 1000))}s`;
  const times = { query_max_run_time: seconds, query_max_execution_time: seconds, query_max_planning_time: seconds };
  try {
    const { columns, rows, truncated } = await client.run(statement, {
      ...kind,
      session: { ...times, ...session },
      timeoutMs,
      rowsMax,
      ...(signal ? { signal } : {}),
    });
    return {
      columns: columns.map(({ name, type }) => ({ name, type: type.toLowerCase() })),
      rows: rows.map((row) => row.map((value, index) => resultValue(columns[index]!.type, value))),
      truncated,
    };
  } catch (thrown) {
    throw queryError(thrown);
  }
}

/**
 * Converts a query's failure to a QUERY_ error. It does not change an error that the query did not cause.
 */
export function queryError(thrown: unknown): unknown {
  if (!(thrown instanceof TributaryError)) return thrown;
  if (thrown.code === "WAREHOUSE_TIMEOUT")
    return new TributaryError("QUERY_TIMEOUT", thrown.message, { cause: thrown });
  const failure = trinoFailureOf(thrown);
  if (failure?.errorName === "QUERY_QUEUE_FULL")
    return new TributaryError("OVERLOADED", failure.message, { cause: thrown });
  const isOwn = failure?.errorType === "USER_ERROR" || failure?.errorType === "INSUFFICIENT_RESOURCES";
  if (failure && (isOwn || thrown.code === "WAREHOUSE_FAILED" || thrown.code === "WAREHOUSE_LIMIT")) {
    return new TributaryError("QUERY_FAILED", failure.message, { cause: thrown });
  }
  return thrown;
}
