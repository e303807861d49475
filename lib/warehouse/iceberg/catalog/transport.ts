import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { Agent as SecureAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { messageOf } from "../../../errors.ts";

export interface HttpRequest {
  method: string;
  url: URL;
  headers: Readonly<Record<string, string>>;
  body?: string | Uint8Array | undefined;
  /** From the start of the request to the end of the answer. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Sends one request, once. @throws NoAnswer */
export type Transport = (request: HttpRequest) => Promise<HttpAnswer>;

/** The request has no complete answer. */
export class NoAnswer extends Error {
  /** False: there was no connection, so the server has nothing of the request. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = "NoAnswer";
    this.sent = sent;
  }
}

export interface TransportOptions {
  /** PEM certificates that replace Node's built-in ones. */
  ca?: readonly string[] | undefined;
  /** Default 64. */
  socketsMax?: number;
  /** Longest answer. Default 64 MiB: the metadata of a table with tens of thousands of snapshots. */
  answerBytesMax?: number;
}

const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** HTTP and HTTPS over connections that stay open. It follows no redirects. */
export function httpTransport(options: TransportOptions = {}): { send: Transport; close: () => void } {
  const { ca, socketsMax = 64, answerBytesMax = ANSWER_BYTES_MAX } = options;
  const plain = new Agent({ keepAlive: true, maxSockets: socketsMax });
  const secure = new SecureAgent({ keepAlive: true, maxSockets: socketsMax, ...(ca ? { ca: [...ca] } : {}) });
  return {
    send: ({ url, method, headers, body, timeoutMs, signal }) =>
      new Promise((resolve, reject) => {
        const isSecure = url.protocol === "https:";
        const timeout = AbortSignal.timeout(timeoutMs);
        let sent = false;
        const fail = (error: unknown): void => {
          const what = timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error);
          reject(error instanceof NoAnswer ? error : new NoAnswer(what, sent, error));
        };
        const ask = isSecure ? httpsRequest : httpRequest;
        const outgoing = ask(url, {
          method,
          agent: isSecure ? secure : plain,
          headers: { ...headers, ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }) },
          signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });
        outgoing.once("socket", (socket: Socket) => {
          if (!socket.connecting) sent = true;
          else socket.once(isSecure ? "secureConnect" : "connect", () => (sent = true));
        });
        outgoing.once("error", fail);
        outgoing.once("response", (answer) => {
          bodyOf(answer, answerBytesMax).then(
            (read) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: read }),
            fail,
          );
        });
        outgoing.end(body);
      }),
    close: () => {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** A failed connection to several addresses has an empty message and a code. */
const reasonOf = (error: unknown): string =>
  messageOf(error) || ((error as NodeJS.ErrnoException).code ?? "the connection failed");

async function bodyOf(answer: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += (chunk as Buffer).length;
    if (bytes > bytesMax) {
      answer.destroy();
      throw new NoAnswer(`the answer is longer than ${bytesMax} bytes`, true);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
