import { TributaryError } from "../../errors.ts";
import type { TrinoClient } from "./client/client.ts";
import { trinoFailureOf } from "./client/errors.ts";
import { withPhysicalNames } from "./names.ts";
import { SCHEMA } from "../sql/sql.ts";
import { SQL_TOKEN, tokensOf } from "../sql/tokenizer.ts";
import { resultValue } from "./values.ts";
import type { QueryOptions, QueryResult } from "../warehouse.ts";

/**
 * Maximum size of a result in characters of JSON. The client cuts off the rest, whatever the number of rows,
 * because a single row may be very wide.
 */
const RESULT_CHARS_MAX = 256 * 1024 * 1024;

/**
 * Implements Warehouse.query. Trino never receives a statement that could write, or one that reads outside
 * the warehouse's schema.
 */
export async function runQuery(
  client: TrinoClient,
  { catalog, schema }: OwnSchema,
  sql: string,
  options: QueryOptions,
): Promise<QueryResult> {
  const statement = withPhysicalNames(readOnlyStatement(sql), schema);
  const { timeoutMs, rowsMax, signal } = options;
  const limits = {
    timeoutMs,
    session: { query_max_run_time: `${Math.max(1, Math.ceil(timeoutMs / 1000))}s` },
    ...(signal ? { signal } : {}),
  };
  try {
    const doubtful = doubtfulQuery(statement, schema);
    if (doubtful !== undefined) {
      const { rows } = await client.run(`EXPLAIN (TYPE IO, FORMAT JSON) ${doubtful}`, limits);
      assertOwn(String(rows[0]?.[0]), { catalog, schema });
    }
    const asked = { ...limits, rowsMax, pageCharsMax: RESULT_CHARS_MAX };
    const { columns, rows, truncated } = await client.run(statement, asked);
    return {
      columns: columns.map(({ name, type }) => ({ name, type: type.toLowerCase() })),
      rows: rows.map((row) => row.map((value, index) => resultValue(columns[index]!.type, value))),
      truncated,
    };
  } catch (thrown) {
    throw queryError(thrown);
  }
}

export interface OwnSchema {
  catalog: string;
  schema: string;
}

/**
 * SHOW targets that a query may use. SHOW can reveal the names of tables in every schema. A query may
 * therefore show only our own tables, and what is the same for all schemas (FUNCTIONS).
 */
const SHOWN = new Set(["TABLES", "COLUMNS", "CREATE", "STATS", "FUNCTIONS"]);

const nameOf = (token: string): string => (token.startsWith('"') ? token.slice(1, -1) : token.toLowerCase());
const isName = (token: string | undefined): boolean => token !== undefined && /^["A-Za-z_]/.test(token);

/** Returns the dotted names of a statement, each as a list of parts. `t.*` has two parts. */
function dottedNames(tokens: readonly string[]): string[][] {
  const found: string[][] = [];
  for (let at = 0; at < tokens.length; at++) {
    if (!isName(tokens[at]) || tokens[at + 1] !== ".") continue;
    const parts = [nameOf(tokens[at]!)];
    for (; tokens[at + 1] === "." && tokens[at + 2] !== undefined; at += 2) parts.push(nameOf(tokens[at + 2]!));
    found.push(parts);
  }
  return found;
}

/**
 * Returns the query inside a read-only statement if its names alone suggest that it may read tables of
 * another schema. Returns undefined if they do not. A name of two parts is a table of a schema or a column
 * of an alias. Only Trino knows which one.
 * @throws QUERY_NOT_ALLOWED for SHOW and DESCRIBE of tables that are not ours
 */
export function doubtfulQuery(statement: string, schema: string): string | undefined {
  const own = new Set([schema, SCHEMA, "information_schema"]);
  const isOurs = ([first, second, ...more]: readonly string[]): boolean =>
    second !== undefined && more.length === 0 && own.has(first!);
  const tokens = tokensOf(statement);
  const start = tokens[0] === "EXPLAIN" ? explained(tokens) : 0;
  const [first = "", second = "", third = ""] = tokens.slice(start);
  const names = dottedNames(tokens.slice(start));
  if (QUERY_WORDS.has(first)) return names.every(isOurs) ? undefined : textFrom(statement, start);
  const from = tokens.findIndex((token, at) => at > start && (token === "FROM" || token === "IN"));
  const isTable = second !== "CREATE" || third === "TABLE" || third === "VIEW";
  const isShown = first !== "SHOW" || (SHOWN.has(second) && isTable && !tokens.includes("("));
  const isOwnSchema = second !== "TABLES" || from < 0 || own.has(nameOf(tokens[from + 1] ?? ""));
  if (isShown && isOwnSchema && names.every(isOurs)) return undefined;
  throw new TributaryError("QUERY_NOT_ALLOWED", `only tables of '${SCHEMA}' are shown and described`);
}

/** Returns the statement's text from the token at `index` to the end. */
function textFrom(statement: string, index: number): string {
  let seen = -1;
  for (const { 0: token, index: at } of statement.matchAll(SQL_TOKEN)) {
    if (tokensOf(token).length > 0 && ++seen === index) return statement.slice(at);
  }
  throw new Error("there is no such token");
}

/** @throws QUERY_NOT_ALLOWED if Trino's input/output plan names tables of another schema */
export function assertOwn(plan: string, { catalog, schema }: OwnSchema): void {
  const { inputTableColumnInfos: inputs } = JSON.parse(plan) as {
    inputTableColumnInfos: { table: { catalog: string; schemaTable: { schema: string; table: string } } }[];
  };
  for (const { table } of inputs) {
    const { schema: place, table: name } = table.schemaTable;
    if (table.catalog === catalog && (place === schema || place === "information_schema")) continue;
    throw new TributaryError(
      "QUERY_NOT_ALLOWED",
      `${table.catalog}.${place}.${name} is none of the tables of '${SCHEMA}'`,
    );
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

const QUERY_WORDS = new Set(["SELECT", "WITH", "VALUES", "TABLE", "("]);
const OTHER_STATEMENTS = new Set(
  (
    "ALTER ANALYZE CALL COMMENT COMMIT CREATE DEALLOCATE DELETE DENY DROP EXECUTE GRANT INSERT MERGE PREPARE REFRESH RESET REVOKE " +
    "ROLLBACK SET START TRUNCATE UPDATE USE"
  ).split(" "),
);
const TABLE_FUNCTIONS = new Set(["SEQUENCE", "EXCLUDE_COLUMNS", "TABLE_CHANGES"]);

/**
 * Returns the single statement in `sql`, without the semicolon at its end. In Trino's grammar, a statement
 * only reads if it begins with SELECT, WITH, VALUES, TABLE or a parenthesis. SHOW and DESCRIBE also only
 * read. EXPLAIN only reads unless it says ANALYZE, which runs the statement after it. A table function may
 * do anything in another catalog's system, so a query may call only the table functions that are known to
 * read.
 * @throws QUERY_NOT_READ_ONLY for any other statement, QUERY_FAILED for text that is not a statement
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
    const at = explained(tokens);
    if (!QUERY_WORDS.has(tokens[at] ?? "") && tokens[at] !== "SHOW") refuse(`EXPLAIN of ${tokens[at] ?? "nothing"}`);
  } else if (!QUERY_WORDS.has(first) && !["SHOW", "DESCRIBE", "DESC"].includes(first)) {
    if (!OTHER_STATEMENTS.has(first)) throw new TributaryError("QUERY_FAILED", `no statement begins with '${first}'`);
    refuse(`it begins with ${first}`);
  }
  const called = tableFunctionIn(tokens);
  if (called !== undefined) refuse(`the table function ${called} is not allowed`);
  return sql.replace(/[\s;]+$/, "");
}

/** Returns the index of the token at which the explained statement begins. */
function explained(tokens: readonly string[]): number {
  if (tokens[1] === "(") return tokens.indexOf(")") + 1;
  if (tokens[1] !== "ANALYZE") return 1;
  return tokens[2] === "VERBOSE" ? 3 : 2;
}

/** Returns the function's name if a call `TABLE(name(…))` uses a function that is not known to only read. */
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
