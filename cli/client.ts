import { once } from "node:events";
import http, { type IncomingHttpHeaders } from "node:http";
import https from "node:https";
import { pipeline, type Readable } from "node:stream";
import { text as readText } from "node:stream/consumers";

/** The gateway said no, as a problem: what, why, and what to do. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly remedy: string;
  /** The whole problem as it came. */
  readonly problem: Record<string, unknown>;

  constructor(status: number, problem: Record<string, unknown>) {
    const told = (field: string): string => (typeof problem[field] === "string" ? problem[field] : "");
    super(told("detail") || `the gateway answered ${status}`);
    this.name = "Refused";
    this.status = status;
    this.code = told("code") || `HTTP_${status}`;
    this.remedy = told("remedy");
    this.problem = problem;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  readonly url: string;

  constructor(url: string, cause: Error) {
    super(`no answer from ${url}: ${cause.message || (cause as NodeJS.ErrnoException).code || "connection failed"}`, {
      cause,
    });
    this.name = "Unreachable";
    this.url = url;
  }
}

export interface SendOptions {
  body?: Readable | string;
  /** Length of a stream, where known. */
  sizeBytes?: number | undefined;
  contentType?: string;
}

export interface Client {
  /** Where the gateway is. */
  url: string;
  /** Sends a request and reads the JSON answer. Throws Refused (status ≥ 400) or Unreachable. */
  send<T>(method: string, path: string, options?: SendOptions): Promise<T>;
  /** What is no JSON, as text. Throws as `send` does. */
  download(path: string): Promise<{ text: string; headers: IncomingHttpHeaders }>;
  /**
   * Server-sent events as they come, each parsed as JSON; ends when the gateway or `signal` ends it. Nothing that happens after `onOpen`
   * is missed. Throws as `send` does.
   */
  events<T>(path: string, signal: AbortSignal, onOpen?: () => void): AsyncGenerator<T, void>;
}

/** Who asks, and whom he trusts. */
export interface Credentials {
  /** An API key, or a token of the issuer that the gateway trusts. */
  apiKey?: string | undefined;
  /** PEM certificates trusted instead of Node's own. */
  ca?: readonly string[] | undefined;
}

/** @throws TypeError if the URL is none */
export function makeGatewayClient(baseUrl: string, credentials: Credentials): Client {
  const base = new URL(baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`);
  return {
    url: base.href,
    async send<T>(method: string, path: string, options: SendOptions = {}): Promise<T> {
      return jsonOf(base, await exchange(new URL(path.replace(/^\//, ""), base), method, credentials, options)) as T;
    },
    async download(path) {
      const answer = await exchange(new URL(path.replace(/^\//, ""), base), "GET", credentials, {});
      if (answer.status >= 400) jsonOf(base, answer);
      return answer;
    },
    async *events<T>(path: string, signal: AbortSignal, onOpen?: () => void): AsyncGenerator<T, void> {
      const url = new URL(path.replace(/^\//, ""), base);
      try {
        const asked = request(url, { signal }, credentials);
        asked.end();
        const [response] = (await once(asked, "response")) as [http.IncomingMessage];
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

/** Throws Refused if the answer is no, or none that a gateway gives. */
function jsonOf(base: URL, { status, text }: Answer): unknown {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = { detail: `${base.href} does not speak as a Tributary gateway does: ${text.slice(0, 200)}` };
    if (status < 400) throw new Refused(status, body as Record<string, unknown>);
  }
  if (status >= 400) throw new Refused(status, body as Record<string, unknown>);
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

/** A request with its sender's credentials, not yet sent. */
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
  { body, sizeBytes, contentType }: SendOptions,
): Promise<Answer> {
  const length = typeof body === "string" ? Buffer.byteLength(body) : sizeBytes;
  const headers = {
    accept: "application/json",
    ...(contentType === undefined ? {} : { "content-type": contentType }),
    ...(length === undefined ? {} : { "content-length": length }),
  };
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers }, credentials);
    const fail = (error: Error): void => reject(new Unreachable(url.origin, error));
    asked.once("response", (response) => {
      // An answer may come before the body's end: nobody wants the rest then.
      asked.off("error", fail).on("error", () => undefined);
      if (typeof body === "object") body.destroy();
      readText(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        fail,
      );
    });
    asked.once("error", fail);
    if (typeof body === "object") {
      body.once("error", (error) => reject(error));
      pipeline(body, asked, () => undefined);
    } else {
      asked.end(body);
    }
  });
}
