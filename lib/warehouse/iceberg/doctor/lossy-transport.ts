import { NoAnswer, type Transport } from "../catalog/transport.ts";

/**
 * How the next commit loses its answer. `after`: the catalog's answer arrives and is dropped. `midway`: the
 * connection is closed after `ms`, wherever the catalog is by then.
 */
export type Loss = { kind: "after" } | { kind: "midway"; ms: number };

/** Stands between Tributary and the catalog, and drops the answers of commits. */
export interface LossyTransport {
  send: Transport;
  close: () => void;
  /** The next commit loses its answer. The returned function tells the status that was dropped, if any. */
  lose(loss: Loss): () => number | undefined;
}

const isCommit = ({ method, body }: { method: string; body?: string | Uint8Array | undefined }): boolean =>
  method === "POST" && typeof body === "string" && body.includes('"add-snapshot"');

export function lossyTransport(inner: { send: Transport; close: () => void }): LossyTransport {
  let next: { loss: Loss; seen: (status: number) => void } | undefined;
  return {
    close: inner.close,
    lose: (loss) => {
      let dropped: number | undefined;
      next = { loss, seen: (status) => (dropped = status) };
      return () => dropped;
    },
    send: async (request) => {
      const planned = next;
      if (planned === undefined || !isCommit(request)) return inner.send(request);
      next = undefined;
      const { loss, seen } = planned;
      const answer = await inner.send(loss.kind === "after" ? request : { ...request, timeoutMs: loss.ms });
      seen(answer.status);
      throw new NoAnswer("the answer is dropped on purpose", true);
    },
  };
}
