import type { z } from "zod";
import type { Clock } from "../../../clock.ts";
import { messageOf } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import { CatalogError, errorOfStatus, type Explained } from "./errors.ts";
import { jsonText, parseJson } from "./json.ts";
import type { Login } from "./login.ts";
import { errorSchema } from "./schemas.ts";
import type { HttpAnswer, HttpRequest, Transport } from "./transport.ts";

export interface Call {
  /** For messages: "load table a.b". */
  doing: string;
  method: "GET" | "POST" | "DELETE";
  /** Below the root; each segment is encoded. */
  path: readonly string[];
  query?: Readonly<Record<string, string>>;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

export interface RequestsContext {
  /** `https://host/v1` and the prefix of the warehouse, without a slash at its end. */
  root: string;
  send: Transport;
  login: Login;
  clock: Clock;
  timeoutMs: number;
}

/** A read is repeated; a change never is, since only its caller can find out what became of it. */
const READS = { attemptsMax: 4, backoffMsMin: 100, backoffMsMax: 2_000 };

const UNAUTHENTICATED = new Set([401, 419]);

export class CatalogRequests {
  readonly #context: RequestsContext;

  constructor(context: RequestsContext) {
    this.#context = context;
  }

  /** @throws CatalogError for a name that a URL would take as a step in its path */
  urlOf(path: readonly string[], query: Readonly<Record<string, string>> = {}): URL {
    const wrong = path.find((name) => /^\.{0,2}$/.test(name));
    if (wrong !== undefined) {
      throw new CatalogError("CATALOG_FAILED", `'${wrong}' cannot be a name in a catalog`, { outcome: "none" });
    }
    const url = new URL([this.#context.root, ...path.map(encodeURIComponent)].join("/"));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url;
  }

  /**
   * Sends a request as it is, logged in, and returns whatever the catalog answers. A second time only with a
   * new token after an answer 401, which says that nothing was done.
   * @throws NoAnswer, CatalogError of a login that failed
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { send, login } = this.#context;
    const first = await send({ ...request, headers: await login.headersFor(request) });
    if (!UNAUTHENTICATED.has(first.status) || !login.renew()) return first;
    return send({ ...request, headers: await login.headersFor(request) });
  }

  /** @throws CatalogError */
  async call<T>(schema: z.ZodType<T>, call: Call): Promise<T> {
    if (call.method !== "GET") return this.#callOnce(schema, call);
    const { clock } = this.#context;
    const options = { ...READS, ...(call.signal ? { signal: call.signal } : {}) };
    const retryable = (thrown: unknown): boolean =>
      thrown instanceof CatalogError && thrown.code === "CATALOG_UNAVAILABLE";
    return retry(clock, { ...options, retryable }, () => this.#callOnce(schema, call));
  }

  async #callOnce<T>(schema: z.ZodType<T>, call: Call): Promise<T> {
    const { method, path, query, body, headers = {}, signal } = call;
    const doing = `cannot ${call.doing} (${method} ${this.#context.root})`;
    const answer = await this.send({
      method,
      url: this.urlOf(path, query),
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : jsonText(body),
      timeoutMs: this.#context.timeoutMs,
      signal,
    }).catch((thrown: unknown) => {
      if (thrown instanceof CatalogError) throw thrown;
      const outcome = (thrown as { sent?: boolean }).sent === false ? "none" : "unknown";
      throw new CatalogError("CATALOG_UNAVAILABLE", `${doing}: ${messageOf(thrown)}`, { outcome, cause: thrown });
    });
    if (answer.status < 200 || answer.status > 299) throw errorOfStatus(answer.status, doing, explained(answer));
    return read(schema, answer, doing);
  }
}

function read<T>(schema: z.ZodType<T>, answer: HttpAnswer, doing: string): T {
  const fail = (why: string, cause?: unknown): CatalogError =>
    new CatalogError("CATALOG_FAILED", `${doing}: the catalog's answer ${why}`, {
      outcome: "unknown",
      httpStatus: answer.status,
      cause,
    });
  let parsed: unknown;
  try {
    parsed = answer.body.length === 0 ? undefined : parseJson(answer.body.toString("utf8"));
  } catch (cause) {
    throw fail("is not JSON", cause);
  }
  const checked = schema.safeParse(parsed);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw fail(`is not what the specification says: ${issue?.path.join(".") || "answer"}: ${issue?.message ?? ""}`);
}

/** Texts of a catalog in our messages are short. */
const EXPLANATION_MAX = 500;

/** What the body of an error says, if it says anything. */
export function explained({ body }: HttpAnswer): Explained {
  const text = body.toString("utf8");
  try {
    const { error } = errorSchema.parse(JSON.parse(text));
    return { message: (error.message ?? "").slice(0, EXPLANATION_MAX), type: error.type?.slice(0, 100) };
  } catch {
    return { message: text.slice(0, EXPLANATION_MAX) };
  }
}
