import { isAscii } from "node:buffer";
import type { Encoding, FoundEncoding } from "../encoding.ts";
import { detectEncoding, detectText } from "./detect.ts";
import { transcoderOf } from "./transcode.ts";
import type { Transcoder } from "./transcoder.ts";

export interface DecodingOptions {
  /** The declared encoding; undefined: detect it. */
  encoding: Encoding | undefined;
  /** The table's pinned encoding, for text that fits several. */
  pinned: Encoding | undefined;
  limits: { detectionBytes: number };
}

/**
 * Finds a file's encoding and converts the file to UTF-8, chunk by chunk. While all bytes are ASCII,
 * nothing is decided: the first byte beyond ASCII and those after it decide, however far into the file
 * they are. The result does not depend on the sizes of chunks.
 */
export class TextDecoding {
  #found: FoundEncoding;
  readonly #options: DecodingOptions;
  /** Undefined: the text so far is ASCII. */
  #transcoder: Transcoder | undefined;
  /** Bytes from the first beyond ASCII on, until they suffice to decide. */
  #window: Uint8Array[] = [];
  #windowBytes = 0;

  /** @throws FILE_ENCODING_UNKNOWN, see `detectEncoding` */
  constructor(sample: Buffer, options: DecodingOptions) {
    this.#options = options;
    const { encoding: declared, pinned } = options;
    this.#found = detectEncoding(sample, { declared, pinned });
    const isOpen = declared === undefined && this.#found.encoding === "utf-8" && isAscii(sample);
    if (!isOpen) this.#transcoder = this.#transcoderOf(this.#found);
  }

  /** The encoding, as far as it is decided. */
  get found(): FoundEncoding {
    return this.#found;
  }

  /** Returns the text of the chunk, without what cannot be converted yet. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#transcoder) return this.#transcoder.push(chunk);
    if (this.#windowBytes > 0) return this.#keep(chunk);
    if (isAscii(chunk)) return chunk;
    const first = chunk.findIndex((byte) => byte >= 0x80);
    return Buffer.concat([chunk.subarray(0, first), this.#keep(chunk.subarray(first))]);
  }

  /** Returns the rest of the text. */
  end(): Uint8Array {
    const rest = this.#windowBytes > 0 && !this.#transcoder ? this.#decide() : NOTHING;
    return Buffer.concat([rest, this.#transcoder?.end() ?? NOTHING]);
  }

  #keep(chunk: Uint8Array): Uint8Array {
    this.#window.push(chunk);
    this.#windowBytes += chunk.length;
    return this.#windowBytes < this.#options.limits.detectionBytes ? NOTHING : this.#decide();
  }

  #decide(): Uint8Array {
    const window = Buffer.concat(this.#window);
    this.#window = [];
    const { limits, pinned } = this.#options;
    this.#found = detectText(window.subarray(0, limits.detectionBytes), pinned);
    this.#transcoder = this.#found.encoding === "utf-8" ? UNCHANGED : this.#transcoderOf(this.#found);
    return this.#transcoder.push(window);
  }

  #transcoderOf({ encoding }: FoundEncoding): Transcoder {
    return transcoderOf(encoding, this.#options.encoding === undefined);
  }
}

const NOTHING = new Uint8Array(0);

/** A byte-order mark in the middle of a file stays. */
const UNCHANGED: Transcoder = { push: (chunk) => chunk, end: () => NOTHING };
