import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { BasicAuth, Trino, type ConnectionOptions, type QueryResult } from "trino-client";
import type { Clock } from "../../../clock.ts";
import { retry } from "../../../retry.ts";
import { TributaryError } from "../../../errors.ts";
import { isFilterOnWidenedColumn, isTransientHttp, statementError, transportError } from "./errors.ts";
import { exactJson } from "../values.ts";

export interface TrinoTarget {
  /** `http://host:port` or `https://host:port`. */
  server: string;
  user: string;
  /** The client sends it over https only. */
  password?: string;
  /** PEM certificates that the client trusts instead of Node's own. */
  ca?: readonly string[];
  catalog: string;
  schema: string;
}

export interface StatementOptions {
  /** What Trino's resource groups tell statements apart by. The default is `tributary`. */
  source?: string;
  /** Session properties for this statement only. */
  session?: Readonly<Record<string, string>>;
  /** The client cancels the statement after this time. The default is 10 minutes. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** The client stops reading and cancels the statement when there are more rows than this. */
  rowsMax?: number;
  /** The client stops reading and cancels the statement when the pages contain more characters than this. */
  pageCharsMax?: number;
}

export interface StatementResult {
  queryId: string;
  /** Types are in Trino's spelling. */
  columns: { name: string; type: string }[];
  /** Values are as in Trino's JSON. Integers beyond 2^53 are strings. */
  rows: unknown[][];
  truncated: boolean;
  /** Number of rows that a write changed. */
  updateCount: number;
}

/**
 * HTTP settings that we need and trino-client does not offer. They are settings of axios. A test checks that
 * they take effect.
 */
interface HttpSettings {
  transformResponse?: (body: unknown) => unknown;
  signal?: AbortSignal | undefined;
  timeout?: number;
  httpAgent?: HttpAgent;
  httpsAgent?: HttpsAgent;
}

type Page = QueryResult & { updateCount?: number };

const DEADLINE_DEFAULT_MS = 600_000;
/** The server answers a poll within seconds, even while the statement waits. */
const POLL_TIMEOUT_MS = 60_000;
const POLL_RETRY = { attemptsMax: 6, backoffMsMin: 100, backoffMsMax: 3_000 };

/**
 * Session properties with which no filter reaches a table's scan: neither a dynamic one of a join, nor a
 * condition of the statement, nor one that the planner derives from the constants of a join's other side.
 * The scan then reads every file of the table.
 */
const UNFILTERED_SCANS = { enable_dynamic_filtering: "false", allow_pushdown_into_connectors: "false" };

/**
 * Runs statements over HTTP with trino-client, and adds what trino-client lacks:
 * - A failed statement throws (statementError).
 * - Deadlines and abort signals cancel the statement on the server.
 * - The client repeats a poll on 429, 502, 503, 504 and lost connections.
 * - Integers stay exact.
 * - Each statement has its own client object, so no session leaks from one statement into another.
 *
 * A statement whose POST was lost, or that timed out, may have run or may still run. The client then throws
 * WAREHOUSE_UNAVAILABLE or WAREHOUSE_TIMEOUT.
 */
export class TrinoClient {
  readonly server: string;
  readonly #target: TrinoTarget;
  readonly #clock: Clock;
  readonly #agents: { httpAgent: HttpAgent; httpsAgent: HttpsAgent };

  constructor(target: TrinoTarget, clock: Clock) {
    this.server = target.server;
    this.#target = target;
    this.#clock = clock;
    const ca = target.ca ? { ca: [...target.ca] } : {};
    this.#agents = {
      httpAgent: new HttpAgent({ keepAlive: true }),
      httpsAgent: new HttpsAgent({ keepAlive: true, ...ca }),
    };
  }

  /**
   * Runs one statement to its end. One that failed on a filter of a widened column, and so changed nothing,
   * runs again without filters in its scans.
   */
  async run(sql: string, options: StatementOptions = {}): Promise<StatementResult> {
    try {
      return await this.#run(sql, options);
    } catch (thrown) {
      if (!isFilterOnWidenedColumn(thrown)) throw thrown;
      return this.#run(sql, { ...options, session: { ...options.session, ...UNFILTERED_SCANS } });
    }
  }

  async #run(sql: string, options: StatementOptions): Promise<StatementResult> {
    const stopping = new AbortController();
    const stop = (): void => stopping.abort();
    const finished = new AbortController();
    const timeoutMs = options.timeoutMs ?? DEADLINE_DEFAULT_MS;
    void this.#clock.sleep(timeoutMs, finished.signal).then(() => {
      if (!finished.signal.aborted) stop();
    });
    // Do not use AbortSignal.any: the caller's signal may live for weeks, and Node 20 would keep a trace of
    // every statement in it.
    options.signal?.addEventListener("abort", stop);
    if (options.signal?.aborted) stop();
    const connection = connectionOptions(this.#target, options);
    const statement = new Statement(connection, this.#agents, this.#clock, stopping.signal);
    try {
      return await statement.run(sql, options);
    } catch (thrown) {
      await statement.cancel();
      if (options.signal?.aborted) {
        throw new TributaryError("WAREHOUSE_TIMEOUT", "Trino: cancelled by the caller", { cause: thrown });
      }
      if (stopping.signal.aborted) {
        throw new TributaryError("WAREHOUSE_TIMEOUT", `Trino: no end after ${timeoutMs} ms; cancelled`, {
          cause: thrown,
        });
      }
      throw thrown;
    } finally {
      finished.abort();
      options.signal?.removeEventListener("abort", stop);
    }
  }

  /** Runs one statement and returns the rows as objects by column name. */
  async select(sql: string, options?: StatementOptions): Promise<Record<string, unknown>[]> {
    const { columns, rows } = await this.run(sql, options);
    return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])));
  }

  /** Closes the idle connections. */
  close(): void {
    this.#agents.httpAgent.destroy();
    this.#agents.httpsAgent.destroy();
  }
}

/** Runs one statement, and cancels it on the server if necessary. */
class Statement {
  readonly #trino: Trino;
  readonly #http: HttpSettings;
  readonly #server: string;
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  #queryId: string | undefined;
  #ended = false;
  #charsRead = 0;

  constructor(
    connection: ConnectionOptions & { server: string },
    agents: Required<Pick<HttpSettings, "httpAgent" | "httpsAgent">>,
    clock: Clock,
    stop: AbortSignal,
  ) {
    this.#server = connection.server;
    this.#clock = clock;
    this.#stop = stop;
    this.#trino = Trino.create(connection);
    this.#http = (this.#trino as unknown as { client: { clientConfig: HttpSettings } }).client.clientConfig;
    const transformResponse = (body: unknown): unknown => this.#read(body);
    Object.assign(this.#http, { ...agents, timeout: POLL_TIMEOUT_MS, signal: stop, transformResponse });
  }

  async run(sql: string, options: StatementOptions): Promise<StatementResult> {
    const result: StatementResult = { queryId: "", columns: [], rows: [], truncated: false, updateCount: 0 };
    const { rowsMax = Infinity, pageCharsMax = Infinity } = options;
    const pages = await this.#submit(sql);
    for (;;) {
      const { value: page, done } = await this.#next(pages);
      if (page.error) {
        this.#ended = true;
        throw statementError(page.error, page.id);
      }
      result.queryId = page.id;
      if (page.columns) result.columns = page.columns;
      if (page.updateCount !== undefined) result.updateCount = page.updateCount;
      if (!done && page.data) for (const row of page.data) result.rows.push(row);
      if (done || page.nextUri === undefined) break;
      if (result.rows.length > rowsMax || this.#charsRead > pageCharsMax) {
        result.truncated = true;
        await this.cancel();
        break;
      }
    }
    this.#ended = true;
    if (result.rows.length > rowsMax) {
      result.truncated = true;
      result.rows.length = rowsMax;
    }
    return result;
  }

  /**
   * Asks the server to cancel the statement if it may still run. It never throws: at worst the server's own
   * limits end the statement.
   */
  async cancel(): Promise<void> {
    if (this.#ended || this.#queryId === undefined) return;
    this.#ended = true;
    this.#http.signal = undefined;
    this.#http.timeout = 5_000;
    await this.#trino.cancel(this.#queryId).catch(() => undefined);
  }

  async #submit(sql: string): Promise<AsyncIterator<Page, Page>> {
    try {
      return await this.#trino.query(sql);
    } catch (thrown) {
      throw transportError(thrown, this.#server);
    }
  }

  /** Reads the next page. A failed poll does not advance the iterator, so the client can repeat it. */
  async #next(pages: AsyncIterator<Page, Page>): Promise<IteratorResult<Page, Page>> {
    const retryable = (thrown: unknown): boolean => !this.#stop.aborted && isTransientHttp(thrown);
    try {
      return await retry(this.#clock, { ...POLL_RETRY, signal: this.#stop, retryable }, () => pages.next());
    } catch (thrown) {
      throw transportError(thrown, this.#server);
    }
  }

  #read(body: unknown): unknown {
    if (typeof body !== "string") return body;
    this.#charsRead += body.length;
    if (!body.startsWith("{")) return body;
    const page = exactJson(body) as { id?: unknown };
    if (typeof page.id === "string") this.#queryId = page.id;
    return page;
  }
}

function connectionOptions(
  target: TrinoTarget,
  { session = {}, source = "tributary" }: StatementOptions,
): ConnectionOptions & { server: string } {
  // trino-client joins the properties into a header without encoding them.
  const encoded = Object.fromEntries(Object.entries(session).map(([key, value]) => [key, encodeURIComponent(value)]));
  return {
    server: target.server,
    catalog: target.catalog,
    schema: target.schema,
    source,
    session: encoded,
    ...(target.password === undefined ? {} : { auth: new BasicAuth(target.user, target.password) }),
    extraHeaders: {
      "X-Trino-User": target.user,
      "X-Trino-Client-Tags": source,
      "X-Trino-Time-Zone": "UTC",
      // Without this capability Trino truncates timestamps to milliseconds.
      "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",
    },
  };
}
