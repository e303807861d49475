import type { BlobStore } from "../blob/blob-store.ts";
import { requestFields } from "../formats/message-fields.ts";
import { checkRequest } from "../formats/registry.ts";
import type { EventLog } from "../event-log/event-log.ts";
import type { FileEvent } from "../messages/generated.ts";
import { operationJsonOf, removesTable, undoneBefore } from "../messages/operation.ts";
import { isOperation, versionOf, type VersionEvent } from "../messages/repetition.ts";
import type { WriteMode } from "../warehouse/warehouse.ts";
import { rawKey } from "../blob/raw-key.ts";
import { versionEvents } from "./events.ts";
import { isShown, type RecordedVersion, type VersionLedger } from "./ledger.ts";

export interface VersionHistoryDeps {
  log: EventLog;
  blob: BlobStore;
  ledger: VersionLedger;
}

const CONCURRENT_LOOKUPS_MAX = 32;

/** Every version of a table's files that is not undone, oldest first. See `everyVersion`. */
export async function versionHistory(
  deps: VersionHistoryDeps,
  table: string,
  mode: WriteMode,
): Promise<VersionEvent[]> {
  return withoutUndone(await everyVersion(deps, table, mode));
}

/**
 * Leaves out the operations among the versions, and the versions that they undo. A correction belongs to the
 * version that it corrects.
 */
export function withoutUndone(versions: readonly VersionEvent[]): VersionEvent[] {
  const undoneAt = new Map<string, number>();
  for (const item of versions) {
    const { sourceFile } = item.event;
    const before = undoneBefore(item) ?? -1;
    if (before > (undoneAt.get(sourceFile) ?? -1)) undoneAt.set(sourceFile, before);
  }
  return versions.filter((item) => {
    return !isOperation(item) && versionOf(item) > (undoneAt.get(item.event.sourceFile) ?? -1);
  });
}

/**
 * Every version of a table's files since it was dropped last, oldest first, with the operations between them
 * in their places: from the log, and versions that the log no longer holds
 * from `_ingest_files` and the raw bytes. Versions that were set aside are left out: held and refused
 * ones, and corrections that were not applied; and versions that a newer one of their file replaced, if the
 * table no longer replaces versions. Of the sender's dialect, `_ingest_files` records only
 * delimiter and encoding; the rest comes from the table's pinned dialect.
 */
export async function everyVersion(
  { log, ledger }: VersionHistoryDeps,
  table: string,
  mode: WriteMode,
): Promise<VersionEvent[]> {
  const inLog = await versionEvents(log, table);
  const setAside = await ledger.setAside(table);
  const droppedAt = inLog.findLast(({ event }) => removesTable(event) && !setAside.has(event.fileId))?.offset ?? -1;
  const all = inLog.filter(({ offset }) => offset > droppedAt);
  const applied = all.filter(({ event }) => !setAside.has(event.fileId));
  const known = new Set(all.map(({ event }) => event.fileId));
  const recorded = await ledger.versions(table, mode);
  const expired = recorded.filter(
    ({ fileId, sourceOffset, operation }) =>
      !known.has(fileId) && !setAside.has(fileId) && sourceOffset > droppedAt && operation !== "drop",
  );
  const versions = [...withoutRepetitions(expired).map((version) => rebuildEvent(table, version)), ...applied];
  if (mode === "replace") return versions;
  const replacedBefore = replacements(recorded);
  return versions.filter(
    (item) => isOperation(item) || versionOf(item) >= (replacedBefore.get(item.event.sourceFile) ?? 0),
  );
}

/** For each file the newest version that replaced the ones before it. */
function replacements(recorded: readonly RecordedVersion[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const one of recorded) {
    if (one.isFailed || one.writeMode !== "replace" || !isShown(one)) continue;
    const { sourceFile } = one;
    const version = one.versionOffset ?? one.sourceOffset;
    if (version > (newest.get(sourceFile) ?? -1)) newest.set(sourceFile, version);
  }
  return newest;
}

/**
 * Drops repetitions. Records of earlier releases do not distinguish replays from uploads: versions with the
 * bytes of the previous one.
 */
function withoutRepetitions(versions: readonly RecordedVersion[]): RecordedVersion[] {
  const newest = new Map<string, string>();
  return versions.filter(({ sourceFile, contentHash, sourceOffset, contentOffset, isSuperseded }) => {
    if (isSuperseded || (contentOffset ?? sourceOffset) !== sourceOffset) return false;
    const isSame = newest.get(sourceFile) === contentHash;
    newest.set(sourceFile, contentHash);
    return !isSame;
  });
}

function rebuildEvent(table: string, version: RecordedVersion): VersionEvent {
  const { fileId, sourceFile, sourceOffset, sizeBytes, contentHash, etag, receivedAtMs } = version;
  const isDeletion = contentHash === "";
  const { delimiter, encoding } = version;
  // Files of other formats than CSV have no delimiter on record: their format is detected again.
  const dialect = checkRequest(delimiter === "" ? { encoding } : { delimiter, encoding });
  const event: FileEvent = {
    ...{ fileId, table, sourceFile, origin: "upload", sizeBytes, contentHash, etag, receivedAtMs },
    kind: isDeletion ? "deleted" : "put",
    blobKey: isDeletion ? "" : rawKey(contentHash),
    ...requestFields(dialect.success && !isDeletion ? dialect.data : {}),
    replayOf: null,
    // A correction keeps the version that it corrects.
    versionOffset: version.versionOffset === sourceOffset ? null : version.versionOffset,
    ...(version.operation === "undo" ? { operationJson: UNDONE } : {}),
  };
  return { offset: sourceOffset, event };
}

/** Of an undo that the log no longer holds only its place counts. */
const UNDONE = operationJsonOf({ kind: "undo", step: "remove", reason: "", requestedBy: "" });

/** Splits versions by whether the blob store still has their raw bytes. */
export async function withRawBytes(
  { blob }: Pick<VersionHistoryDeps, "blob">,
  chosen: readonly VersionEvent[],
): Promise<{ present: VersionEvent[]; missing: VersionEvent[] }> {
  const [present, missing]: [VersionEvent[], VersionEvent[]] = [[], []];
  for (let start = 0; start < chosen.length; start += CONCURRENT_LOOKUPS_MAX) {
    const chunk = chosen.slice(start, start + CONCURRENT_LOOKUPS_MAX);
    const infos = await Promise.all(
      chunk.map(({ event }) => (event.kind === "deleted" ? Promise.resolve(true) : blob.head(event.blobKey))),
    );
    chunk.forEach((item, n) => (infos[n] ? present : missing).push(item));
  }
  return { present, missing };
}
