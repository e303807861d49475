import { createServer, request as send, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of a statement on its way: `before` runs ahead of it; `lost` lets it run to its end on the server and then answers 504. */
export interface Detour {
  before?: () => Promise<unknown>;
  lost?: boolean;
}

/**
 * A Trino server seen through a connection that fails. `detour` sees each statement before it is passed on; what it returns happens to that one.
 * Only the statements themselves come this way: the pages of a result are fetched from where the server says, itself.
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

/** Reads a statement's pages until it has ended. */
async function toItsEnd(first: string, headers: IncomingMessage["headers"]): Promise<void> {
  let next = (JSON.parse(first) as { nextUri?: string }).nextUri;
  while (next !== undefined) {
    const { body } = await post(new URL(next), "GET", { "x-trino-user": headers["x-trino-user"] }, "");
    next = (JSON.parse(body) as { nextUri?: string }).nextUri;
  }
}
