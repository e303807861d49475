/**
 * Converts a file's bytes to UTF-8, chunk by chunk, without the byte-order mark. Nothing is replaced: an
 * invalid character (a lone surrogate, damaged UTF-8) becomes or stays invalid UTF-8, so that the reader
 * rejects its row.
 */
export interface Transcoder {
  push(chunk: Uint8Array): Uint8Array;
  /** Returns the bytes held back so far. */
  end(): Uint8Array;
}
