import { messageOf, TributaryError } from "../errors.ts";
import type { Logger } from "./logger.ts";
import { Scope } from "./scope.ts";

/** SIGTERM must have ended the process within 10 s: what has not drained by then is given up (it is replayed at the next start). */
const DRAIN_MS_MAX = 9_000;

/**
 * Runs a process: `start` opens everything into the scope and returns; then the process lives until SIGTERM or SIGINT, drains
 * (the scope closes, last opened first) and exits 0. A failing start prints what and why and exits 1. A second signal ends at once.
 * The only user of process.on and process.exit among the services.
 */
export async function run(logger: Logger, start: (scope: Scope) => Promise<void>): Promise<void> {
  const scope = new Scope();
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
        resolve(signal);
      });
    }
  });
  process.on("unhandledRejection", (thrown) => {
    logger.fatal({ err: thrown }, "a broken invariant: unhandled rejection");
    process.exit(70);
  });
  try {
    await start(scope);
    const signal = await stopped;
    logger.info({ signal }, "draining");
    const deadline = setTimeout(() => {
      logger.warn({ drainMsMax: DRAIN_MS_MAX }, "drain took too long; unfinished work is taken up at the next start");
      process.exit(0);
    }, DRAIN_MS_MAX);
    await scope.close();
    clearTimeout(deadline);
    logger.info("stopped");
    process.exit(0);
  } catch (error) {
    logger.fatal({ err: error }, messageOf(error));
    if (error instanceof TributaryError) process.stderr.write(`\n${error.code}: ${error.message}\n→ ${error.remedy}\n`);
    await scope.close().catch(() => undefined);
    process.exit(1);
  }
}
