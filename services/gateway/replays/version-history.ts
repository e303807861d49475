import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { requestFields } from "../../../lib/formats/message-fields.ts";
import { checkRequest } from "../../../lib/formats/registry.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { FileEvent } from "../../../lib/messages/generated.ts";
import type { WriteMode } from "../../../lib/warehouse/warehouse.ts";
import { rawKey } from "../ingest/raw-key.ts";
import type { Ledger, RecordedVersion } from "../files/ledger.ts";
import { versionEvents, type VersionEvent } from "./replay.ts";

export interface VersionHistoryDeps {
  log: EventLog;
  blob: BlobStore;
  ledger: Pick<Ledger, "versions">;
}

const LOOKUPS_AT_ONCE = 32;

/**
 * Every version of a table's files, oldest first: as the log has them, and older ones, which it no longer holds, as `_ingest_files` and the
 * raw bytes have them. Of those the sender's dialect is known by its delimiter and encoding only; the table's usual one says the rest.
 */
export async function versionHistory(
  { log, ledger }: VersionHistoryDeps,
  table: string,
  mode: WriteMode,
): Promise<VersionEvent[]> {
  const inLog = await versionEvents(log, table);
  const known = new Set(inLog.map(({ event }) => event.fileId));
  const forgotten = (await ledger.versions(table, mode)).filter(({ fileId }) => !known.has(fileId));
  return [...withoutRepetitions(forgotten).map((version) => rebuilt(table, version)), ...inLog];
}

/** The same bytes once more are a repetition, whoever asked for it: the record does not tell a replay from another upload. */
function withoutRepetitions(versions: readonly RecordedVersion[]): RecordedVersion[] {
  const newest = new Map<string, string>();
  return versions.filter(({ sourceFile, contentHash }) => {
    const isSame = newest.get(sourceFile) === contentHash;
    newest.set(sourceFile, contentHash);
    return !isSame;
  });
}

function rebuilt(table: string, version: RecordedVersion): VersionEvent {
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
    versionOffset: null,
  };
  return { offset: sourceOffset, event };
}

/** Those whose raw bytes are there, and those whose are not. */
export async function withRawBytes(
  { blob }: Pick<VersionHistoryDeps, "blob">,
  chosen: readonly VersionEvent[],
): Promise<{ there: VersionEvent[]; missing: VersionEvent[] }> {
  const [there, missing]: [VersionEvent[], VersionEvent[]] = [[], []];
  for (let start = 0; start < chosen.length; start += LOOKUPS_AT_ONCE) {
    const some = chosen.slice(start, start + LOOKUPS_AT_ONCE);
    const infos = await Promise.all(
      some.map(({ event }) => (event.kind === "deleted" ? Promise.resolve(true) : blob.head(event.blobKey))),
    );
    some.forEach((item, n) => (infos[n] ? there : missing).push(item));
  }
  return { there, missing };
}
