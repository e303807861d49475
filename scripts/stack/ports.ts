import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { TributaryError } from "../../lib/errors.ts";

export const HOST = "127.0.0.1";

/**
 * Below the ephemeral port range of Linux and macOS, so that no outgoing connection takes a port that was
 * free.
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;

/** True if nothing listens on this port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * One port per name: the port of `fixed`, or a random free port that is not among `reserved`, on which
 * nothing may listen yet.
 * @throws PORT_IN_USE that names the first fixed port that is in use.
 */
export async function choosePorts<Name extends string>(
  names: readonly Name[],
  fixed: Readonly<Partial<Record<Name, number>>>,
  reserved: readonly number[] = [],
): Promise<Record<Name, number>> {
  const chosen = new Set(reserved);
  const ports: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const wanted = fixed[name];
    if (wanted !== undefined && (chosen.has(wanted) || !(await isFree(wanted)))) {
      throw new TributaryError("PORT_IN_USE", `port ${wanted} (${name}) is in use on ${HOST}`);
    }
    const port = wanted ?? (await freePort(chosen));
    chosen.add(port);
    ports[name] = port;
  }
  return ports as Record<Name, number>;
}

async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new TributaryError("PORT_IN_USE", `no free port found on ${HOST} between ${LOWEST} and ${HIGHEST}`);
}
