import type { Clock } from "../../lib/clock.ts";
import { heldReasonsJson } from "../../lib/contract/held.ts";
import type { EventLog, NewRecord } from "../../lib/event-log/event-log.ts";
import { writtenFields } from "../../lib/formats/message-fields.ts";
import { readingJson, type Reading } from "../../lib/formats/reading.ts";
import { rowMessages } from "../../lib/messages/avro.ts";
import type { EndOfFile, FileEvent, RowMessage } from "../../lib/messages/generated.ts";
import { repetitionOf } from "../../lib/messages/repetition.ts";
import { rowsTopic } from "../../lib/messages/topics.ts";
import type { ParseOutput, ParseSummary } from "../../lib/parsing/parse-file.ts";
import { carrying } from "../../lib/process/tracing.ts";
import { keyOf, tableId } from "../../lib/tables.ts";
import type { Judged } from "./judge.ts";

/** The messages of a file in its table's rows topic. */

/** The rows or rejects of one output of the parse. */
export function bodyOf(output: Extract<ParseOutput, { kind: "rows" | "rejects" }>): RowMessage["body"] {
  if (output.kind === "rejects") return { "tributary.RejectBatch": { rejects: output.rejects } };
  const { rows, ...batch } = output.batch;
  return { "tributary.RowBatch": { ...batch, rows: Buffer.from(rows.buffer, rows.byteOffset, rows.length) } };
}

/** A file event with its offset. */
export interface ArrivedFile {
  event: FileEvent;
  sourceOffset: number;
  /** Trace context of the parse's span, passed on with everything published for the file. */
  traceparent: string | undefined;
}

/** What a row message says, beside the file and the run. */
export type RowContent = [
  more: Pick<Judged, "held"> & { reading?: Reading | undefined } & Pick<RowMessage, "rejectText" | "loadPlan">,
  body: RowMessage["body"],
];

export function rowRecord(
  file: ArrivedFile,
  { runId, held, reading, rejectText, loadPlan }: RowContent[0] & Pick<RowMessage, "runId">,
  body: RowContent[1],
): NewRecord {
  const { fileId, sourceFile, table, decision, operationJson = null } = file.event;
  const { sourceOffset } = file;
  const value = rowMessages.encode({
    ...{ fileId, sourceFile, sourceOffset, runId, body, operationJson },
    repeats: repetitionOf({ offset: sourceOffset, event: file.event }),
    heldReasonsJson: held ? heldReasonsJson(held) : null,
    verdict: decision?.verdict ?? "",
    rejectText: rejectText ?? null,
    loadPlan: loadPlan ?? null,
    dialectJson: readingJson(reading),
    settled: file.event.settled ?? false,
  });
  return { key: keyOf(tableId(table)), value, ...carrying(file.traceparent) };
}

/** Publishes them in this order, all or none. */
export async function publishRows(
  { log }: { log: EventLog },
  { event: { table } }: ArrivedFile,
  records: readonly (NewRecord | undefined)[],
): Promise<void> {
  await log.publish(
    rowsTopic(table).name,
    records.filter((record) => record !== undefined),
  );
}

/** The file's last message. */
export function endOfFile(
  { clock }: { clock: Clock },
  { event }: ArrivedFile,
  summary: ParseSummary,
  parseMs: number,
): { "tributary.EndOfFile": EndOfFile } {
  const { sizeBytes, contentHash, etag, receivedAtMs } = event;
  const { outcome, columns, rowsRead, rowsAccepted, rowsRejected, format, dialect, error } = summary;
  return {
    "tributary.EndOfFile": {
      outcome,
      columns,
      rowsRead,
      rowsAccepted,
      rowsRejected,
      sizeBytes,
      contentHash,
      etag,
      receivedAtMs,
      parsedAtMs: clock.nowMs(),
      parseMs,
      ...writtenFields(format, dialect),
      errorCode: error?.code ?? null,
      errorMessage: error?.message ?? null,
    },
  };
}
