import { open } from "node:fs/promises";
import { compressionOf } from "../../lib/text/decompress.ts";
import { markedEncoding, wideEncoding } from "../../lib/text/decoding/marks.ts";
import { looksBinary, looksForeign, MARKUP_SAMPLE_BYTES, remedyFor } from "../../lib/text/unsupported-formats.ts";
import { UsageError } from "../output.ts";

/**
 * Refuses what the gateway could not load, before any byte is sent: URLs, and files that are recognised as
 * another format. The parser decides about all others.
 * @throws UsageError
 */
export async function refuseForeign(file: string): Promise<void> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(file)) {
    const command = `curl -fsSL '${file}' | tributary upload <table> - --name <name>.csv`;
    throw new UsageError(
      `'${file}' is a URL, and files are read from this machine: download it first, or pipe it: ${command}`,
    );
  }
  if (file === "-") return;
  const found = foreignIn(await beginningOf(file));
  if (found === undefined) return;
  throw new UsageError(`'${file}' looks like ${found}: ${remedyFor(found)}`);
}

function foreignIn(head: Buffer): string | undefined {
  // Compressed CSV files are welcome, and what they hold is not known yet.
  if (head.length === 0 || compressionOf(head) !== "none") return undefined;
  try {
    if (markedEncoding(head)?.startsWith("utf-16") || wideEncoding(head)) return undefined;
  } catch {
    return undefined;
  }
  const found = looksBinary(head) ?? looksForeign(head.toString("utf8"));
  // The parser decides about "binary data" by a longer beginning.
  return found === "binary data" ? undefined : found;
}

/** The first bytes of a regular file; none of a pipe, which could be read only once. */
async function beginningOf(file: string): Promise<Buffer> {
  await using handle = await open(file, "r");
  if (!(await handle.stat()).isFile()) return Buffer.alloc(0);
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(MARKUP_SAMPLE_BYTES), 0, MARKUP_SAMPLE_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}
