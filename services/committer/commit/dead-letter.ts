import type { Clock } from "../../../lib/clock.ts";
import { keyOf, tableId } from "../../../lib/tables.ts";
import type { CommitterMetrics } from "../metrics.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { eventPartition } from "../../../lib/event-log/table-partition.ts";
import { deadLetters, fileEvents } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { WriterContext } from "./writer.ts";
import { needsDeadLetter, type Failure } from "./outcome.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";

/** Publishes files that failed here, not in their parser, as dead letters, for replays. */
export async function publishDeadLetters(
  { contract: { table }, persist }: Pick<WriterContext, "contract" | "persist">,
  { log, clock, metrics }: { log: EventLog; clock: Clock; metrics: CommitterMetrics },
  failures: ReadonlyMap<EndedFile, Failure>,
): Promise<void> {
  for (const [file, failure] of failures) {
    if (!needsDeadLetter(file, failure)) continue;
    await persist("publish", async () => {
      const value = await deadLetterOf(log, { table, file, failure, atMs: clock.nowMs() });
      await log.publish(TOPICS.deadLetters.name, [{ key: keyOf(tableId(table)), value }]);
    });
    metrics.throughput.sent("dead_letter");
  }
}

/**
 * The encoded dead letter of a file that failed to commit. `event` is empty if the log no longer keeps the
 * file event, or cannot read it now.
 */
async function deadLetterOf(
  log: EventLog,
  { table, file, failure, atMs }: { table: string; file: EndedFile; failure: Failure; atMs: number },
): Promise<Buffer> {
  const { fileId, sourceFile, sourceOffset } = file;
  // Without the event the letter still says what failed; the raw bytes and the ledger allow a replay.
  const event = await findFileEvent(log, table, fileId, sourceOffset).catch(() => undefined);
  const { code: errorCode, message: errorMessage } = failure;
  return deadLetters.encode({
    fileId,
    table,
    sourceFile,
    sourceOffset,
    attempts: 1,
    atMs,
    errorCode,
    errorMessage,
    event: event ?? Buffer.alloc(0),
  });
}

/** Row messages carry the offset of the file event; its partition follows from the table. */
async function findFileEvent(
  log: EventLog,
  table: string,
  fileId: string,
  offset: number,
): Promise<Buffer | undefined> {
  const { partition } = await eventPartition(log, table);
  for await (const { value } of log.read(TOPICS.fileEvents.name, partition, offset, offset + 1)) {
    if (value.length > 0 && fileEvents.decode(value).fileId === fileId) return value;
  }
  return undefined;
}
