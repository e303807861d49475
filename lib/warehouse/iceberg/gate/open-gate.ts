import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "../../../errors.ts";
import { isUnsent, type CatalogAnswer } from "./catalog-port.ts";
import { forWriter } from "./config-answer.ts";
import { CommitGate, errorBody, type GateAnswer, type GateOptions } from "./gate.ts";
import { isCommit } from "./request.ts";
import type { TablePart, TransactionResult } from "./transactions.ts";

export interface OpenGateOptions extends GateOptions {
  /**
   * The writer left before it had the answer to its commit. It may take that for a failure and
   * delete its files, which a snapshot may refer to. So without `REMOVE_FILES_ON_DELETE false`
   * (ATTACH_OPTIONS) this must end the process at once: `process.kill(process.pid, "SIGKILL")`. It happens
   * only if DuckDB waits for less time than the gate (`writerSettings`), or is interrupted.
   */
  onAbandoned: () => void;
}

/** The gate as an HTTP server on the loopback address, between DuckDB in this process and the catalog. */
export interface OpenGate {
  /**
   * ENDPOINT of DuckDB's ATTACH, with AUTHORIZATION_TYPE 'none'. A secret: who knows it may do in the catalog
   * what Tributary may.
   */
  readonly endpoint: string;
  /** See CommitGate.transaction. */
  transaction(parts: readonly TablePart[], commit: () => Promise<unknown>, id?: string): Promise<TransactionResult>;
  /** Takes a commit of this process without HTTP: see CommitGate.commit. */
  commit(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<GateAnswer>;
  /** Takes no new request and waits for running commits, at most for `graceMs`. Detach DuckDB first. */
  close(graceMs: number): Promise<void>;
}

const HOST = "127.0.0.1";
/** Bodies hold metadata only: a commit of hundreds of tables, or a schema of thousands of columns. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;
const CONNECTIONS_MAX = 128;
const HEADER_BYTES_MAX = 16 * 1024;
/** From the first byte of a request to its last. */
const RECEIVE_MS_MAX = 30_000;
/**
 * Longer than DuckDB keeps a connection: one that closes while a request is sent would look like a lost
 * answer.
 */
const KEEP_ALIVE_MS = 600_000;

/** Opens the gate at a free port. */
export async function openGate(options: OpenGateOptions): Promise<OpenGate> {
  const gate = new CommitGate(options);
  const secret = randomBytes(24).toString("base64url");
  const server = createServer(
    { maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: RECEIVE_MS_MAX, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => void serve({ gate, options, secret, request, response }),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server);
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${HOST}:${port}/${secret}`,
    transaction: (parts, commit, id) => gate.transaction(parts, commit, id),
    commit: (path, headers, body) => gate.commit(path, headers, body),
    close: async (graceMs) => {
      const closed = new Promise((resolve) => server.close(resolve));
      await gate.close(graceMs);
      server.closeIdleConnections();
      await new Promise((resolve) => setImmediate(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const listen = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, HOST, () => {
      server.off("error", reject);
      resolve();
    });
  });

interface Exchange {
  gate: CommitGate;
  options: OpenGateOptions;
  secret: string;
  request: IncomingMessage;
  response: ServerResponse;
}

async function serve(exchange: Exchange): Promise<void> {
  const { gate, options, secret, request, response } = exchange;
  const method = request.method ?? "GET";
  const path = pathBehind(secret, request.url ?? "");
  if (path === undefined) return refuse(exchange, 404, "NotFoundException", "not found");
  const body = await bodyOf(request);
  if (body === "too-long")
    return refuse(exchange, 413, "BadRequestException", `a body may have ${BODY_BYTES_MAX} bytes`);
  if (body === "torn") return void response.destroy();
  if (!isCommit(method, path)) return forward(exchange, path, body);
  let isAnswered = false;
  // A connection that ends before the answer is written. After a written answer it does no harm.
  response.once("close", () => {
    if (!isAnswered) options.onAbandoned();
  });
  const answer = await gate.commit(path, forwardedHeaders(request), body.toString("utf8"));
  isAnswered = true;
  write(response, { ...answer, headers: {} });
}

/** What follows the secret. undefined: another one, or none. */
function pathBehind(secret: string, url: string): string | undefined {
  const end = url.indexOf("/", 1);
  if (!url.startsWith("/") || end < 0) return undefined;
  const [given, own] = [Buffer.from(url.slice(1, end)), Buffer.from(secret)];
  return given.length === own.length && timingSafeEqual(given, own) ? url.slice(end) : undefined;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | "too-long" | "torn"> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // An answer 413 needs the connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length;
      if (bytes > BODY_BYTES_MAX) return "too-long";
      chunks.push(chunk as Buffer);
    }
  } catch {
    return "torn";
  }
  return Buffer.concat(chunks);
}

/** Of one connection (RFC 9110, section 7.6.1), of the address, or set again by the adapter. */
const NOT_FORWARDED = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "content-length",
  "expect",
  "authorization",
  // The answer is read here.
  "accept-encoding",
]);

function forwardedHeaders({ headers }: IncomingMessage): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !NOT_FORWARDED.has(name));
  return Object.fromEntries(
    kept.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}

/** Forwards a request that commits nothing, once: DuckDB repeats those that it may repeat. */
async function forward({ options, request, response }: Exchange, path: string, body: Buffer): Promise<void> {
  const { send, clock, onEvent, attemptMs = FORWARD_MS } = options;
  const startMs = clock.monotonicMs();
  const left = new AbortController();
  response.once("close", () => left.abort());
  const method = request.method ?? "GET";
  let answer: Pick<CatalogAnswer, "status" | "headers" | "body">;
  try {
    const read = await send({
      method,
      path,
      headers: forwardedHeaders(request),
      ...(body.length > 0 ? { body } : {}),
      timeoutMs: attemptMs,
      signal: left.signal,
    });
    answer = forWriter({ method, path }, read);
  } catch (thrown) {
    const status = isUnsent(thrown) ? 503 : 504;
    const text = errorBody(status, "ServiceUnavailableException", `the catalog: ${messageOf(thrown)}`);
    answer = { status, headers: {}, body: Buffer.from(text) };
  }
  onEvent({ event: "forward", status: answer.status, durationMs: clock.monotonicMs() - startMs });
  write(response, answer);
}

const FORWARD_MS = 30_000;

function refuse({ options, request, response }: Exchange, status: number, type: string, message: string): void {
  options.onEvent({ event: "refuse", status, message });
  request.resume();
  response.setHeader("connection", "close");
  write(response, { status, headers: {}, body: errorBody(status, type, message) });
}

function write(response: ServerResponse, answer: GateAnswer & { headers: CatalogAnswer["headers"] }): void {
  const { status, headers, body } = answer;
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !NOT_FORWARDED.has(name)) response.setHeader(name, value);
  if (!response.hasHeader("content-type") && body.length > 0) response.setHeader("content-type", "application/json");
  response.writeHead(status);
  response.end(body);
}
