import type { Clock } from "../../../lib/clock.ts";
import { hasCode, messageOf } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { assertLogKeptItsPast } from "../../../lib/event-log/recreation/log-past.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";

/** While the warehouse does not answer it is asked again no sooner than after this. */
const AGAIN_MS_MIN = 1_000;

/** Keeps files out of a log that was made anew: they would be taken for old ones. */
export interface LogGuard {
  /** @throws LOG_RECREATED until the log is adopted */
  assert(): Promise<void>;
}

/**
 * Looks once, at the start; then only as long as the answer is not "the log has its past". While the warehouse cannot be asked files are
 * let in, as they are whenever it is down: a recreated log is then noticed by the committer, which commits nothing of it.
 */
export async function guardLog(deps: {
  log: EventLog;
  warehouse: Warehouse;
  clock: Clock;
  logger: Logger;
}): Promise<LogGuard> {
  const { log, warehouse, clock, logger } = deps;
  let state: "kept" | "unknown" | { recreated: unknown } = "unknown";
  let lookedAtMs = -Infinity;

  const look = async (): Promise<void> => {
    lookedAtMs = clock.monotonicMs();
    try {
      await assertLogKeptItsPast(log, await warehouse.watermarks());
      state = "kept";
    } catch (thrown) {
      if (hasCode(thrown, "LOG_RECREATED")) state = { recreated: thrown };
      else logger.warn({ detail: messageOf(thrown) }, "it is not known yet whether the event log has kept its past");
    }
  };

  await look();
  return {
    async assert() {
      if (state === "kept") return;
      if (state !== "unknown" || clock.monotonicMs() - lookedAtMs >= AGAIN_MS_MIN) await look();
      if (typeof state === "object") throw state.recreated;
    },
  };
}
