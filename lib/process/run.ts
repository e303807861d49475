import { messageOf, TributaryError } from "../errors.ts";
import type { Logger } from "./logger.ts";
import { Scope } from "./scope.ts";

/**
 * The process must exit within 10 s after SIGTERM. Work not finished by then is repeated after the next
 * start.
 */
const DRAIN_MS_MAX = 9_000;

/**
 * Runs a process. `start` opens all resources into the scope and returns. On SIGTERM or SIGINT the process
 * drains (closes the scope, last opened first) and exits with 0; so it does if the parent's IPC channel
 * closes. `stopping` aborts then, which ends a start that still waits. If `start` fails, it prints the error
 * for people, then logs it, and exits with 1. `clean` removes secrets from printed text. A second signal
 * exits immediately. Only this function uses process.on and process.exit in the services.
 */
export async function run(
  logger: Logger,
  clean: (text: string) => string,
  start: (scope: Scope, stopping: AbortSignal) => Promise<void>,
): Promise<void> {
  const scope = new Scope();
  const stopping = new AbortController();
  const stopped = new Promise<NodeJS.Signals | "disconnect">((resolve) => {
    const stop = (why: NodeJS.Signals | "disconnect"): void => {
      stopping.abort();
      resolve(why);
    };
    // The channel is that of `tributary serve`. If it was killed, nobody could stop this process any more.
    process.once("disconnect", () => stop("disconnect"));
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
        stop(signal);
      });
    }
  });
  process.on("unhandledRejection", (thrown) => {
    logger.fatal({ err: thrown }, "unhandled rejection: broken invariant");
    process.exit(70);
  });
  try {
    await start(scope, stopping.signal);
    const signal = await stopped;
    logger.info({ signal }, "draining");
    const deadline = setTimeout(() => {
      logger.warn({ drainMsMax: DRAIN_MS_MAX }, "drain took too long; unfinished work resumes at the next start");
      process.exit(0);
    }, DRAIN_MS_MAX);
    await scope.close();
    clearTimeout(deadline);
    logger.info("stopped");
    process.exit(0);
  } catch (error) {
    if (error instanceof TributaryError) {
      const { code, message, remedy, cause } = error;
      process.stderr.write(clean(`\n${code}: ${message}\n→ ${remedy}\n\n`));
      // Its stack says nothing more; what caused it may.
      logger.fatal({ code, remedy, ...(cause === undefined ? {} : { cause: messageOf(cause) }) }, message);
    } else {
      logger.fatal({ err: error }, messageOf(error));
    }
    await scope.close().catch(() => undefined);
    process.exit(1);
  }
}
