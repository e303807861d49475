import { heldReasonsJson, type HeldReason } from "../../lib/contract/held.ts";
import { keyOf, tableId } from "../../lib/tables.ts";
import type { Clock } from "../../lib/clock.ts";
import { codeOf, messageOf } from "../../lib/errors.ts";
import type { Reading } from "../../lib/formats/reading.ts";
import type { ParseSummary } from "../../lib/parsing/parse-file.ts";
import type { EventLog, LogRecord } from "../../lib/event-log/event-log.ts";
import { deadLetters, fileEvents, parseEvents } from "../../lib/messages/avro.ts";
import type { DeadLetter, FileEvent, ParseEvent } from "../../lib/messages/generated.ts";
import { progressReports } from "../../lib/observability/progress-reports.ts";
import { TOPICS } from "../../lib/messages/topics.ts";

const MESSAGE_CHARS_MAX = 2_000;
/** Columns are left out of parse events above this size, in characters. */
const COLUMNS_JSON_MAX = 256 * 1024;

type HeldReasons = readonly HeldReason[] | undefined;

/** Publishes the parse status of one file, for the gateway and for operators. */
export interface ParseStatus {
  started(): Promise<void>;
  /** The attempt failed, and is repeated until its cause is removed. Best effort. */
  waits(thrown: unknown): void;
  /** How far the attempt is: rows and stored bytes. At most once a second, not in the first. Best effort. */
  progress(done: { rows: number; bytes: number }): void;
  /** `held`: why the file is held instead of loaded; `reading`: see `readingOf`. */
  ended(summary: ParseSummary, more?: { held?: HeldReasons; reading?: Reading | undefined }): Promise<void>;
  /** Publishes the event of a failed file as a dead letter, from which it can be replayed. */
  deadLetter(error: NonNullable<ParseSummary["error"]>): Promise<void>;
}

export function publishParseEvent(
  { log, clock }: { log: EventLog; clock: Clock },
  { event, sourceOffset }: { event: FileEvent; sourceOffset: number },
): ParseStatus {
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
      warningsJson: null,
      progressJson: null,
      ...more,
    });
    await log.publish(TOPICS.parseEvents.name, [{ key: keyOf(tableId(table)), value }]);
  };
  const report = progressReports({ log, clock }, { table, fileId, sourceOffset });
  return {
    started: () => publish("started", {}),
    progress({ rows: rowsDone, bytes: bytesDone }) {
      report({ step: "parse", filesDone: 0, filesTotal: 1, bytesDone, bytesTotal: event.sizeBytes, rowsDone });
    },
    waits(thrown) {
      const errorMessage = messageOf(thrown).slice(0, MESSAGE_CHARS_MAX);
      // A log that takes no status is the likely cause of the wait itself.
      void publish("started", { errorCode: codeOf(thrown), errorMessage }).catch(() => undefined);
    },
    ended(summary, { held, reading } = {}) {
      const { rowsRead, rowsRejected, columns, error, warnings } = summary;
      const columnsJson = JSON.stringify(columns);
      return publish(error ? "failed" : "finished", {
        rowsRead,
        rowsRejected,
        dialectJson: reading ? JSON.stringify(reading) : null,
        columnsJson: columnsJson.length > COLUMNS_JSON_MAX ? null : columnsJson,
        errorCode: error?.code ?? null,
        errorMessage: error?.message ?? null,
        heldReasonsJson: held ? heldReasonsJson(held) : null,
        warningsJson: warnings ? JSON.stringify(warnings) : null,
      });
    },
    async deadLetter(error) {
      const about = { fileId, table, sourceFile, sourceOffset };
      await publishDeadLetter({ log, clock }, about, error, fileEvents.encode(event));
    },
  };
}

/** Publishes an undecodable event as a dead letter with its original key. */
export async function publishUndecodable(
  ports: { log: EventLog; clock: Clock },
  record: LogRecord,
  message: string,
): Promise<void> {
  const about = { fileId: "", table: record.key ?? "", sourceFile: "", sourceOffset: record.offset };
  await publishDeadLetter(ports, about, { code: "FILE_POISON", message }, record.value);
}

async function publishDeadLetter(
  { log, clock }: { log: EventLog; clock: Clock },
  about: Pick<DeadLetter, "fileId" | "table" | "sourceFile" | "sourceOffset">,
  error: NonNullable<ParseSummary["error"]>,
  event: Buffer,
): Promise<void> {
  const value = deadLetters.encode({
    ...about,
    attempts: 1,
    atMs: clock.nowMs(),
    errorCode: error.code,
    errorMessage: error.message,
    event,
  });
  await log.publish(TOPICS.deadLetters.name, [{ key: keyOf(tableId(about.table)), value }]);
}
