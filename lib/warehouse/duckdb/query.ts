import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  StatementType,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  type DuckDBValue,
} from "@duckdb/node-api";
import type { Clock } from "../../clock.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { STAGING, type Database } from "./database.ts";
import { dateText, timestampText } from "../../rows/value-text.ts";
import { tokensOf } from "../sql/tokenizer.ts";
import type { QueryOptions, QueryResult } from "../warehouse.ts";

/** Queries at once; each holds one of the four threads that Node has for native work, and commits need the others. */
const QUERIES_AT_ONCE = 2;

/** SHOW, DESCRIBE, SUMMARIZE and VALUES are SELECTs to DuckDB. */
const READ_STATEMENTS: readonly StatementType[] = [StatementType.SELECT, StatementType.EXPLAIN];

/**
 * Table functions that only read what the tables hold. Others are refused by name: they read files (DuckDB lets them at its own database
 * and temporary files, and closing those would drop the lock), switch logging, force checkpoints, take raw pointers or hide another's name.
 */
const READING_FUNCTIONS =
  /^(duckdb_(?!secrets|logs|log_contexts|settings|databases)\w+|pragma_(?!database_list)\w+|generate_series|range|repeat|repeat_row|unnest|json_each|json_tree|summary|icu_calendar_names|pg_timezone_names|test_all_types)$/;

/** Scalar functions that read no table either: they tell of the machine's files, write into the server's log, or only pass time. */
const OTHER_FUNCTIONS = ["current_setting", "write_log", "sleep_ms"];

/** Views that tell what those functions would. */
const OTHER_VIEWS = ["duckdb_databases", "pragma_database_list", "duckdb_logs"];

/** A result beyond so many characters is cut off, whatever its rows: one row may be very wide. */
const RESULT_CHARS_MAX = 64 * 1024 * 1024;

/**
 * Runs users' queries, a few at a time, each in its own connection and read-only transaction: one consistent snapshot.
 * `forbidden` is what `forbiddenCalls` says of this DuckDB.
 */
export class QueryRunner {
  readonly #database: Database;
  readonly #clock: Clock;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #forbidden: RegExp;

  constructor(database: Database, clock: Clock, forbidden: RegExp) {
    this.#forbidden = forbidden;
    this.#database = database;
    this.#clock = clock;
  }

  /** What Warehouse.query says; the wait for a turn counts into the time limit. */
  async query(sql: string, options: QueryOptions): Promise<QueryResult> {
    const limit = new Deadline(this.#clock, options);
    try {
      await this.#turn();
      try {
        limit.check();
        return await this.#database.connectedOnce((connection) =>
          runQuery(connection, sql, this.#forbidden, options.rowsMax, limit),
        );
      } finally {
        this.#running -= 1;
        this.#waiting.shift()?.();
      }
    } catch (thrown) {
      limit.check();
      throw queryError(thrown);
    } finally {
      limit.end();
    }
  }

  async #turn(): Promise<void> {
    while (this.#running >= QUERIES_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }
}

/** Interrupts the connection it watches when time is up or the caller gave up. */
class Deadline {
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #ended = new AbortController();
  #expired = false;
  #connection: DuckDBConnection | undefined;
  readonly #interrupt = (): void => this.#connection?.interrupt();

  constructor(clock: Clock, { timeoutMs, signal }: QueryOptions) {
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#interrupt);
    void clock.sleep(timeoutMs, this.#ended.signal).then(() => {
      if (this.#ended.signal.aborted) return;
      this.#expired = true;
      this.#interrupt();
    });
  }

  watch(connection: DuckDBConnection): void {
    this.#connection = connection;
  }

  /** Throws QUERY_TIMEOUT if time is up. */
  check(): void {
    if (this.#expired) throw new TributaryError("QUERY_TIMEOUT", `the query ran longer than ${this.#timeoutMs} ms`);
    if (this.#signal?.aborted) throw new TributaryError("QUERY_TIMEOUT", "the query was cancelled");
  }

  end(): void {
    this.#connection = undefined;
    this.#signal?.removeEventListener("abort", this.#interrupt);
    this.#ended.abort();
  }
}

async function runQuery(
  connection: DuckDBConnection,
  sql: string,
  forbidden: RegExp,
  rowsMax: number,
  limit: Deadline,
): Promise<QueryResult> {
  limit.watch(connection);
  const statements = await extract(connection, sql);
  checkCalls(sql, forbidden);
  await connection.run("BEGIN TRANSACTION READ ONLY");
  const statement = await statements.prepare(0);
  try {
    checkReadOnly(connection, statement, sql);
    limit.check();
    const result = await statement.stream();
    const columns = result.columnNames().map((name, index) => ({
      name,
      type: result.columnType(index).toString().toLowerCase(),
    }));
    return { columns, ...(await readRows(result, rowsMax, limit)) };
  } finally {
    statement.destroySync();
  }
}

async function readRows(
  result: DuckDBResult,
  rowsMax: number,
  limit: Deadline,
): Promise<Pick<QueryResult, "rows" | "truncated">> {
  const rows: unknown[][] = [];
  let chars = 0;
  for (;;) {
    limit.check();
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) return { rows, truncated: false };
    for (let index = 0; index < chunk.rowCount; index++) {
      if (rows.length === rowsMax || chars > RESULT_CHARS_MAX) return { rows, truncated: true };
      const row = chunk.getRowValues(index).map(jsonValue);
      for (const value of row) chars += charsOf(value);
      rows.push(row);
    }
  }
}

/** About as many characters as the value is in JSON. */
const charsOf = (value: unknown): number =>
  typeof value === "string" ? value.length : typeof value === "object" ? JSON.stringify(value).length : 8;

async function extract(connection: DuckDBConnection, sql: string): ReturnType<DuckDBConnection["extractStatements"]> {
  const notOne = "a query is exactly one SELECT, SHOW, DESCRIBE or EXPLAIN";
  let statements;
  try {
    statements = await connection.extractStatements(sql);
  } catch (thrown) {
    // Of a text without any statement DuckDB says only that there was an error.
    if (!/ Error: /.test(messageOf(thrown))) throw new TributaryError("QUERY_NOT_READ_ONLY", `no statement: ${notOne}`);
    throw thrown;
  }
  if (statements.count !== 1)
    throw new TributaryError("QUERY_NOT_READ_ONLY", `${statements.count} statements: ${notOne}`);
  return statements;
}

/** Calls of a function that is not among READING_FUNCTIONS, in whatever version of DuckDB: its name, then a parenthesis or a comment. */
export async function forbiddenCalls(database: Database): Promise<RegExp> {
  const rows = await database.rows(
    `SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'table'`,
  );
  const names = rows.map(([name]) => name as string).filter((name) => !READING_FUNCTIONS.test(name));
  const called = `\\b(${[...names, ...OTHER_FUNCTIONS].join("|")})"?\\s*(?:\\(|/\\*|--)`;
  return new RegExp(`${called}|\\b(${OTHER_VIEWS.join("|")})\\b`, "i");
}

const refused = (what: string): TributaryError =>
  new TributaryError("QUERY_NOT_READ_ONLY", `${what} is not allowed in a query`);

/** Looked at before DuckDB prepares the text, since that alone opens files. */
function checkCalls(sql: string, forbidden: RegExp): void {
  if (tokensOf(sql).includes("PRAGMA")) throw refused("PRAGMA");
  const call = forbidden.exec(sql);
  if (call) throw refused(`'${call[1] ?? call[2]!}'`);
}

function checkReadOnly(connection: DuckDBConnection, statement: DuckDBPreparedStatement, sql: string): void {
  const type = statement.statementType;
  if (!READ_STATEMENTS.includes(type)) throw refused(StatementType[type] ?? "this statement");
  // Rows that are not committed yet.
  const staged = connection.getTableNames(sql, true).find((name) => name.toLowerCase().startsWith(`${STAGING}.`));
  if (staged !== undefined) throw refused(`'${staged}'`);
}

/** Whatever a query failed of, as a QUERY_ error with DuckDB's own words. */
function queryError(thrown: unknown): unknown {
  if (thrown instanceof TributaryError) return thrown;
  const message = messageOf(thrown).replace(/^Failed to extract statements: /, "");
  if (/read-only mode/.test(message)) {
    return new TributaryError("QUERY_NOT_READ_ONLY", "the query would write", { cause: thrown });
  }
  if (/^FATAL Error|has been invalidated/.test(message))
    return new TributaryError("WAREHOUSE_UNAVAILABLE", message, { cause: thrown });
  return new TributaryError("QUERY_FAILED", message, { cause: thrown });
}

/**
 * A DuckDB value as JSON can carry it without loss: integers beyond 2^53 and decimals as text, dates and timestamps as ISO text, NaN and
 * the infinities as text, bytes in base64, lists as arrays, structs and maps as objects, anything else as DuckDB writes it.
 */
export function jsonValue(value: DuckDBValue): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(jsonValue);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, field]) => [name, jsonValue(field)]));
  }
  if (value instanceof DuckDBMapValue) {
    return Object.fromEntries(value.entries.map(({ key, value: one }) => [String(jsonValue(key)), jsonValue(one)]));
  }
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64");
  return isoText(value) ?? value.toString();
}

const FIRST_MICROS = BigInt(Date.parse("0001-01-01T00:00:00Z")) * 1000n;
const END_MICROS = BigInt(Date.parse("9999-12-31T23:59:59.999Z")) * 1000n + 1000n;

/** A date's or timestamp's ISO text; undefined of other values, and where ISO text has no word for it (before year 1, after 9999, infinity). */
function isoText(value: DuckDBValue): string | undefined {
  const micros = microsOf(value);
  if (micros === undefined || micros < FIRST_MICROS || micros >= END_MICROS) return undefined;
  if (value instanceof DuckDBDateValue) return dateText(value.days);
  return timestampText(micros) + (value instanceof DuckDBTimestampTZValue ? "Z" : "");
}

function microsOf(value: DuckDBValue): bigint | undefined {
  if (value instanceof DuckDBDateValue) return BigInt(value.days) * 86_400_000_000n;
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) return value.micros;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1000n;
  return undefined;
}
