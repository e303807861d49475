import type { CatalogSend } from "./gate/catalog-port.ts";
import { isCommit } from "./gate/request.ts";

/** Calls `prepare` with each commit before it is sent. If it fails, nothing is sent. */
export function prepared(send: CatalogSend, prepare: (path: string, body: string) => Promise<void>): CatalogSend {
  return async (request) => {
    const { method, path, body } = request;
    if (isCommit(method, path) && body !== undefined)
      await prepare(path, Buffer.from(body).toString("utf8")).catch(notSent);
    return send(request);
  };
}

const notSent = (cause: unknown): never => {
  throw Object.assign(new Error(`cannot prepare the commit: ${String(cause)}`, { cause }), { sent: false });
};
