import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { TributaryError } from "../../lib/errors.ts";

export const HOST = "127.0.0.1";

/** Below the range from which Linux and macOS take the ports of outgoing connections: a port found free stays free. */
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
 * One port for each name: those of `fixed` as given, the others free ones chosen at random.
 * @throws PORT_IN_USE naming the first fixed port that is taken.
 */
export async function choosePorts<Name extends string>(
  names: readonly Name[],
  fixed: Readonly<Partial<Record<Name, number>>>,
): Promise<Record<Name, number>> {
  const chosen = new Set<number>();
  const ports: Partial<Record<Name, number>> = {};
  for (const name of names) {
    const wanted = fixed[name];
    if (wanted !== undefined && (chosen.has(wanted) || !(await isFree(wanted)))) {
      throw new TributaryError("PORT_IN_USE", `port ${wanted} (${name}) is taken on ${HOST}`);
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
