import { TributaryError } from "../errors.ts";
import { decompress, namedCompressed } from "./decompress.ts";
import { detectEncoding, transcoderOf, type Encoding } from "./encoding.ts";
import { looksBinary, looksMarkedUp, MARKUP_SAMPLE_BYTES } from "./unsupported-formats.ts";
import type { CsvLimits } from "../parsing/limits.ts";

/** A piece of a file's text. */
export interface TextBlock {
  /** UTF-8, as far as it is text. */
  bytes: Buffer;
  encoding: Encoding;
  /** Nothing follows. */
  last: boolean;
}

export interface TextOptions {
  fileName: string;
  /** The encoding, if it is known. */
  encoding: Encoding | undefined;
  /** The table's pinned one, for text that does not tell. */
  pinned: Encoding | undefined;
  limits: CsvLimits;
}

/** Size of all blocks but the first. */
const BLOCK_BYTES = 1024 * 1024;

/**
 * A file's text in UTF-8: unpacked, decoded, cut into blocks whose sizes do not depend on how the bytes came in (the first of
 * `inferenceBytes`), so that reading a file twice gives the same. There is always a last block, maybe empty.
 * @throws FILE_CORRUPT, FILE_EXPANDS_TOO_FAR, FILE_ENCODING_UNKNOWN, FILE_NOT_CSV
 */
export async function* textBlocks(source: AsyncIterable<Uint8Array>, options: TextOptions): AsyncGenerator<TextBlock> {
  const { limits } = options;
  const bytes = decompress(source, limits)[Symbol.asyncIterator]();
  try {
    const { head, done } = await readHead(bytes, limits.detectionBytes);
    const sample = head.subarray(0, limits.detectionBytes);
    const encoding = detectEncoding(sample, options.encoding, options.pinned);
    refuseBinary(sample, encoding, options.fileName);
    const transcoder = transcoderOf(encoding);
    const blocks = new BlockCutter(limits.inferenceBytes, encoding);
    const text = transcoder.push(head);
    refuseMarkup(text);
    yield* blocks.push(text);
    while (!done) {
      const next = await bytes.next();
      if (next.done) break;
      yield* blocks.push(transcoder.push(next.value));
    }
    yield* blocks.push(transcoder.end());
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
  const found = encoding.startsWith("utf-16") ? undefined : looksBinary(head);
  if (found === undefined) return;
  if (namedCompressed(fileName) && found === "binary data") {
    throw new TributaryError("FILE_CORRUPT", `'${fileName}' is named like compressed data, but holds ${found}`);
  }
  throw new TributaryError("FILE_NOT_CSV", `the file looks like ${found}`);
}

function refuseMarkup(text: Uint8Array): void {
  const sample = Buffer.from(text.buffer, text.byteOffset, Math.min(text.length, MARKUP_SAMPLE_BYTES));
  const found = looksMarkedUp(sample.toString("utf8"));
  if (found !== undefined) throw new TributaryError("FILE_NOT_CSV", `the file looks like ${found}`);
}

/** Cuts a stream of pieces into blocks of exact size; a full block is given out once it is sure not to be the last. */
class BlockCutter {
  #block: Buffer;
  #length = 0;
  readonly #encoding: Encoding;

  constructor(firstBytes: number, encoding: Encoding) {
    this.#block = Buffer.allocUnsafeSlow(firstBytes);
    this.#encoding = encoding;
  }

  *push(piece: Uint8Array): Generator<TextBlock> {
    for (let at = 0; at < piece.length;) {
      if (this.#length === this.#block.length) {
        yield { bytes: this.#block, encoding: this.#encoding, last: false };
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
    return { bytes: this.#block.subarray(0, this.#length), encoding: this.#encoding, last: true };
  }
}
