import { randomUUID } from "node:crypto";
import type { ColumnDefinition } from "../../../lib/columns.ts";
import { hasCode } from "../../../lib/errors.ts";
import { eventPartition } from "../../../lib/event-log/table-partition.ts";
import { writtenFields } from "../../../lib/formats/message-fields.ts";
import { fileEvents } from "../../../lib/messages/avro.ts";
import type { VersionEvent } from "../../../lib/messages/repetition.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { readVersion } from "../../../lib/rebuild/read.ts";
import type { Stage } from "../../../lib/warehouse/warehouse.ts";
import { anyError, assertNoneSkipped, type CommittingWriter } from "../commit/writer.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { takeInto } from "./stage-part.ts";

/**
 * Reads a file again that was parsed for other columns than the table has now: it was on its way while the
 * table was rebuilt. Its rows and its end are replaced.
 * @returns false if it cannot be read; the file is as before
 */
export async function readAgain(
  writer: CommittingWriter,
  file: EndedFile,
  columns: readonly ColumnDefinition[],
): Promise<boolean> {
  const { contract, warehouse, signal, rebuilding } = writer;
  const pinned = rebuilding.schemas.known(contract.table)?.pinned;
  const stages: Stage[] = [];
  const begin = async () => {
    await discardAll(stages);
    stages.push(warehouse.stage(contract.table, randomUUID()));
    return takeInto(stages.at(-1)!, stages.at(-1)!);
  };
  const attempt = async () => {
    assertNoneSkipped(writer, [file]);
    const item = await versionAt(rebuilding, contract.table, file);
    return item && readVersion(rebuilding, { contract, known: columns, pinned, signal }, item, begin);
  };
  // A full disk, for one, passes: only an unreadable file and a lost table end it.
  const retryable = (thrown: unknown): boolean =>
    anyError(thrown) && !hasCode(thrown, "REBUILD_REFUSED") && !hasCode(thrown, "ASSIGNMENT_LOST");
  try {
    const summary = await writer.persist("read again", attempt, { retryable, fileIds: [file.fileId] });
    if (!summary) return false;
    const { rowsRead, rowsAccepted, rowsRejected, format, dialect } = summary;
    const written = writtenFields(format, dialect);
    const end = { ...file.end, columns: summary.columns, rowsRead, rowsAccepted, rowsRejected, ...written };
    await file.stage.discard();
    Object.assign(file, { end, stage: stages.at(-1)! });
    return true;
  } catch (thrown) {
    await discardAll(stages);
    if (hasCode(thrown, "REBUILD_REFUSED")) return false;
    throw thrown;
  }
}

async function discardAll(stages: Stage[]): Promise<void> {
  await Promise.all(stages.splice(0).map((stage) => stage.discard()));
}

/** The file's event; undefined: the log no longer holds it. */
async function versionAt(
  { log }: CommittingWriter["rebuilding"],
  table: string,
  { sourceOffset }: EndedFile,
): Promise<VersionEvent | undefined> {
  const { partition, earliest } = await eventPartition(log, table);
  if (sourceOffset < earliest) return undefined;
  const topic = TOPICS.fileEvents.name;
  for await (const { offset, value } of log.read(topic, partition, sourceOffset, sourceOffset + 1)) {
    if (offset === sourceOffset && value.length > 0) return { offset, event: fileEvents.decode(value) };
  }
  return undefined;
}
