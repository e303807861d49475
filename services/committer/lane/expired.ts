import { randomUUID } from "node:crypto";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { eventPartition, parsedTo } from "../../../lib/event-log/table-partition.ts";
import { fileEvents, rowMessages } from "../../../lib/messages/avro.ts";
import type { FileEvent, RowMessage } from "../../../lib/messages/generated.ts";
import { repetitionOf } from "../../../lib/messages/repetition.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";

/**
 * Watches the offsets of one assignment. Records that expire during a lag leave a gap. The next assignment
 * then starts at the oldest remaining record and ends the files of the expired records.
 */
export class ExpiryCheck {
  readonly #log: EventLog;
  readonly #topic: string;
  #nextOffset: number | undefined;

  constructor(log: EventLog, topic: string) {
    this.#log = log;
    this.#topic = topic;
  }

  /**
   * @throws ROWS_MISSING if records between the last offset and this one have expired; LOG_RECREATED if
   *   offsets start again, so that the next assignment checks the file events, too; LOG_UNAVAILABLE
   */
  async check(offset: number): Promise<void> {
    const expected = this.#nextOffset ?? offset;
    this.#nextOffset = offset + 1;
    if (offset === expected) return;
    if (offset < expected) {
      throw new TributaryError(
        "LOG_RECREATED",
        `${this.#topic} was recreated: offset ${offset} follows ${expected - 1}`,
      );
    }
    const [rows] = await this.#log.offsets(this.#topic);
    if (rows && rows.earliest > expected)
      throw new TributaryError("ROWS_MISSING", `${this.#topic}: offsets ${expected} to ${offset - 1} expired`);
  }
}

/** What expired in a table's rows topic before its committer read it. */
export interface Expired {
  /** First offset that the topic still has. */
  keptFrom: number;
  /** How the files without any remaining record end, in order of their versions. */
  ends: RowMessage[];
}

/**
 * Checks whether the rows topic lost records that the group has not acked (because its retention is shorter
 * than the outage). A file that lost all its rows and its end-of-file leaves no visible gap, so its file
 * event is read: its offset is above the offset watermark, the parser has acked it, and the remaining rows
 * belong to later versions. Such a file ends as failed with ROWS_MISSING. A deletion needs no rows and ends
 * as a deletion.
 * @returns undefined if nothing expired
 * @throws LOG_UNAVAILABLE
 */
export async function expiredOf(
  log: EventLog,
  table: string,
  watermark: number | undefined,
  nowMs: number,
): Promise<Expired | undefined> {
  const topic = rowsTopic(table).name;
  const [rows] = await log.offsets(topic);
  const [acked] = await log.groupOffsets(GROUPS.committer, topic);
  if (!rows || (acked?.offset ?? 0) >= rows.earliest) return undefined;
  const keptVersion = await firstVersion(log, topic, rows.earliest, rows.next);
  const ends: RowMessage[] = [];
  for await (const { event, offset } of parsedEvents(log, table, (watermark ?? -1) + 1, keptVersion)) {
    const why = `its rows expired before they were committed: ${topic} begins at offset ${rows.earliest} now`;
    ends.push(endOf(event, offset, why, nowMs));
  }
  return { keptFrom: rows.earliest, ends };
}

/** Version of the first message that is left; Infinity if none is. */
async function firstVersion(log: EventLog, topic: string, from: number, to: number): Promise<number> {
  for await (const { value } of log.read(topic, 0, from, to)) {
    try {
      return rowMessages.decode(value).sourceOffset;
    } catch {
      // Not a row message: the next one says.
    }
  }
  return Infinity;
}

/** File events of the table from `from` up to `to` (not included) that the parser has done with. */
export async function* parsedEvents(
  log: EventLog,
  table: string,
  from: number,
  to: number,
): AsyncGenerator<{ event: FileEvent; offset: number }> {
  const { partition, earliest } = await eventPartition(log, table);
  const end = Math.min(to, await parsedTo(log, partition));
  const begin = Math.max(from, earliest);
  if (begin >= end) return;
  for await (const { key, offset, value } of log.read(TOPICS.fileEvents.name, partition, begin, end)) {
    if (key !== table || value.length === 0) continue;
    try {
      yield { event: fileEvents.decode(value), offset };
    } catch {
      // Not a file event: the parser kept it as a dead letter.
    }
  }
}

/** How a file ends whose rows are lost: as a failure, or, since deletions need no rows, as a deletion. */
export function endOf(event: FileEvent, sourceOffset: number, message: string, nowMs: number): RowMessage {
  const isDeletion = event.kind === "deleted";
  return {
    fileId: event.fileId,
    sourceFile: event.sourceFile,
    sourceOffset,
    runId: randomUUID(),
    repeats: repetitionOf({ offset: sourceOffset, event }),
    operationJson: event.operationJson ?? null,
    verdict: event.decision?.verdict ?? "",
    body: {
      "tributary.EndOfFile": {
        outcome: isDeletion ? "deleted" : "failed",
        columns: [],
        rowsRead: 0,
        rowsAccepted: 0,
        rowsRejected: 0,
        sizeBytes: event.sizeBytes,
        contentHash: event.contentHash,
        etag: event.etag,
        receivedAtMs: event.receivedAtMs,
        parsedAtMs: nowMs,
        parseMs: 0,
        delimiter: "",
        encoding: "",
        errorCode: isDeletion ? null : "ROWS_MISSING",
        errorMessage: isDeletion ? null : message,
      },
    },
  };
}
