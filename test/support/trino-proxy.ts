import { createServer, request as send, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A fault of one statement: `before` runs ahead of it; `lost` runs it on the server and then responds with
 * 504.
 */
export interface Detour {
  before?: () => Promise<unknown>;
  lost?: boolean;
}

/**
 * A proxy in front of a Trino server that injects faults. `detour` is called with each statement and returns
 * its fault, if any. Only statements pass the proxy: clients fetch result pages directly from the server.
 */
export async function trinoProxy(server: string, detour: (sql: string) => Detour | undefined) {
  const target = new URL(server);
  const proxy = createServer((request, response) => {
    void bodyOf(request).then(async (sql) => {
      const { before, lost = false } = detour(sql) ?? {};
      await before?.();
      const headers = { ...request.headers, host: target.host, "accept-encoding": "identity" };
      const answer = await post(new URL(request.url ?? "/", server), request.method ?? "POST", headers, sql);
      if (lost) {
        await toItsEnd(answer.body, request.headers);
        return void response.writeHead(504).end();
      }
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    close: async (): Promise<void> => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function post(
  url: URL,
  method: string,
  headers: IncomingMessage["headers"],
  body: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { method, headers }, (answer) => {
      bodyOf(answer).then((text) => resolve({ status: answer.statusCode ?? 0, body: text }), reject);
    });
    outgoing.once("error", reject).end(body);
  });
}

/** Reads all pages of a statement. */
async function toItsEnd(first: string, headers: IncomingMessage["headers"]): Promise<void> {
  let next = (JSON.parse(first) as { nextUri?: string }).nextUri;
  while (next !== undefined) {
    const { body } = await post(new URL(next), "GET", { "x-trino-user": headers["x-trino-user"] }, "");
    next = (JSON.parse(body) as { nextUri?: string }).nextUri;
  }
}
