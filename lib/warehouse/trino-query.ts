import { TributaryError } from "../errors.ts";
import type { TrinoClient } from "./trino-client.ts";
import { failureOf } from "./trino-errors.ts";
import { withPhysicalNames } from "./trino-names.ts";
import { tokensOf } from "./trino-tokens.ts";
import { resultValue } from "./trino-values.ts";
import type { QueryOptions, QueryResult } from "./warehouse.ts";

/** A result beyond so many characters of JSON is cut off, whatever its rows: one row may be very wide. */
const RESULT_CHARS_MAX = 256 * 1024 * 1024;

/** What Warehouse.query says. Trino never gets a statement that could write. */
export async function runQuery(
  client: TrinoClient,
  schema: string,
  sql: string,
  options: QueryOptions,
): Promise<QueryResult> {
  const statement = withPhysicalNames(readOnlyStatement(sql), schema);
  const { timeoutMs, rowsMax, signal } = options;
  try {
    const { columns, rows, truncated } = await client.run(statement, {
      timeoutMs,
      rowsMax,
      pageCharsMax: RESULT_CHARS_MAX,
      session: { query_max_run_time: `${Math.max(1, Math.ceil(timeoutMs / 1000))}s` },
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

/** A query's failure in the QUERY_ codes; what is no fault of the query stays as it is. */
export function queryError(thrown: unknown): unknown {
  if (!(thrown instanceof TributaryError)) return thrown;
  if (thrown.code === "WAREHOUSE_TIMEOUT")
    return new TributaryError("QUERY_TIMEOUT", thrown.message, { cause: thrown });
  const failure = failureOf(thrown);
  if (failure && (thrown.code === "WAREHOUSE_FAILED" || failure.errorType === "INSUFFICIENT_RESOURCES")) {
    return new TributaryError("QUERY_FAILED", failure.message, { cause: thrown });
  }
  return thrown;
}

const QUERY_WORDS = new Set(["SELECT", "WITH", "VALUES", "TABLE", "("]);
const OTHER_STATEMENTS = new Set(
  (
    "ALTER ANALYZE CALL COMMENT COMMIT CREATE DEALLOCATE DELETE DENY DROP EXECUTE GRANT INSERT MERGE PREPARE REFRESH RESET REVOKE " +
    "ROLLBACK SET START TRUNCATE UPDATE USE"
  ).split(" "),
);
const TABLE_FUNCTIONS = new Set(["SEQUENCE", "EXCLUDE_COLUMNS", "TABLE_CHANGES"]);

/**
 * The one statement of `sql`, without the semicolon at its end. In Trino's grammar a statement that begins with SELECT, WITH, VALUES, TABLE
 * or a parenthesis only reads, SHOW and DESCRIBE too, and EXPLAIN unless it says ANALYZE, which runs what follows. Table functions may do
 * anything in another catalog's system, so only those known to read may be called.
 * @throws QUERY_NOT_READ_ONLY for any other statement, QUERY_FAILED for what is none.
 */
export function readOnlyStatement(sql: string): string {
  const tokens = tokensOf(sql);
  while (tokens.at(-1) === ";") tokens.pop();
  const refuse = (why: string): never => {
    throw new TributaryError("QUERY_NOT_READ_ONLY", `a query is exactly one SELECT, SHOW, DESCRIBE or EXPLAIN: ${why}`);
  };
  if (tokens.length === 0) refuse("there is no statement");
  if (tokens.includes(";")) refuse("there are several statements");
  const first = tokens[0]!;
  if (first === "EXPLAIN") {
    let at = 1;
    if (tokens[at] === "ANALYZE" && tokens[++at] === "VERBOSE") at++;
    else if (tokens[at] === "(" && tokens[1] !== "ANALYZE") at = tokens.indexOf(")") + 1;
    if (!QUERY_WORDS.has(tokens[at] ?? "") && tokens[at] !== "SHOW") refuse(`EXPLAIN of ${tokens[at] ?? "nothing"}`);
  } else if (!QUERY_WORDS.has(first) && !["SHOW", "DESCRIBE", "DESC"].includes(first)) {
    if (!OTHER_STATEMENTS.has(first)) throw new TributaryError("QUERY_FAILED", `no statement begins with '${first}'`);
    refuse(`it begins with ${first}`);
  }
  const called = tableFunctionIn(tokens);
  if (called !== undefined) refuse(`the table function ${called} is not allowed`);
  return sql.replace(/[\s;]+$/, "");
}

/** A call `TABLE(name(…))` of a function that is not known to read only. */
function tableFunctionIn(tokens: readonly string[]): string | undefined {
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at] !== "TABLE" || tokens[at + 1] !== "(") continue;
    let end = at + 2;
    while (end < tokens.length && tokens[end] !== "(" && tokens[end] !== ")") end++;
    const name = tokens.slice(at + 2, end);
    const last = (name.at(-1) ?? "").replaceAll('"', "").toUpperCase();
    if (tokens[end] === "(" && !TABLE_FUNCTIONS.has(last)) return name.join("");
  }
  return undefined;
}
