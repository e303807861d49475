import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { checkRequest } from "../../../lib/formats/registry.ts";
import type { ParseLimits } from "../../../lib/parsing/limits.ts";
import { readLines } from "../../../lib/text/lines.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { rawKey } from "../../../lib/blob/raw-key.ts";
import type { RejectedRow, RejectLedger } from "./ledger.ts";

/** Files read for one response; rejects of further files have no context. */
const FILES_MAX = 10;
const LINE_BYTES_MAX = 1_000;

/** Adds to each reject the lines of the raw file around it: `around` before and after. */
export async function withContext(
  deps: { blob: BlobStore; ledger: Pick<RejectLedger, "version">; limits: ParseLimits },
  rejects: readonly RejectedRow[],
  around: number,
): Promise<RejectedRow[]> {
  const fileIds = [...new Set(rejects.map(({ fileId }) => fileId))];
  const read = new Map<string, Awaited<ReturnType<typeof readLines>> | null>();
  for (const fileId of fileIds.slice(0, FILES_MAX)) {
    const lines = rejects.filter((one) => one.fileId === fileId).flatMap(({ line }) => linesOf(line, around));
    read.set(fileId, await linesAround(deps, fileId, new Set(lines)));
  }
  return rejects.map((reject) => {
    const found = read.get(reject.fileId);
    if (!found) return { ...reject, context: null };
    const lines = linesOf(reject.line, around).flatMap((line) => found.found.get(line) ?? []);
    return { ...reject, context: { header: found.first?.text ?? null, lines } };
  });
}

const linesOf = (line: number, around: number): number[] =>
  Array.from({ length: 2 * around + 1 }, (_, at) => line - around + at).filter((one) => one >= 1);

/** Null if the raw file is no longer stored or is not text. */
async function linesAround(
  { blob, ledger, limits }: Parameters<typeof withContext>[0],
  fileId: string,
  lines: ReadonlySet<number>,
): Promise<Awaited<ReturnType<typeof readLines>> | null> {
  const version = await ledger.version(fileId);
  if (!version) return null;
  const recorded = checkRequest({ encoding: version.encoding });
  const encoding = recorded.success ? recorded.data.encoding : undefined;
  const options = { fileName: version.sourceFile, encoding, pinned: undefined, limits };
  try {
    const { body } = await blob.get(rawKey(version.contentHash));
    try {
      return await readLines(body, options, { lines, lineBytesMax: LINE_BYTES_MAX });
    } finally {
      body.destroy();
    }
  } catch (error) {
    if (error instanceof TributaryError && !error.retryable) return null;
    throw error;
  }
}
