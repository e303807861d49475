import {
  createServer,
  request as send,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What happens to a request: `before`: it is lost; `after`: its answer is lost; a status: the answer is replaced;
 * `lateMs`: it reaches the server so much later, also if nobody waits any more; `until`: after this promise; `refused`:
 * it is lost and answered with this status.
 */
export type Loss = "before" | "after" | number | { lateMs: number } | { until: Promise<unknown> } | { refused: number };

/**
 * A proxy that loses requests and answers. `lossOf` is asked for each request; `onLost` is called where a request or
 * its answer is about to be lost.
 */
export async function lossyProxy(
  server: string,
  lossOf: (method: string, path: string) => Loss | undefined,
  onLost: () => void = () => undefined,
) {
  const target = new URL(server);
  const statuses: number[] = [];
  const underWay = new Set<Promise<unknown>>();
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const loss = lossOf(request.method ?? "GET", request.url ?? "/");
    const lose = (): void => {
      onLost();
      response.destroy();
    };
    if (loss === "before") return lose();
    if (typeof loss === "object" && "refused" in loss) {
      response.writeHead(loss.refused, { "content-type": "application/json" });
      return void response.end("{}");
    }
    if (typeof loss === "object" && "until" in loss) await loss.until;
    else if (typeof loss === "object") await new Promise((resolve) => setTimeout(resolve, loss.lateMs));
    const answer = await forward(new URL(request.url ?? "/", target), request, body);
    if (loss !== undefined) statuses.push(answer.status);
    if (loss === "after") return lose();
    if (typeof loss === "number") {
      response.writeHead(loss, { "content-type": "application/json" });
      return void response.end("{}");
    }
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body);
  };
  const proxy = createServer((request, response) => {
    const handling = handle(request, response).catch(() => response.destroy());
    underWay.add(handling);
    void handling.finally(() => underWay.delete(handling));
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    /** The server's answers to requests with a loss. */
    statuses,
    /** Until no request runs. */
    settled: async (): Promise<void> => {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    close: async (): Promise<void> => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function forward(
  url: URL,
  { method, headers }: IncomingMessage,
  body: Buffer,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
  return new Promise((resolve, reject) => {
    // The host that the request names may be signed.
    const outgoing = send(url, { method, headers }, (answer) => {
      const kept = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !OF_CONNECTION.has(name)));
      bodyOf(answer).then((read) => resolve({ status: answer.statusCode ?? 0, headers: kept, body: read }), reject);
    });
    outgoing.once("error", reject).end(body);
  });
}

/** Headers of one connection (RFC 9110, section 7.6.1). */
const OF_CONNECTION = new Set(["connection", "keep-alive", "transfer-encoding"]);
