import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { requestFields } from "../../../lib/formats/message-fields.ts";
import { checkRequest } from "../../../lib/formats/registry.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { FileEvent } from "../../../lib/messages/generated.ts";
import { isCorrection, type VersionEvent } from "../../../lib/messages/repetition.ts";
import type { WriteMode } from "../../../lib/warehouse/warehouse.ts";
import { rawKey } from "../ingest/raw-key.ts";
import type { Ledger, RecordedVersion } from "../files/ledger.ts";
import { versionEvents } from "./replay.ts";

export interface VersionHistoryDeps {
  log: EventLog;
  blob: BlobStore;
  ledger: Pick<Ledger, "versions" | "superseded">;
}

const CONCURRENT_LOOKUPS_MAX = 32;

/**
 * Every version of a table's files, oldest first: from the log, and versions that the log no longer holds
 * from `_ingest_files` and the raw bytes. Corrections that were not applied are left out: the table has the
 * rows of another one. Of the sender's dialect, `_ingest_files` records only delimiter and
 * encoding; the rest comes from the table's pinned dialect.
 */
export async function versionHistory(
  { log, ledger }: VersionHistoryDeps,
  table: string,
  mode: WriteMode,
): Promise<VersionEvent[]> {
  const all = await versionEvents(log, table);
  const superseded = all.some(isCorrection) ? await ledger.superseded(table) : new Set<string>();
  const inLog = all.filter((item) => !isCorrection(item) || !superseded.has(item.event.fileId));
  const known = new Set(all.map(({ event }) => event.fileId));
  const expired = (await ledger.versions(table, mode)).filter(({ fileId }) => !known.has(fileId));
  return [...withoutRepetitions(expired).map((version) => rebuildEvent(table, version)), ...inLog];
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
  };
  return { offset: sourceOffset, event };
}

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
