import type { BlobStore } from "../blob/blob-store.ts";
import { HashedBytes } from "../blob/hashed-bytes.ts";
import type { ColumnDefinition } from "../columns.ts";
import type { Contract } from "../contract/contract.ts";
import { hasCode, TributaryError } from "../errors.ts";
import type { PinnedFormat } from "../formats/format.ts";
import { requestIn } from "../formats/message-fields.ts";
import { versionOf, type VersionEvent } from "../messages/repetition.ts";
import type { ParseLimits } from "../parsing/limits.ts";
import type { Observed, ParseJob, ParseOutput, ParseSummary } from "../parsing/parse-file.ts";
import { WorkerCrash, type WorkerPool } from "../parsing/workers/worker-pool.ts";

/** What reading a table's files again needs. */
export interface ReadingDeps {
  blob: Pick<BlobStore, "get" | "head">;
  pool: Pick<WorkerPool, "parse">;
  limits: ParseLimits;
}

/** How the files of a table are read. */
export interface Reading {
  contract: Contract;
  known: readonly ColumnDefinition[];
  pinned: PinnedFormat | undefined;
  signal: AbortSignal;
  /** Told what the present reading of a version has read so far. */
  onRead?: ((read: Amount) => void) | undefined;
}

/** What was read: bytes as they are stored, and rows, rejected ones included. */
export interface Amount {
  bytes: number;
  rows: number;
}

/** A reading that ended early because its signal aborted. */
export class ReadingStopped extends Error {}

function jobOf({ limits }: ReadingDeps, { contract, known, pinned }: Reading, item: VersionEvent): ParseJob {
  const { sourceFile, sizeBytes, receivedAtMs } = item.event;
  return {
    fileName: sourceFile,
    contract,
    requested: requestIn(item.event),
    known: [...known],
    ...(pinned ? { pinned } : {}),
    origin: { sourceFile, sourceOffset: versionOf(item), receivedAtMs },
    storedBytes: sizeBytes,
    limits,
  };
}

/**
 * Finds the types of all columns of a version, without its rows.
 * @throws REBUILD_REFUSED naming the file, for a file that cannot be read; errors of the blob store
 */
export async function observeVersion(deps: ReadingDeps, reading: Reading, item: VersionEvent): Promise<Observed> {
  const last = await lastOutput(deps, item, { ...jobOf(deps, reading, item), observe: true }, reading);
  if (last.kind === "retype" && last.observed) return last.observed;
  throw refused(item, last.kind === "end" ? last.summary.error : undefined);
}

/** Where the rows and rejects of one reading go. A reading that is repeated begins with a new one. */
export type Take = (output: Extract<ParseOutput, { kind: "rows" | "rejects" }>) => Promise<void>;

/**
 * Reads a version into what `begin` opens.
 * @throws as `observeVersion`
 */
export async function readVersion(
  deps: ReadingDeps,
  reading: Reading,
  item: VersionEvent,
  begin: () => Promise<Take>,
): Promise<ParseSummary> {
  let job = jobOf(deps, reading, item);
  for (;;) {
    const last = await lastOutput(deps, item, job, { ...reading, take: await begin() });
    if (last.kind === "end" && last.summary.outcome === "complete") return last.summary;
    if (last.kind !== "retype") throw refused(item, last.kind === "end" ? last.summary.error : undefined);
    job = { ...job, inferred: last.types, ...(last.fields ? { fields: last.fields } : {}) };
  }
}

async function lastOutput(
  { blob, pool }: ReadingDeps,
  item: VersionEvent,
  job: ParseJob,
  { signal, onRead, take }: Pick<Reading, "signal" | "onRead"> & { take?: Take },
): Promise<ParseOutput> {
  const { blobKey, contentHash } = item.event;
  try {
    const { body } = await blob.get(blobKey, { signal });
    try {
      const amount: Amount = { bytes: 0, rows: 0 };
      const read = new HashedBytes(counted(body, amount, onRead));
      for await (const output of pool.parse(job, read, signal)) {
        if (output.kind === "rows" || output.kind === "rejects") {
          await take?.(output);
          amount.rows += output.kind === "rows" ? output.batch.rowCount : output.rejects.length;
          onRead?.(amount);
          continue;
        }
        if (read.sha256 !== undefined && read.sha256 !== contentHash) {
          throw refused(item, {
            code: "BLOB_DAMAGED",
            message: `'${blobKey}' holds other bytes than those that arrived`,
          });
        }
        return output;
      }
    } finally {
      body.destroy();
    }
  } catch (thrown) {
    if (signal.aborted) throw new ReadingStopped();
    if (hasCode(thrown, "BLOB_NOT_FOUND"))
      throw refused(item, { code: "BLOB_MISSING", message: "its raw bytes are gone" });
    if (thrown instanceof WorkerCrash) throw refused(item, { code: "FILE_POISON", message: thrown.message });
    throw thrown;
  }
  throw new ReadingStopped();
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  amount: Amount,
  onRead: Reading["onRead"],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    amount.bytes += chunk.length;
    onRead?.(amount);
    yield chunk;
  }
}

function refused({ event }: VersionEvent, error: { code: string; message: string } | undefined): TributaryError {
  const why = error ? `${error.code}: ${error.message}` : "it cannot be read";
  return new TributaryError("REBUILD_REFUSED", `file '${event.sourceFile}', ${why}`);
}
