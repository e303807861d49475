import { codeOf, hasCode, type ErrorCode } from "../errors.ts";
import type { LogRecord } from "../event-log/event-log.ts";
import type { Logger } from "../process/logger.ts";

interface Throughput {
  dropped(reason: "undecodable"): void;
  error(code: ErrorCode): void;
}

/** Logs and counts records that a tail skips because it cannot decode them. */
export const reportUnreadable =
  (logger: Logger, throughput: Throughput) =>
  (thrown: unknown, { topic, partition, offset }: LogRecord): void => {
    logger.error({ topic, partition, offset, err: thrown }, "record skipped: it cannot be decoded");
    throughput.dropped("undecodable");
    if (hasCode(thrown, "MESSAGE_TOO_NEW")) throughput.error(codeOf(thrown));
  };
