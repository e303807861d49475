import type {} from "@fastify/swagger";
import fastify, { type FastifyInstance } from "fastify";
import { codeOf, ERRORS, knownCode } from "../errors.ts";
import type { Registry } from "./metrics.ts";

export interface HealthOptions {
  registry: Registry;
  /** Throws while the service cannot work. */
  ready: () => Promise<void>;
}

/**
 * Adds /healthz (process is running), /readyz (ports respond) and /metrics (Prometheus text) to a fastify
 * app.
 */
export function addHealthRoutes(app: FastifyInstance, { registry, ready }: HealthOptions): void {
  const hidden = { schema: { hide: true } } as const;
  app.get("/healthz", hidden, () => ({ status: "ok" }));
  app.get("/readyz", hidden, async (_request, reply) => {
    try {
      await ready();
      return { status: "ready" };
    } catch (error) {
      // Anybody may ask. The message may name hosts and paths, so only the code and its remedy are told.
      const code = knownCode(codeOf(error));
      return reply.code(503).send({ status: "unready", code, remedy: ERRORS[code].remedy });
    }
  });
  app.get("/metrics", hidden, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
}

/** Starts the health server of a service without an API. */
export async function serveHealth(options: HealthOptions & { host: string; port: number }): Promise<FastifyInstance> {
  const app = fastify({ logger: false });
  addHealthRoutes(app, options);
  await app.listen({ host: options.host, port: options.port });
  return app;
}
