import { isDeepStrictEqual } from "node:util";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { eventPartition } from "../../../lib/event-log/table-partition.ts";
import { fileEventIn } from "../../../lib/file-versions/events.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { requestFields, requestIn } from "../../../lib/formats/message-fields.ts";
import { fileEvents } from "../../../lib/messages/avro.ts";
import type { Decision, FileEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { keyOf, tableId } from "../../../lib/tables.ts";
import type { FileStatus } from "../http/schemas.ts";
import { rawKey } from "../../../lib/blob/raw-key.ts";

export interface DecisionDeps {
  log: EventLog;
  blob: Pick<BlobStore, "head">;
  clock: Pick<Clock, "nowMs">;
}

/** A held file and what somebody decided about it. */
export interface Decided {
  file: FileStatus;
  decision: Decision;
  /** Accept: read the file with these settings; the sender's own apply to the rest. */
  requested: FormatRequest;
}

/**
 * Publishes the decision about a held file: an event with the file's id, which repeats its version. The
 * committer applies the first decision about a file that is held, and no other. Returns the event and its
 * offset.
 * @throws BLOB_MISSING if the raw bytes are gone; LOG_UNAVAILABLE
 */
export async function publishDecision(
  { log, blob, clock }: DecisionDeps,
  { file, decision, requested }: Decided,
): Promise<{ event: FileEvent; offset: number }> {
  const accepts = decision.verdict === "accept";
  const held = (await heldEvent(log, file)) ?? eventOfStatus(file);
  if (accepts && !(await blob.head(held.blobKey))) {
    throw new TributaryError("BLOB_MISSING", `the raw bytes of '${file.sourceFile}' are no longer in the blob store`);
  }
  const event: FileEvent = {
    ...held,
    origin: "replay",
    replayOf: held.replayOf ?? held.fileId,
    receivedAtMs: clock.nowMs(),
    blobKey: accepts ? held.blobKey : "",
    versionOffset: file.sourceOffset!,
    baseOffset: file.sourceOffset!,
    newRows: true,
    ...(accepts ? requestFields(settingsOf(held, requested)) : {}),
    decision,
  };
  const record = { key: keyOf(tableId(event.table)), value: fileEvents.encode(event) };
  const [position] = await log.publish(TOPICS.fileEvents.name, [record]);
  return { event, offset: position!.offset };
}

/**
 * Whether the file was accepted with the same settings: a client that lost the answer asks again.
 * `decidedAt`: offset of the decision; undefined: it is looked for in the log, which may no longer have it.
 */
export async function repeatsAcceptance(
  log: EventLog,
  file: FileStatus,
  { requested, decidedAt }: { requested: FormatRequest; decidedAt: number | undefined },
): Promise<boolean> {
  const first = await firstDecision(log, file, decidedAt);
  if (first?.decision?.verdict !== "accept") return false;
  const held = (await heldEvent(log, file)) ?? eventOfStatus(file);
  return isDeepStrictEqual(requestIn(first), requestIn(requestFields(settingsOf(held, requested))));
}

async function firstDecision(
  log: EventLog,
  { fileId, table, sourceOffset }: FileStatus,
  decidedAt: number | undefined,
): Promise<FileEvent | undefined> {
  const { partition, earliest, next } = await eventPartition(log, table);
  const [from, to] = decidedAt === undefined ? [sourceOffset! + 1, next] : [decidedAt, decidedAt + 1];
  const [start, end] = [Math.max(from, earliest), Math.min(to, next)];
  if (end <= start) return undefined;
  for await (const { value } of log.read(TOPICS.fileEvents.name, partition, start, end)) {
    const event = fileEventIn(value);
    if (event?.fileId === fileId && event.decision) return event;
  }
  return undefined;
}

/** The sender's settings, as far as the decision does not say otherwise. */
const settingsOf = (held: FileEvent, requested: FormatRequest): FormatRequest =>
  requested.format === undefined ? { ...requestIn(held), ...requested } : requested;

/** The event that brought the file; undefined if the log no longer has it. */
async function heldEvent(log: EventLog, { fileId, table, sourceOffset }: FileStatus): Promise<FileEvent | undefined> {
  const { partition, earliest, next } = await eventPartition(log, table);
  const offset = sourceOffset!;
  if (offset < earliest || offset >= next) return undefined;
  for await (const { value } of log.read(TOPICS.fileEvents.name, partition, offset, offset + 1)) {
    const event = fileEvents.decode(value);
    if (event.fileId === fileId) return event;
  }
  return undefined;
}

/** The same from what is on record, without the sender's settings. */
const eventOfStatus = ({
  fileId,
  table,
  sourceFile,
  sizeBytes,
  contentHash,
  etag,
  receivedAt,
}: FileStatus): FileEvent => ({
  ...{ fileId, table, sourceFile, sizeBytes, contentHash, etag },
  ...{ kind: "put", origin: "upload", replayOf: null, versionOffset: null },
  blobKey: rawKey(contentHash),
  receivedAtMs: receivedAt === null ? 0 : Date.parse(receivedAt),
  ...requestFields({}),
});
