import { pipeline, Readable, type Transform } from "node:stream";
import zlib from "node:zlib";
import { Decompress } from "fzstd";
import { messageOf, TributaryError } from "../errors.ts";
import type { CsvLimits } from "./limits.ts";

export type Compression = "none" | "gzip" | "zstd";

/** By the first bytes; a file name alone proves nothing, since HTTP clients unpack on the way. */
export function compressionOf(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return "zstd";
  return "none";
}

/** True if the name promises compressed content. */
export const namedCompressed = (fileName: string): boolean => /\.(gz|gzip|zst|zstd)$/i.test(fileName);

type Limits = Pick<CsvLimits, "expandedBytesMax" | "expansionRatioMax">;

/** Below so many bytes of text a high ratio means only that the file is regular. */
const RATIO_FREE_BYTES = 100_000_000;

/**
 * The unpacked bytes of a file, in pieces; a plain file passes through. gzip files may have several members, zstd files several frames.
 * @throws FILE_CORRUPT for damaged or truncated data, FILE_EXPANDS_TOO_FAR beyond the limits; errors of the source pass through.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>, limits: Limits): AsyncGenerator<Uint8Array> {
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
        `the file unpacks to more than ${Math.min(expanded, limits.expandedBytesMax)} bytes from ${stored} ` +
          `(limits: ${limits.expandedBytesMax} bytes, ${limits.expansionRatioMax} times its size)`,
      );
    }
    yield chunk;
  }
}

/** Looks at the first four bytes and gives everything back. */
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
  const native = nativeZstd();
  return native ? through(bytes, native) : unzstd(bytes);
}

/** Node 22.15 and later bring zstd along. */
function nativeZstd(): Transform | undefined {
  const { createZstdDecompress } = zlib as unknown as { createZstdDecompress?: (options: object) => Transform };
  return createZstdDecompress?.({ chunkSize: 256 * 1024 });
}

async function* through(bytes: AsyncIterable<Uint8Array>, unpacker: Transform): AsyncGenerator<Uint8Array> {
  // The callback is there because pipeline wants one: whatever fails destroys `unpacker`, and the loop below throws it.
  pipeline(Readable.from(bytes, { objectMode: true, highWaterMark: 1 }), unpacker, () => undefined);
  try {
    for await (const chunk of unpacker) yield chunk as Buffer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    throw code.startsWith("Z") || code.startsWith("ERR_ZLIB") ? corrupt(error) : error;
  }
}

/** Compressed bytes unpacked at a time: a few bytes may stand for 128 KiB. */
const ZSTD_SLICE_BYTES = 2048;
/** What the zstd tool, too, refuses to allot unasked. */
const ZSTD_WINDOW_BYTES_MAX = 128 * 1024 * 1024;

async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = [];
  const unpacker = new Decompress((chunk) => {
    if (chunk.length > 0) out.push(chunk);
  });
  const feed = (slice: Uint8Array, last: boolean): void => {
    try {
      unpacker.push(slice, last);
    } catch (error) {
      throw corrupt(error);
    }
  };
  let first = true;
  for await (const chunk of bytes) {
    if (first) checkZstdWindow(chunk);
    first = false;
    for (let at = 0; at < chunk.length; at += ZSTD_SLICE_BYTES) {
      feed(chunk.subarray(at, at + ZSTD_SLICE_BYTES), false);
      yield* out.splice(0);
    }
  }
  feed(new Uint8Array(0), true);
  yield* out.splice(0);
}

/** Refuses a frame whose header asks for an absurd amount of memory. */
function checkZstdWindow(frame: Uint8Array): void {
  const descriptor = frame[4] ?? 0;
  const singleSegment = (descriptor & 0x20) !== 0;
  if (singleSegment) return;
  const window = frame[5] ?? 0;
  const base = 2 ** (10 + (window >> 3));
  if (base + (base / 8) * (window & 7) > ZSTD_WINDOW_BYTES_MAX) {
    throw new TributaryError("FILE_EXPANDS_TOO_FAR", "the zstd frame asks for a window of more than 128 MiB");
  }
}

const corrupt = (cause: unknown): TributaryError =>
  new TributaryError("FILE_CORRUPT", `the compressed data is damaged: ${messageOf(cause)}`, { cause });
