import { TributaryError } from "../errors.ts";
import { decompress, namedCompressed, type ExpansionLimits } from "./decompress.ts";
import { TextDecoding } from "./decoding/text-decoding.ts";
import type { Encoding, FoundEncoding } from "./encoding.ts";
import { looksBinary, remedyFor } from "./unsupported-formats.ts";

/** A part of a file's text. */
export interface TextBlock {
  /** UTF-8; invalid where the file is damaged. */
  bytes: Buffer;
  encoding: Encoding;
  /** Why that encoding. It can change from one block to a later one, as long as the text so far is ASCII. */
  found: FoundEncoding;
  /** True for the last block of the file. */
  last: boolean;
}

export interface TextLimits extends ExpansionLimits {
  /** Bytes from which the encoding, the format and its options are detected. */
  detectionBytes: number;
  /**
   * Bytes of UTF-8 in the first block. Column types are inferred from it; every later value is still checked.
   */
  inferenceBytes: number;
}

export interface TextOptions {
  fileName: string;
  /** The declared encoding; undefined: detect it. */
  encoding: Encoding | undefined;
  /** The table's pinned encoding, for text that fits several. */
  pinned: Encoding | undefined;
  limits: TextLimits;
}

/** Size of every block after the first. */
const BLOCK_BYTES = 1024 * 1024;

/**
 * A file's text in UTF-8: decompressed, decoded and cut into blocks. Block sizes do not depend on the chunks
 * of the source, so reading a file twice gives the same blocks. The last block may be empty.
 * @throws FILE_CORRUPT, FILE_EXPANDS_TOO_FAR, FILE_ENCODING_UNKNOWN, FILE_NOT_CSV for binary data
 */
export async function* textBlocks(source: AsyncIterable<Uint8Array>, options: TextOptions): AsyncGenerator<TextBlock> {
  const { limits } = options;
  const bytes = decompress(source, limits)[Symbol.asyncIterator]();
  try {
    const { head, done } = await readHead(bytes, limits.detectionBytes);
    const decoding = new TextDecoding(head.subarray(0, limits.detectionBytes), options);
    refuseBinary(head.subarray(0, limits.detectionBytes), decoding.found.encoding, options.fileName);
    const blocks = new BlockCutter(limits.inferenceBytes, decoding);
    yield* blocks.push(decoding.push(head));
    while (!done) {
      const next = await bytes.next();
      if (next.done) break;
      yield* blocks.push(decoding.push(next.value));
    }
    yield* blocks.push(decoding.end());
    yield blocks.last();
  } finally {
    await bytes.return?.(undefined);
  }
}

async function readHead(bytes: AsyncIterator<Uint8Array>, size: number): Promise<{ head: Buffer; done: boolean }> {
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < size) {
    const next = await bytes.next();
    if (next.done) return { head: Buffer.concat(parts), done: true };
    parts.push(next.value);
    length += next.value.length;
  }
  return { head: Buffer.concat(parts), done: false };
}

function refuseBinary(head: Buffer, encoding: Encoding, fileName: string): void {
  const found = looksBinary(head, encoding.startsWith("utf-16"));
  if (found === undefined) return;
  if (namedCompressed(fileName) && found === "binary data") {
    throw new TributaryError("FILE_CORRUPT", `'${fileName}' is named like a compressed file, but contains ${found}`);
  }
  throw new TributaryError("FILE_NOT_CSV", `the file looks like ${found}: ${remedyFor(found)}`);
}

/** Cuts a stream of chunks into blocks of exact size. Yields a full block once more text follows it. */
class BlockCutter {
  #block: Buffer;
  #length = 0;
  readonly #decoding: Pick<TextDecoding, "found">;

  constructor(firstBytes: number, decoding: Pick<TextDecoding, "found">) {
    this.#block = Buffer.allocUnsafeSlow(firstBytes);
    this.#decoding = decoding;
  }

  *push(piece: Uint8Array): Generator<TextBlock> {
    for (let at = 0; at < piece.length;) {
      if (this.#length === this.#block.length) {
        yield this.#cut(this.#block, false);
        this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
        this.#length = 0;
      }
      const part = piece.subarray(at, at + this.#block.length - this.#length);
      this.#block.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
    }
  }

  last(): TextBlock {
    return this.#cut(this.#block.subarray(0, this.#length), true);
  }

  #cut(bytes: Buffer, last: boolean): TextBlock {
    const { found } = this.#decoding;
    return { bytes, encoding: found.encoding, found, last };
  }
}
