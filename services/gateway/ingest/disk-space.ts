import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";

/**
 * Refuses a file for which the blob store or the event log has no room. A size of 0 asks whether any file has
 * room. Stores that do not know their free space (S3, Kafka) refuse files themselves.
 * @throws DISK_FULL
 */
export async function assertDiskSpace(
  { blob, log }: { blob: BlobStore; log: EventLog },
  freeBytesMin: number,
  sizeBytes = 0,
): Promise<void> {
  const [space, logFreeBytes] = await Promise.all([blob.space(), log.freeBytes()]);
  refuseBelow(freeBytesMin + sizeBytes, "the blob store", space?.freeBytes);
  // The rows of a file take about as much space as its text, or more if it is compressed.
  refuseBelow(freeBytesMin + sizeBytes, "the event log", logFreeBytes);
}

function refuseBelow(neededBytes: number, place: string, freeBytes: number | undefined): void {
  if (freeBytes === undefined || freeBytes >= neededBytes) return;
  const what = `${place} has ${freeBytes} bytes free and needs ${neededBytes}`;
  throw new TributaryError("DISK_FULL", `${what}; TRIBUTARY_DISK_FREE_MIN of them must stay free`);
}
