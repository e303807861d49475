import { messageOf, TributaryError } from "../../lib/errors.ts";

/**
 * URL and credentials of Superset's REST API. The user needs write access to databases, datasets, charts,
 * dashboards.
 */
export interface SupersetAccess {
  /** http://host:port */
  url: string;
  user: string;
  password: string;
}

/** Creating a dataset makes Superset read the table's columns from Trino, which may be busy. */
const ANSWER_MS_MAX = 60_000;
/** Superset's limit for a page. */
const PAGE_ROWS = 100;
const DETAIL_CHARACTERS_MAX = 300;
/** Statuses that do not depend on the request: expired login, too many requests, no server behind a proxy. */
const UNAVAILABLE = [401, 429, 502, 503, 504];

/** Parameters of a list request. */
export interface ListQuery {
  filters: { col: string; opr: string; value: unknown }[];
  columns: string[];
  /** A column of the resource. Without an order, pages can overlap. */
  orderBy: string;
}

/**
 * One login to Superset's REST API. It expires after some minutes (a setting of Superset, default 15), so log
 * in for each round of work. Paths are relative to /api/v1/.
 *
 * Failures are SUPERSET_UNAVAILABLE (no response in time, or not ready) and SUPERSET_FAILED (the request was
 * refused).
 */
export class SupersetApi {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #signal: AbortSignal;

  private constructor(url: string, headers: Record<string, string>, signal: AbortSignal) {
    this.#url = url;
    this.#headers = headers;
    this.#signal = signal;
  }

  /** `signal` aborts all requests of this login, including running ones. */
  static async login({ url, user, password }: SupersetAccess, signal: AbortSignal): Promise<SupersetApi> {
    const anonymous = new SupersetApi(url, {}, signal);
    const body = { username: user, password, provider: "db" };
    const { access_token: token } = await anonymous.post<{ access_token: string }>("security/login", body);
    const authorization = `Bearer ${token}`;
    // Write requests need a CSRF token and the session cookie that it belongs to.
    const response = await new SupersetApi(url, { authorization }, signal).#send("GET", "security/csrf_token/");
    const { result: csrfToken } = await answerOf<{ result: string }>(response);
    const cookie = response.headers
      .getSetCookie()
      .map((line) => line.split(";")[0])
      .join("; ");
    return new SupersetApi(url, { authorization, cookie, referer: url, "x-csrftoken": csrfToken }, signal);
  }

  /** Returns undefined if the resource does not exist. */
  async find<T>(path: string): Promise<T | undefined> {
    const response = await this.#send("GET", path, { missing: true });
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    return answerOf<T>(response);
  }

  async get<T>(path: string, query?: object): Promise<T> {
    return answerOf<T>(await this.#send("GET", path, { query }));
  }

  /** Reads all pages. */
  async list<T>(resource: string, { orderBy, ...query }: ListQuery): Promise<T[]> {
    const found: T[] = [];
    for (let page = 0; ; page++) {
      const paged = { ...query, page, page_size: PAGE_ROWS, order_column: orderBy, order_direction: "asc" };
      const { result } = await this.get<{ result: T[] }>(`${resource}/`, paged);
      found.push(...result);
      if (result.length < PAGE_ROWS) return found;
    }
  }

  async post<T>(path: string, body: object): Promise<T> {
    return answerOf<T>(await this.#send("POST", path, { body }));
  }

  async put<T>(path: string, body?: object): Promise<T> {
    return answerOf<T>(await this.#send("PUT", path, { body }));
  }

  async #send(
    method: "GET" | "POST" | "PUT",
    path: string,
    { query, body, missing = false }: { query?: object | undefined; body?: object | undefined; missing?: boolean } = {},
  ): Promise<Response> {
    const search = query ? `?q=${encodeURIComponent(JSON.stringify(query))}` : "";
    const about = `${method} ${path} of Superset at ${this.#url}`;
    let response: Response;
    try {
      response = await fetch(`${this.#url}/api/v1/${path}${search}`, {
        method,
        // Superset closes idle connections after two seconds, which could break a request on a reused
        // connection.
        headers: {
          ...this.#headers,
          connection: "close",
          accept: "application/json",
          ...(body && { "content-type": "application/json" }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(ANSWER_MS_MAX)]),
      });
    } catch (thrown) {
      throw new TributaryError("SUPERSET_UNAVAILABLE", `${about}: ${reasonOf(thrown)}`, { cause: thrown });
    }
    if (response.ok || (missing && response.status === 404)) return response;
    const detail = (await response.text().catch(() => "")).replace(/\s+/g, " ").slice(0, DETAIL_CHARACTERS_MAX);
    const code = UNAVAILABLE.includes(response.status) ? "SUPERSET_UNAVAILABLE" : "SUPERSET_FAILED";
    throw new TributaryError(code, `${about}: status ${response.status} ${detail}`);
  }
}

async function answerOf<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (thrown) {
    throw new TributaryError("SUPERSET_UNAVAILABLE", `${response.url}: ${reasonOf(thrown)}`, { cause: thrown });
  }
}

/** Includes the cause, where fetch reports why a connection failed. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? messageOf(thrown) : `${messageOf(thrown)}: ${messageOf(cause)}`;
}
