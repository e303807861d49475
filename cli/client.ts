import { once } from "node:events";
import http, { type IncomingHttpHeaders } from "node:http";
import https from "node:https";
import { pipeline, type Readable } from "node:stream";
import { text as readText } from "node:stream/consumers";
import { systemClock, type Clock } from "../lib/clock.ts";
import { ownOf } from "../lib/own.ts";
import { repeated, retryAfterMs, type Again } from "./requests/repeat.ts";

/** The gateway refused a request; carries its problem: code, detail and remedy. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly remedy: string;
  /** The complete problem object of the response. */
  readonly problem: Record<string, unknown>;
  /** How long the gateway asks to wait, in milliseconds; undefined: it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: Record<string, unknown>, retryAfter?: number) {
    const textOf = (field: string): string => {
      const text = ownOf(problem, field);
      return typeof text === "string" ? text : "";
    };
    super(textOf("detail") || `the gateway responded with status ${status}`);
    this.name = "Refused";
    this.status = status;
    this.code = textOf("code") || `HTTP_${status}`;
    this.remedy = textOf("remedy");
    this.problem = problem;
    this.retryAfterMs = retryAfter;
  }
}

/** No response from the gateway. */
export class Unreachable extends Error {
  readonly url: string;

  constructor(url: string, cause: Error) {
    const reason = cause.message || (cause as NodeJS.ErrnoException).code || "connection failed";
    super(`no response from ${url}: ${reason}`, { cause });
    this.name = "Unreachable";
    this.url = url;
  }
}

export interface SendOptions {
  /** A function opens the body for each attempt. A stream can be sent only once. */
  body?: Readable | string | (() => Readable);
  /** Length of a stream, if known. */
  sizeBytes?: number | undefined;
  contentType?: string;
  /** Requests with equal keys are one request. */
  idempotencyKey?: string;
}

export interface Client {
  /** Base URL of the gateway. */
  url: string;
  /**
   * Sends a request and parses the JSON response. Repeats it for a bounded time while the gateway is busy
   * (429, 503), if that is safe. Throws Refused (status ≥ 400) or Unreachable.
   */
  send<T>(method: string, path: string, options?: SendOptions): Promise<T>;
  /** Reads a response that is not JSON as text. Throws as `send` does. */
  download(path: string): Promise<{ text: string; headers: IncomingHttpHeaders }>;
  /**
   * Server-sent events, each parsed as JSON, until the gateway or `signal` ends the stream. Every event after
   * `onOpen` is delivered. Throws as `send` does.
   */
  events<T>(path: string, signal: AbortSignal, onOpen?: () => void): AsyncGenerator<T, void>;
}

/** Credentials and trusted certificates. */
export interface Credentials {
  /** An API key, or a token from the gateway's token issuer. */
  apiKey?: string | undefined;
  /** PEM certificates of the trusted CAs; replaces Node's list. */
  ca?: readonly string[] | undefined;
}

/** @throws TypeError if the URL is invalid */
export function makeGatewayClient(
  baseUrl: string,
  credentials: Credentials,
  clock: Pick<Clock, "sleep"> = systemClock,
): Client {
  const base = new URL(baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`);
  const urlOf = (path: string): URL => new URL(path.replace(/^\//, ""), base);
  return {
    url: base.href,
    send<T>(method: string, path: string, options: SendOptions = {}): Promise<T> {
      return repeated(
        clock,
        (error) => againOf(error, method, options),
        async () => jsonOf(base, await exchange(urlOf(path), method, credentials, options)) as T,
      );
    },
    download(path) {
      return repeated(
        clock,
        (error) => againOf(error, "GET", {}),
        async () => {
          const answer = await exchange(urlOf(path), "GET", credentials, {});
          if (answer.status >= 400) jsonOf(base, answer);
          return answer;
        },
      );
    },
    async *events<T>(path: string, signal: AbortSignal, onOpen?: () => void): AsyncGenerator<T, void> {
      const url = urlOf(path);
      try {
        const sent = request(url, { signal }, credentials);
        sent.end();
        const [response] = (await once(sent, "response")) as [http.IncomingMessage];
        const { statusCode: status = 0 } = response;
        if (status >= 400) throw new Refused(status, JSON.parse(await readText(response)) as Record<string, unknown>);
        onOpen?.();
        yield* eventData<T>(response);
      } catch (error) {
        if (signal.aborted) return;
        throw error instanceof Refused ? error : new Unreachable(url.origin, error as Error);
      }
    },
  };
}

/** Attempts where the gateway is not busy, but something behind it is unavailable. */
const UNAVAILABLE_ATTEMPTS_MAX = 3;

/**
 * Whether a refused request is sent again. A busy gateway has done nothing. Where something behind it is
 * unavailable, the request may have had an effect: it is sent again only if that changes nothing more.
 */
function againOf(error: unknown, method: string, { body, idempotencyKey }: SendOptions): Again | undefined {
  if (!(error instanceof Refused) || (error.status !== 429 && error.status !== 503)) return undefined;
  if (typeof body === "object") return undefined;
  const again = { afterMs: error.retryAfterMs };
  if (error.status === 429 || error.code === "OVERLOADED") return again;
  const isSafe = method === "GET" || idempotencyKey !== undefined;
  return isSafe ? { ...again, attemptsMax: UNAVAILABLE_ATTEMPTS_MAX } : undefined;
}

/** The parsed body. Throws Refused for a status ≥ 400 and for a body that is not JSON. */
function jsonOf(base: URL, { status, text, headers }: Answer): unknown {
  const retryAfter = retryAfterMs(headers["retry-after"], Date.now());
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = { detail: `${base.href} is not a Tributary gateway: the response is not JSON: ${text.slice(0, 200)}` };
    if (status < 400) throw new Refused(status, body as Record<string, unknown>);
  }
  if (status >= 400) throw new Refused(status, body as Record<string, unknown>, retryAfter);
  return body;
}

interface Answer {
  status: number;
  text: string;
  headers: IncomingHttpHeaders;
}

async function* eventData<T>(body: Readable): AsyncGenerator<T, void> {
  let text = "";
  for await (const chunk of body.setEncoding("utf8")) {
    const events = (text + (chunk as string)).split("\n\n");
    text = events.pop()!;
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length > 0) yield JSON.parse(data.map((line) => line.slice("data:".length)).join("\n")) as T;
    }
  }
}

/** An HTTP request with the credentials, not sent yet. */
function request(url: URL, options: http.RequestOptions, { apiKey, ca }: Credentials): http.ClientRequest {
  const headers = {
    ...(options.headers as http.OutgoingHttpHeaders | undefined),
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  if (url.protocol !== "https:") return http.request(url, { ...options, headers });
  return https.request(url, { ...options, headers, ...(ca ? { ca: [...ca] } : {}) });
}

function exchange(
  url: URL,
  method: string,
  credentials: Credentials,
  { body: given, sizeBytes, contentType, idempotencyKey }: SendOptions,
): Promise<Answer> {
  const body = typeof given === "function" ? given() : given;
  const length = typeof body === "string" ? Buffer.byteLength(body) : sizeBytes;
  const headers = {
    accept: "application/json",
    ...(contentType === undefined ? {} : { "content-type": contentType }),
    ...(length === undefined ? {} : { "content-length": length }),
    ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, credentials);
    const fail = (error: Error): void => reject(new Unreachable(url.origin, error));
    sent.once("response", (response) => {
      // The response may arrive before the whole body is sent; stop sending then and ignore the write error.
      sent.off("error", fail).on("error", () => undefined);
      if (typeof body === "object") body.destroy();
      readText(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        fail,
      );
    });
    sent.once("error", fail);
    if (typeof body === "object") {
      body.once("error", (error) => reject(error));
      pipeline(body, sent, () => undefined);
    } else {
      sent.end(body);
    }
  });
}
