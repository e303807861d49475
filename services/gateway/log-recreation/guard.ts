import type { Clock } from "../../../lib/clock.ts";
import { hasCode, messageOf } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { assertLogKeptItsPast } from "../../../lib/event-log/recreation/log-past.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";

/** Least time between two checks while the warehouse is unavailable. */
const RETRY_MS_MIN = 1_000;

/** Refuses files while the event log is a recreated one: committers would skip them as already absorbed. */
export interface LogGuard {
  /** @throws LOG_RECREATED until an operator adopts the log (POST /v1/log/adopt-recreated) */
  assert(): Promise<void>;
}

/**
 * Checks once at the start, then again only until the log is known to be intact. While the warehouse is
 * unavailable, files are accepted, as in any warehouse outage: the committer then detects a recreated log and
 * commits nothing from it.
 */
export async function guardLog(deps: {
  log: EventLog;
  warehouse: Warehouse;
  clock: Clock;
  logger: Logger;
}): Promise<LogGuard> {
  const { log, warehouse, clock, logger } = deps;
  let state: "intact" | "unknown" | { recreated: unknown } = "unknown";
  let checkedAtMs = -Infinity;

  const check = async (): Promise<void> => {
    checkedAtMs = clock.monotonicMs();
    try {
      await assertLogKeptItsPast(log, await warehouse.watermarks());
      state = "intact";
    } catch (thrown) {
      if (hasCode(thrown, "LOG_RECREATED")) state = { recreated: thrown };
      else logger.warn({ detail: messageOf(thrown) }, "cannot check yet whether the event log was recreated");
    }
  };

  await check();
  return {
    async assert() {
      if (state === "intact") return;
      if (state !== "unknown" || clock.monotonicMs() - checkedAtMs >= RETRY_MS_MIN) await check();
      if (typeof state === "object") throw state.recreated;
    },
  };
}
