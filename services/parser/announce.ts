import type { Clock } from "../../lib/clock.ts";
import type { ParseSummary } from "../../lib/csv/parse-file.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { deadLetters, fileEvents, parseEvents } from "../../lib/events/avro.ts";
import type { FileEvent, ParseEvent } from "../../lib/events/generated.ts";
import { TOPICS } from "../../lib/events/topics.ts";

/** Columns are shown beside a file's status only while that stays a small message. */
const COLUMNS_JSON_MAX = 256 * 1024;

/** Says how a file fares, for the gateway and for operators. */
export interface Announcer {
  started(): Promise<void>;
  ended(summary: ParseSummary): Promise<void>;
  /** Keeps the event of a file that failed, so that it can be replayed. */
  deadLetter(error: NonNullable<ParseSummary["error"]>): Promise<void>;
}

export function announce(
  { log, clock }: { log: EventLog; clock: Clock },
  { event, sourceOffset }: { event: FileEvent; sourceOffset: number },
): Announcer {
  const { fileId, table, sourceFile } = event;
  const publish = async (phase: ParseEvent["phase"], more: Partial<ParseEvent>): Promise<void> => {
    const value = parseEvents.encode({
      fileId,
      table,
      sourceOffset,
      phase,
      atMs: clock.nowMs(),
      rowsRead: 0,
      rowsRejected: 0,
      dialectJson: null,
      columnsJson: null,
      errorCode: null,
      errorMessage: null,
      ...more,
    });
    await log.publish(TOPICS.parseEvents.name, [{ key: table, value }]);
  };
  return {
    started: () => publish("started", {}),
    ended(summary) {
      const { rowsRead, rowsRejected, columns, dialect, error } = summary;
      const columnsJson = JSON.stringify(columns);
      return publish(error ? "failed" : "finished", {
        rowsRead,
        rowsRejected,
        dialectJson: dialect ? JSON.stringify(dialect) : null,
        columnsJson: columnsJson.length > COLUMNS_JSON_MAX ? null : columnsJson,
        errorCode: error?.code ?? null,
        errorMessage: error?.message ?? null,
      });
    },
    async deadLetter(error) {
      const value = deadLetters.encode({
        fileId,
        table,
        sourceFile,
        sourceOffset,
        attempts: 1,
        atMs: clock.nowMs(),
        errorCode: error.code,
        errorMessage: error.message,
        event: fileEvents.encode(event),
      });
      await log.publish(TOPICS.deadLetters.name, [{ key: table, value }]);
    },
  };
}
