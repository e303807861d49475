import { pipeline, Readable, type Transform } from "node:stream";
import zlib from "node:zlib";
import { messageOf, TributaryError } from "../errors.ts";
import { unzstd } from "./zstd.ts";

export type Compression = "none" | "gzip" | "zstd";

/** Decided by the first bytes: a file name proves nothing, because HTTP clients decompress in transit. */
export function compressionOf(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return "zstd";
  return "none";
}

/** True if the file name has the extension of a compressed file. */
export const namedCompressed = (fileName: string): boolean => /\.(gz|gzip|zst|zstd)$/i.test(fileName);

/** How far a compressed file may expand. */
export interface ExpansionLimits {
  /** Bytes that a compressed file may expand to. Beyond: FILE_EXPANDS_TOO_FAR. */
  expandedBytesMax: number;
  /** Expanded bytes per stored byte, checked beyond the first 100 MB. Beyond: FILE_EXPANDS_TOO_FAR. */
  expansionRatioMax: number;
}

/** Below this size a high ratio only means that the file is repetitive. */
const RATIO_FREE_BYTES = 100_000_000;

/**
 * The decompressed bytes of a file, in chunks; an uncompressed file passes through unchanged. gzip files may
 * have several members, zstd files several frames.
 * @throws FILE_CORRUPT for damaged or truncated data, FILE_EXPANDS_TOO_FAR beyond the limits; what the source
 * throws
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  limits: ExpansionLimits,
): AsyncGenerator<Uint8Array> {
  let stored = 0;
  let expanded = 0;
  const { compression, bytes } = await sniff(source);
  const counted = async function* () {
    for await (const chunk of bytes) {
      stored += chunk.length;
      yield chunk;
    }
  };
  for await (const chunk of unpack(counted(), compression)) {
    expanded += chunk.length;
    const ratio = compression === "none" ? 1 : expanded / stored;
    if (expanded > limits.expandedBytesMax || (expanded > RATIO_FREE_BYTES && ratio > limits.expansionRatioMax)) {
      throw new TributaryError(
        "FILE_EXPANDS_TOO_FAR",
        `the file expands to more than ${Math.min(expanded, limits.expandedBytesMax)} bytes from ${stored} ` +
          `(limits: ${limits.expandedBytesMax} bytes, TRIBUTARY_EXPANDED_BYTES_MAX; ` +
          `${limits.expansionRatioMax} times its size)`,
      );
    }
    yield chunk;
  }
}

/** Reads ahead four bytes to find the compression; `bytes` still yields the whole source. */
async function sniff(
  source: AsyncIterable<Uint8Array>,
): Promise<{ compression: Compression; bytes: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = Buffer.alloc(0);
  let done = false;
  while (head.length < 4 && !done) {
    const next = await iterator.next();
    if (next.done) done = true;
    else head = Buffer.concat([head, next.value]);
  }
  const bytes = async function* () {
    try {
      yield head;
      while (!done) {
        const next = await iterator.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  return { compression: compressionOf(head), bytes: bytes() };
}

function unpack(bytes: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
  if (compression === "none") return bytes;
  if (compression === "gzip") return through(bytes, zlib.createGunzip({ chunkSize: 256 * 1024 }));
  return unzstdOrCorrupt(bytes);
}

async function* through(bytes: AsyncIterable<Uint8Array>, unpacker: Transform): AsyncGenerator<Uint8Array> {
  // pipeline requires a callback. A failure destroys `unpacker`, so the loop below throws it.
  pipeline(Readable.from(bytes, { objectMode: true, highWaterMark: 1 }), unpacker, () => undefined);
  try {
    for await (const chunk of unpacker) yield chunk as Buffer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    throw code.startsWith("Z") || code.startsWith("ERR_ZLIB") ? corrupt(error) : error;
  }
}

async function* unzstdOrCorrupt(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let failing = false;
  const source = async function* () {
    try {
      yield* bytes;
    } catch (error) {
      failing = true;
      throw error;
    }
  };
  try {
    yield* unzstd(source());
  } catch (error) {
    throw failing || error instanceof TributaryError ? error : corrupt(error);
  }
}

const corrupt = (cause: unknown): TributaryError =>
  new TributaryError("FILE_CORRUPT", `the compressed data is damaged: ${messageOf(cause)}`, { cause });
