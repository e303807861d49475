import { hasCode, type TributaryError } from "../errors.ts";
import type { EventLog, LogRecord, Tail } from "./event-log.ts";

export interface GuardedTail extends Tail {
  /**
   * @throws MESSAGE_TOO_NEW if it skipped a record that only a newer version can read: the view that is built
   *   from the records is incomplete as long as this process runs
   */
  assertReadable(): void;
}

/** Called for each record that is skipped because `onRecord` threw. */
export type OnUnreadable = (thrown: unknown, record: LogRecord) => void;

/** A tail that no record stops: one that `onRecord` cannot read is reported and skipped. */
export async function guardedTail(
  log: EventLog,
  topics: readonly string[],
  onRecord: (record: LogRecord) => void,
  onUnreadable: OnUnreadable,
): Promise<GuardedTail> {
  let tooNew: TributaryError | undefined;
  const tail = await log.tail(topics, (record) => {
    try {
      onRecord(record);
    } catch (thrown) {
      if (hasCode(thrown, "MESSAGE_TOO_NEW")) tooNew ??= thrown;
      onUnreadable(thrown, record);
    }
  });
  return {
    caughtUp: () => tail.caughtUp(),
    close: () => tail.close(),
    assertReadable() {
      if (tooNew) throw tooNew;
    },
  };
}
