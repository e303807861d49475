import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "./deps.ts";

/**
 * Calls `listener` once for each request that its route has answered: after the response, or, if the client
 * leaves before that, after both. Fastify's own hook onResponse ignores clients that leave.
 */
export function onEnded(app: App, listener: (request: FastifyRequest, reply: FastifyReply) => void): void {
  const open = new WeakMap<FastifyRequest, { answered: boolean; closed: boolean }>();
  const note = (request: FastifyRequest, reply: FastifyReply, what: "answered" | "closed"): void => {
    const state = open.get(request);
    if (!state) return;
    state[what] = true;
    if (!state.answered || !state.closed) return;
    open.delete(request);
    listener(request, reply);
  };
  app.addHook("onRequest", async (request, reply) => {
    open.set(request, { answered: false, closed: false });
    reply.raw.once("close", () => note(request, reply, "closed"));
  });
  app.addHook("onSend", async (request, reply) => note(request, reply, "answered"));
  app.addHook("onResponse", async (request, reply) => note(request, reply, "closed"));
}
